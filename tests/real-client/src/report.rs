//! The results of a scenario.

use std::fmt::{self, Display};

/// Figures, and the requirements that were not met.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<String>,
    unmet: Vec<String>,
}

impl Report {
    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl Display) {
        self.figures.push(format!("{name} {value}"));
    }

    /// Adds a requirement.
    pub(crate) fn demand(&mut self, what: &str, holds: bool) {
        if !holds {
            self.unmet.push(what.to_owned());
        }
    }

    /// Adds a figure with a required value.
    pub(crate) fn demand_eq<T: Display + PartialEq>(&mut self, name: &str, found: T, wanted: T) {
        if found != wanted {
            self.unmet.push(format!("{name} {found}, not {wanted}"));
        }
        self.figure(name, found);
    }

    pub(crate) fn unmet(&self) -> &[String] {
        &self.unmet
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.figures.join(", "))
    }
}
