use super::environment::Environment;
use super::redacted::without_password;
use crate::platform;
use claude_store::{LargeItems, SystemKeyring};
use refresh_engine::{Freshness, Policy};
use std::path::PathBuf;
use url::Url;

/// The configuration in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// The storage folders; `None` means [`ListedStore::Default`] alone.
    pub(crate) stores: Option<Vec<ListedStore>>,
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

/// One item of `stores`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListedStore {
    /// The folder that Claude Code itself uses with this environment.
    Default,
    Folder(PathBuf),
}

impl ListedStore {
    /// The word for the first kind. No path is mistaken for it: those are absolute.
    pub(crate) const DEFAULT: &'static str = "default";
}

/// Whether documents in a Keychain are kept, too, and how they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeychainConfig {
    pub(crate) reach: KeychainReach,
    pub(crate) large_items: LargeItems,
}

impl Default for KeychainConfig {
    fn default() -> Self {
        Self { reach: KeychainReach::usual(), large_items: LargeItems::default() }
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
    /// As Claude Code does on this system.
    fn usual() -> Self {
        if platform::CLIENT_USES_KEYCHAIN { Self::Security } else { Self::Off }
    }

    /// The words for it; some of them another system's, or for a build with more in it.
    pub(super) const WORDS: &'static [(&'static str, Result<Self, &'static str>)] = &[
        ("off", Ok(Self::Off)),
        ("security", Ok(Self::Security)),
        ("native", Err("native")),
        ("secret-service", Err("secret-service")),
    ];

    pub(super) fn word(self) -> &'static str {
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
    pub(super) const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// The words of `fresh`.
pub(super) const FRESHNESS: &[(&str, Freshness)] =
    &[("when_used", Freshness::WhenUsed), ("always", Freshness::Always)];

/// The words for documents that are too large for a line of the Keychain's tool.
pub(super) const LARGE_ITEMS: &[(&str, LargeItems)] =
    &[("argument", LargeItems::Argument), ("refuse", LargeItems::Refuse)];

impl LogLevel {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];
}
