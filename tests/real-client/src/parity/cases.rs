//! The table's rows, by what they are about. The long ones stand first in each group.

mod answers;
mod authentication;
mod certificates;
mod dead;
mod discovery;
mod resource;
mod surroundings;

use super::case::Case;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let groups: [&[Case]; 7] = [
        dead::CASES,
        answers::CASES,
        resource::CASES,
        authentication::CASES,
        discovery::CASES,
        certificates::CASES,
        surroundings::CASES,
    ];
    groups.concat()
}
