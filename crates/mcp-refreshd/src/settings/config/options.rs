#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::environment::Environment;
use super::redacted::without_password;
use super::token_socket::TokenSocket;
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
    /// Whether and how documents in a Keychain are kept.
    pub(crate) keychain: KeychainConfig,
    /// When to refresh, and what to ignore.
    pub(crate) policy: Policy,
    /// How to reach the servers.
    pub(crate) network: Network,
    /// What is logged, and in which format.
    pub(crate) log: LogConfig,
    /// The agent's log file, instead of standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// How the user is notified when action is required.
    pub(crate) notices: NoticesConfig,
    /// The second socket, if there is one.
    pub(crate) token_socket: Option<TokenSocket>,
    /// The cluster whose grants this machine shares.
    #[cfg(feature = "cluster")]
    pub(crate) cluster: Option<Cluster>,
    /// Variables to set if the environment lacks them.
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
    /// The word for the first kind. It cannot be confused with a path, which is absolute.
    pub(crate) const DEFAULT: &'static str = "default";
}

/// Whether and how documents in a Keychain are kept.
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
    /// Not at all: only files are used.
    Off,
    /// Through `/usr/bin/security`, as Claude Code does.
    Security,
    /// Through the system's own library: another kind of keychain, or the same one without the tool.
    Keyring(SystemKeyring),
}

impl KeychainReach {
    /// As Claude Code does on this system.
    fn usual() -> Self {
        if platform::CLIENT_USES_KEYCHAIN { Self::Security } else { Self::Off }
    }

    /// The accepted words; some apply to other systems only, or to builds with more features.
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

/// How the user is notified when action is required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoticesConfig {
    /// With a desktop notification.
    pub(crate) desktop: bool,
    /// With this shell command.
    pub(crate) hook: Option<String>,
}

impl Default for NoticesConfig {
    fn default() -> Self {
        Self { desktop: true, hook: None }
    }
}

/// How to reach the servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Network {
    /// A proxy for every request; `None` means the one that the environment names, if any.
    pub(crate) proxy: Option<Url>,
    /// PEM files with CA certificates to trust besides the system's.
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

/// What is logged, and in which format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The lowest level that is logged.
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

/// The words for handling documents that exceed one line of the Keychain tool's input.
pub(super) const LARGE_ITEMS: &[(&str, LargeItems)] =
    &[("argument", LargeItems::Argument), ("refuse", LargeItems::Refuse)];

impl LogLevel {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];
}
