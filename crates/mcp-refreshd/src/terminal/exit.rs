use std::process::ExitCode;

/// How a command ended, as its exit code. The order is that of precedence: where several hold, the greatest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All is well.
    Well,
    /// The agent does not run.
    NotRunning,
    /// A server could not be reached, so that nothing is known (`check --live`).
    Unreached,
    /// The store cannot be read.
    Unreadable,
    /// The user is needed, or the command failed.
    Person,
    /// The command was used wrongly.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Well => 0,
            Exit::Person => 1,
            Exit::Usage => 2,
            Exit::NotRunning => 3,
            Exit::Unreadable => 4,
            Exit::Unreached => 5,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_person_comes_before_the_store_and_the_store_before_the_agent() {
        assert_eq!(Exit::NotRunning.max(Exit::Person).max(Exit::Unreadable), Exit::Person);
        assert_eq!(Exit::NotRunning.max(Exit::Unreadable), Exit::Unreadable);
    }
}
