//! The user's settings, in `config.toml`. The file and everything in it are optional.

mod changes;
#[cfg(feature = "cluster")]
mod cluster;
mod duration;
mod effective;
mod environment;
mod error;
mod ignoring;
mod options;
mod parse;
mod redacted;
mod table;
mod token_socket;

#[cfg(test)]
mod tests;

pub(crate) use changes::{Change, changes, same_token_socket};
#[cfg(feature = "cluster")]
pub(crate) use cluster::Cluster;
pub(crate) use effective::effective;
pub(crate) use environment::Environment;
pub(crate) use error::{ConfigError, Problem};
pub(crate) use ignoring::{HowToIgnore, Ignoring};
pub(crate) use options::{
    Config, KeychainReach, ListedStore, LogConfig, LogFormat, LogLevel, Network, NoticesConfig,
};

pub(crate) use token_socket::TokenSocket;

use crate::platform::files;
use crate::platform::process::machine_and_user;
use oauth_secret::TokenDigest;
use std::fs::Metadata;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The default configuration file, each line explained.
pub(crate) const DEFAULTS: &str = include_str!("config/default.toml");

/// The largest configuration file that is read.
const LARGEST: u64 = 1 << 20;

/// A duration on the command line, written as in the configuration.
///
/// # Errors
/// Shows the expected form.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).ok_or_else(|| "write it like 10m, 2h or 1h30m".to_owned())
}

/// A path on the command line. `~/` is the home folder, even if no shell has expanded it; relative paths start at the current
/// directory.
///
/// # Errors
/// The current directory no longer exists.
pub(crate) fn path_argument(path: &Path, home: &Path) -> io::Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => Ok(home.join(rest)),
        Err(_) => std::path::absolute(path),
    }
}

impl Config {
    /// Reads the configuration; without a file, the defaults apply. `~` stands for `home`.
    ///
    /// # Errors
    /// Names file, line and key of every mistake.
    pub(crate) fn load(path: &Path, home: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::read(path, home)?;
        config.policy.jitter_seed = seed_of_this_machine();
        Ok(config)
    }

    fn read(path: &Path, home: &Path) -> Result<Self, ConfigError> {
        let Some((text, metadata)) = Self::text(path)? else { return Ok(Self::default()) };
        let config = Self::parse(&text, path, home)?;
        let mode = files::mode(&metadata);
        let password = config.network.proxy.as_ref().is_some_and(|proxy| proxy.password().is_some());
        if (password || config.environment.has_password()) && mode & 0o077 != 0 {
            return Err(ConfigError::Exposed { path: path.to_owned(), mode });
        }
        Ok(config)
    }

    /// The text of the file; `None` if there is none.
    fn text(path: &Path) -> Result<Option<(String, Metadata)>, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut file = match files::opening().read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(ConfigError::NotAFile { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: LARGEST });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::wrong(path, vec![Problem { line, text: "not UTF-8 text".to_owned() }])
        })?;
        Ok(Some((text, metadata)))
    }
}

impl Config {
    /// Parses a configuration; `path` is where the text is, or will be, stored.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn parse(text: &str, path: &Path, home: &Path) -> Result<Self, ConfigError> {
        parse::parse(text, home).map_err(|problems| ConfigError::wrong(path, problems))
    }
}

/// A stable number that differs between machines and users.
fn seed_of_this_machine() -> u64 {
    TokenDigest::of(&machine_and_user()).seed()
}
