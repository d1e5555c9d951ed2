//! What is to be said of the facts: pure functions, a file for each place where something can be wrong.

mod agent;
mod entries;
mod keychain;
mod leftovers;
mod locks;
mod logins;
mod needs_auth;
mod network;
mod service;
mod store;
mod surroundings;

use super::facts::Facts;
use super::finding::Finding;

/// Everything that is found, trouble first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let judges: [fn(&Facts) -> Vec<Finding>; 10] = [
        agent::findings,
        service::findings,
        store::findings,
        keychain::findings,
        entries::findings,
        needs_auth::findings,
        locks::findings,
        leftovers::findings,
        network::findings,
        surroundings::findings,
    ];
    let mut all: Vec<Finding> = judges.iter().flat_map(|judge| judge(facts)).collect();
    all.sort_by_key(|finding| finding.severity);
    all
}
