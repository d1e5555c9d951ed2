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

    /// What the person is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Person, format!("the result cannot be written: {error}"))
    }
}
