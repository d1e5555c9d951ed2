use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use compact::Arrange as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file exists but cannot be read.
    #[error("the configuration {} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// It is not a regular file.
    #[error("the configuration {} is not a regular file; move it away", path.display())]
    NotAFile { path: PathBuf },
    /// It is too large.
    #[error("the configuration {} is over {} KiB; that is no configuration of mcp-refreshd", path.display(), limit >> 10)]
    TooLarge { path: PathBuf, limit: u64 },
    /// Others may read the proxy's password.
    #[error(
        "the configuration {} holds a password and others may read it (mode {mode:04o}); \
         type: chmod 600 {}", path.display(), crate::terminal::wording::quoted(&path.to_string_lossy())
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// Its content is wrong.
    #[error("{}", Problems { path, problems })]
    Wrong { path: PathBuf, problems: Vec<Problem> },
}

impl ConfigError {
    pub(super) fn wrong(path: &Path, mut problems: Vec<Problem>) -> Self {
        problems.arrange_by_key(|problem| problem.line);
        Self::Wrong { path: path.to_owned(), problems }
    }
}

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Counted from 1.
    pub(crate) line: usize,
    /// The key, what is wrong with it, and what is accepted.
    pub(crate) text: String,
}

struct Problems<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Problem { line, text }) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{line}: {text}", self.path.display())?;
        }
        Ok(())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}
