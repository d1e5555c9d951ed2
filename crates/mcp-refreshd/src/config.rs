//! What the user may set, in `config.toml`. Everything is optional, and so is the file.

mod duration;
mod effective;
mod environment;
mod error;
mod parse;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use effective::effective;
pub(crate) use environment::Environment;
pub(crate) use error::{ConfigError, Problem};

use crate::platform;
use claude_store::{LargeItems, SystemKeyring};
use oauth_secret::TokenDigest;
use refresh_engine::{Freshness, Policy};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use url::Url;

/// The default configuration file, each line explained.
pub(crate) const DEFAULTS: &str = include_str!("config/default.toml");

/// No configuration of this program is larger.
const LARGEST: u64 = 1 << 20;

/// The configuration in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The storage folders; `None` means the one that Claude Code itself would use with this environment.
    pub(crate) stores: Option<Vec<PathBuf>>,
    /// Whether documents in a Keychain are kept, too, and how they are reached.
    pub(crate) keychain: KeychainConfig,
    /// How early, how often, and what not at all.
    pub(crate) policy: Policy,
    /// The way to the servers.
    pub(crate) network: Network,
    /// What is told and how.
    pub(crate) log: LogConfig,
    /// Where the daemon logs instead of standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// How a person is told that they are needed.
    pub(crate) notices: NoticesConfig,
    /// Variables for where the environment lacks them.
    pub(crate) environment: Environment,
}

/// Whether documents in a Keychain are kept, too, and how they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeychainConfig {
    pub(crate) reach: KeychainReach,
    pub(crate) large_items: LargeItems,
}

impl Default for KeychainConfig {
    fn default() -> Self {
        Self { reach: platform::KEYCHAIN, large_items: LargeItems::default() }
    }
}

/// How a Keychain is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeychainReach {
    /// Not at all: only files are kept.
    Off,
    /// By `/usr/bin/security`, as Claude Code does.
    Security,
    /// By the system's own library: another kind of Keychain, or the same without the tool in between.
    Keyring(SystemKeyring),
}

impl KeychainReach {
    /// The words for it; some of them another system's, or for a build with more in it.
    const WORDS: &'static [(&'static str, Result<Self, &'static str>)] = &[
        ("off", Ok(Self::Off)),
        ("security", Ok(Self::Security)),
        ("native", Err("native")),
        ("secret-service", Err("secret-service")),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Security => "security",
            Self::Keyring(_) => SystemKeyring::NAME,
        }
    }
}

/// How a person is told that they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoticesConfig {
    /// By a notice on the desktop.
    pub(crate) desktop: bool,
    /// By this command line of the shell.
    pub(crate) hook: Option<String>,
}

impl Default for NoticesConfig {
    fn default() -> Self {
        Self { desktop: true, hook: None }
    }
}

/// The way to the servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Network {
    /// A proxy for every request; `None` means the one that the environment names, if any.
    pub(crate) proxy: Option<Url>,
    /// PEM files with certificate authorities to trust besides the system's.
    pub(crate) extra_ca: Vec<PathBuf>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("proxy", &self.proxy.as_ref().map(without_password))
            .field("extra_ca", &self.extra_ca)
            .finish()
    }
}

/// What is told and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The least weight of what is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// The words of `fresh`.
const FRESHNESS: &[(&str, Freshness)] = &[("when_used", Freshness::WhenUsed), ("always", Freshness::Always)];

/// The words for documents that are too large for a line of the Keychain's tool.
const LARGE_ITEMS: &[(&str, LargeItems)] =
    &[("argument", LargeItems::Argument), ("refuse", LargeItems::Refuse)];

impl LogLevel {
    const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];
}

/// A length of time on the command line, written as in the configuration.
///
/// # Errors
/// Says how it is written.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    duration::parse(text).ok_or_else(|| "write it like 10m, 2h or 1h30m".to_owned())
}

/// A path on the command line: `~/` is the home folder, for where no shell stands between; what is relative lies in the folder
/// that the program was started in.
///
/// # Errors
/// That folder does not exist any more.
pub(crate) fn path_argument(path: &Path, home: &Path) -> io::Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => Ok(home.join(rest)),
        Err(_) => std::path::absolute(path),
    }
}

impl Config {
    /// Reads the configuration; where there is none, the defaults hold. `home` is what `~` stands for.
    ///
    /// # Errors
    /// Names file, line and key of everything that is wrong.
    pub(crate) fn load(path: &Path, home: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::read(path, home)?;
        config.policy.jitter_seed = seed_of_this_machine();
        Ok(config)
    }

    fn read(path: &Path, home: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
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
        let config = Self::parse(&text, path, home)?;
        let mode = metadata.permissions().mode() & 0o7777;
        let password = config.network.proxy.as_ref().is_some_and(|proxy| proxy.password().is_some());
        if (password || config.environment.has_password()) && mode & 0o077 != 0 {
            return Err(ConfigError::Exposed { path: path.to_owned(), mode });
        }
        Ok(config)
    }
}

impl Config {
    /// Reads a configuration from its text; `path` is where it stands or will stand.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn parse(text: &str, path: &Path, home: &Path) -> Result<Self, ConfigError> {
        parse::parse(text, home).map_err(|problems| ConfigError::wrong(path, problems))
    }
}

/// A number that differs between machines and users, and stays as it is.
fn seed_of_this_machine() -> u64 {
    let (name, user) = (rustix::system::uname(), rustix::process::getuid());
    TokenDigest::of(&format!("{} {}", name.nodename().to_string_lossy(), user.as_raw())).seed()
}

/// Opens without waiting: a FIFO in the file's place must not hold the program.
fn open(path: &Path) -> io::Result<fs::File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(fs::File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// A proxy's URL as it may be shown.
fn without_password(proxy: &Url) -> String {
    let mut shown = proxy.clone();
    if shown.password().is_some() {
        // Fails only for URLs that cannot have one.
        let _ = shown.set_password(Some("hidden"));
    }
    shown.to_string()
}
