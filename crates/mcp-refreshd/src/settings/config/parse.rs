use super::environment::Environment;
use super::error::Problem;
use super::options::{
    Config, FRESHNESS, KeychainConfig, KeychainReach, LARGE_ITEMS, ListedStore, LogConfig, LogFormat,
    LogLevel, Network, NoticesConfig,
};
use super::table::{Findings, Table};
use super::token_socket::token_socket;
use crate::terminal::columns::shortened;
use crate::terminal::wording::quoted;
use claude_store::SystemKeyring;
use refresh_engine::{MARGIN_FLOOR, Policy, ServerPolicy};
use std::path::{Path, PathBuf, is_separator};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use url::Url;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Every refresh is a small risk, so no refresh token is exercised more often.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(60 * 60);
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const WHY_MARGIN: &str = "Claude Code refreshes by itself when less than 5 minutes are left, and a margin over a day only refreshes more often";
const WHY_PERCENT: &str = "a larger share would refresh all the time";
const WHY_KEEP_ALIVE: &str =
    "more often adds risk and gains nothing, and servers forget refresh tokens that go unused for a year";

/// Parses a configuration. Reports every wrong key, not only the first.
pub(super) fn parse(text: &str, home: &Path) -> Result<Config, Vec<Problem>> {
    let mut findings = Findings::new(text);
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            // Only the message: the snippet that the error's `Display` shows could hold a proxy's password.
            let place = error.span().unwrap_or(0..0);
            findings.note(place, format!("not TOML: {}", error.message()));
            return Err(findings.into_problems());
        }
    };
    let known = [
        "stores",
        "keychain",
        "keychain_large_items",
        "keep_alive",
        "fresh",
        "margin",
        "servers",
        "network",
        "log",
        "notices",
        "token_socket",
        #[cfg(feature = "cluster")]
        "cluster",
        "environment",
    ];
    let root = Table::new("", root.get_ref(), &known, &mut findings);
    let mut config = Config { stores: stores(&root, home, &mut findings), ..Config::default() };
    config.keychain = keychain(&root, &mut findings);
    if let Some(keep_alive) = keep_alive(&root, &mut findings) {
        config.policy.keep_alive = keep_alive;
    }
    config.policy.fresh = root.word("fresh", FRESHNESS, &mut findings).unwrap_or_default();
    if let Some(table) = root.table("margin", &mut findings) {
        margin(table, &mut config.policy, &mut findings);
    }
    if let Some(table) = root.table("servers", &mut findings) {
        servers(table, &mut config.policy, &mut findings);
    }
    if let Some(table) = root.table("network", &mut findings) {
        config.network = network(table, home, &mut findings);
    }
    if let Some(table) = root.table("log", &mut findings) {
        (config.log, config.log_file) = log(table, home, &mut findings);
    }
    if let Some(table) = root.table("notices", &mut findings) {
        config.notices = notices(table, &mut findings);
    }
    if let Some(table) = root.table("token_socket", &mut findings) {
        config.token_socket = token_socket(table, |text| folder(text, home), &mut findings);
    }
    #[cfg(feature = "cluster")]
    if let Some(table) = root.table("cluster", &mut findings) {
        config.cluster = super::cluster::cluster(table, |text| folder(text, home), &mut findings);
    }
    if let Some(table) = root.table("environment", &mut findings) {
        config.environment = Environment::parse(table, &mut findings);
    }
    let problems = findings.into_problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn stores(root: &Table<'_, '_>, home: &Path, findings: &mut Findings<'_>) -> Option<Vec<ListedStore>> {
    let texts = root.texts("stores", findings)?;
    if let Some(value) =
        root.value("stores").filter(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    {
        findings
            .note(value.span(), "`stores` is empty, so no login would be refreshed; remove it".to_owned());
    }
    let mut stores: Vec<ListedStore> = Vec::new();
    for (text, span) in texts {
        let store = match text {
            ListedStore::DEFAULT => Some(ListedStore::Default),
            path => folder(path, home).map(ListedStore::Folder),
        };
        match store {
            Some(store) if stores.contains(&store) => {
                findings.note(span, format!("`stores` lists {} twice", shortened(text, 60)))
            }
            Some(store) => stores.push(store),
            None => {
                let text = shortened(text, 60);
                findings.note(
                    span,
                    format!("`stores` takes absolute paths, paths that begin with \"~/\", and \"default\", not \"{text}\""),
                );
            }
        }
    }
    Some(stores)
}

fn keychain(root: &Table<'_, '_>, findings: &mut Findings<'_>) -> KeychainConfig {
    let usual = KeychainConfig::default();
    KeychainConfig {
        reach: keychain_reach(root, findings).unwrap_or(usual.reach),
        large_items: root.word("keychain_large_items", LARGE_ITEMS, findings).unwrap_or(usual.large_items),
    }
}

fn keychain_reach(root: &Table<'_, '_>, findings: &mut Findings<'_>) -> Option<KeychainReach> {
    let name = match root.word("keychain", KeychainReach::WORDS, findings)? {
        Ok(reach) => return Some(reach),
        Err(name) => name,
    };
    let keyring = SystemKeyring::named(name);
    if let (Err(error), Some(place)) = (&keyring, root.place("keychain")) {
        findings.note(place, format!("`keychain` cannot be \"{name}\": {error}"));
    }
    keyring.ok().map(KeychainReach::Keyring)
}

fn keep_alive(table: &Table<'_, '_>, findings: &mut Findings<'_>) -> Option<Duration> {
    table.duration("keep_alive", SHORTEST_KEEP_ALIVE..=LONGEST_KEEP_ALIVE, WHY_KEEP_ALIVE, findings)
}

fn margin(table: &DeTable<'_>, policy: &mut Policy, findings: &mut Findings<'_>) {
    let table = Table::new("margin", table, &["percent", "floor", "ceiling"], findings);
    if let Some(percent) = table.number("percent", 1..=75, WHY_PERCENT, findings) {
        policy.margin_percent = percent;
    }
    if let Some(floor) = table.duration("floor", MARGIN_FLOOR..=DAY, WHY_MARGIN, findings) {
        policy.margin_floor = floor;
    }
    if let Some(ceiling) = table.duration("ceiling", MARGIN_FLOOR..=DAY, WHY_MARGIN, findings) {
        policy.margin_ceiling = ceiling;
    }
    if policy.margin_ceiling < policy.margin_floor {
        let place = table.place("ceiling").or_else(|| table.place("floor")).unwrap_or(0..0);
        findings.note(place, "`margin.ceiling` must not be below `margin.floor`");
    }
}

fn servers(servers: &DeTable<'_>, policy: &mut Policy, findings: &mut Findings<'_>) {
    for (name, value) in servers {
        let path = format!("servers.{}", quoted(&shortened(name.get_ref(), 60)));
        let DeValue::Table(table) = value.get_ref() else {
            findings
                .note(value.span(), format!("`{path}` must be a table, not {}", value.get_ref().type_str()));
            continue;
        };
        let table = Table::new(path, table, &["ignore", "margin", "keep_alive"], findings);
        let server = ServerPolicy {
            ignore: table.boolean("ignore", findings).unwrap_or(false),
            margin: table.duration("margin", MARGIN_FLOOR..=DAY, WHY_MARGIN, findings),
            keep_alive: keep_alive(&table, findings),
        };
        policy.servers.insert(name.get_ref().clone().into_owned(), server);
    }
}

fn network(table: &DeTable<'_>, home: &Path, findings: &mut Findings<'_>) -> Network {
    let table = Table::new("network", table, &["proxy", "extra_ca"], findings);
    let mut network = Network::default();
    if let Some((text, span)) = table.text("proxy", findings) {
        // The text itself is not repeated: it may hold a password.
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                network.proxy = Some(url)
            }
            _ => findings.note(
                span,
                "`network.proxy` must be a URL like \"http://proxy.example.com:3128\" (http or https)",
            ),
        }
    }
    for (text, span) in table.texts("extra_ca", findings).unwrap_or_default() {
        match folder(text, home) {
            Some(path) => network.extra_ca.push(path),
            None => findings.note(span, not_absolute("network.extra_ca", text)),
        }
    }
    network
}

