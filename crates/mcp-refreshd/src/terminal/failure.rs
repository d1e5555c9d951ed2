use crate::terminal::exit::Exit;
use std::io;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The same, and what that means for the command.
    #[must_use]
    pub(crate) fn then(self, consequence: &str) -> Self {
        Self { message: format!("{}\n{consequence}", self.message), ..self }
    }

    /// What the user is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Person, format!("the result cannot be written: {error}"))
    }
}
