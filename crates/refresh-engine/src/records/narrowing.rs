use serde::{Deserialize, Serialize};

/// The part of the login's scope that the answers lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowing {
    /// The items that are missing, separated by spaces.
    pub lacks: String,
    /// The login's scope was asked for once, and it did not help.
    pub in_vain: bool,
}

impl Narrowing {
    /// In words.
    #[must_use]
    pub fn wording(&self) -> String {
        let then = if self.in_vain { "asking for it did not help" } else { "the next refresh asks for it" };
        format!("the server granted less scope than the login has, without {}; {then}", self.lacks)
    }
}