fn log(table: &DeTable<'_>, home: &Path, findings: &mut Findings<'_>) -> (LogConfig, Option<PathBuf>) {
    let table = Table::new("log", table, &["format", "level", "file"], findings);
    let config = LogConfig {
        format: table.word("format", LogFormat::WORDS, findings).unwrap_or_default(),
        level: table.word("level", LogLevel::WORDS, findings).unwrap_or_default(),
    };
    let file = table.text("file", findings).and_then(|(text, span)| {
        let path = folder(text, home).filter(|path| path.file_name().is_some() && !text.ends_with('/'));
        if path.is_none() {
            findings.note(span, not_absolute("log.file", text));
        }
        path
    });
    (config, file)
}

fn notices(table: &DeTable<'_>, findings: &mut Findings<'_>) -> NoticesConfig {
    let table = Table::new("notices", table, &["desktop", "hook"], findings);
    let mut notices = NoticesConfig::default();
    if let Some(desktop) = table.boolean("desktop", findings) {
        notices.desktop = desktop;
    }
    if let Some((text, span)) = table.text("hook", findings) {
        if text.trim().is_empty() || text.contains('\0') {
            findings.note(span, "`notices.hook` must be a command line like \"~/bin/tell-me\"");
        } else {
            notices.hook = Some(text.to_owned());
        }
    }
    notices
}

/// An absolute path, or one below the user's home folder.
fn folder(text: &str, home: &Path) -> Option<PathBuf> {
    let path = match text.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) => home.join(rest.strip_prefix(is_separator)?.trim_start_matches(is_separator)),
        None => PathBuf::from(text),
    };
    (path.is_absolute() && !text.contains('\0')).then_some(path)
}

fn not_absolute(key: &str, text: &str) -> String {
    format!("`{key}` must be an absolute path or begin with \"~/\", not \"{}\"", shortened(text, 60))
}
