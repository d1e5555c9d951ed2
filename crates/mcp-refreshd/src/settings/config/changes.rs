use super::effective::effective;
use super::options::{Config, ListedStore};
use super::token_socket::TokenSocket;
use compact::Arrange as _;
use compact::Map;
use toml::{Table, Value};

/// Settings that a running agent cannot change.
const AT_RESTART: [&str; 6] =
    ["stores", "keychain", "keychain_large_items", "log.file", "token_socket", "environment"];

/// One changed setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its dotted name: `margin.floor`.
    pub(crate) key: String,
    /// As TOML, without passwords; `None` if it is not set.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// Whether it takes effect only after a restart.
    pub(crate) needs_restart: bool,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        match self.before == self.after {
            // Both passwords are hidden, so say that they differ.
            true => write!(f, "{}: another password", self.key),
            false => write!(f, "{}: {} -> {}", self.key, value(&self.before), value(&self.after)),
        }
    }
}

/// The settings that differ between two configurations.
pub(crate) fn changes(before: &Config, after: &Config) -> Vec<Change> {
    let (then, now) = (settings(before), settings(after));
    let mut keys: Vec<_> = then.keys().chain(now.keys()).collect();
    keys.arrange();
    keys.dedup();
    let mut changes: Vec<_> = keys
        .into_iter()
        .map(|key| Change {
            key: key.clone(),
            before: then.get(key).cloned(),
            after: now.get(key).cloned(),
            needs_restart: needs_restart(key, before, after),
        })
        .filter(|change| change.before != change.after)
        .collect();
    for (key, differs) in [
        ("network.proxy", before.network.proxy != after.network.proxy),
        ("environment", before.environment != after.environment),
    ] {
        if differs && !changes.iter().any(|change| change.key.starts_with(key)) {
            let needs_restart = needs_restart(key, before, after);
            changes.push(Change { key: key.to_owned(), before: None, after: None, needs_restart });
        }
    }
    changes
}

fn needs_restart(key: &str, before: &Config, after: &Config) -> bool {
    // The socket that is open answers for others at once.
    if key == "token_socket.servers" && same_token_socket(before, after) {
        return false;
    }
    AT_RESTART
        .iter()
        .any(|setting| key.strip_prefix(setting).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Whether both have the same token socket, for whichever servers.
pub(crate) fn same_token_socket(before: &Config, after: &Config) -> bool {
    let socket = |config: &Config| {
        config.token_socket.clone().map(|TokenSocket { path, secret_file, servers: _ }| (path, secret_file))
    };
    let (then, now) = (socket(before), socket(after));
    then.is_some() && then == now
}

/// Every setting by its dotted key.
fn settings(config: &Config) -> Map<String, String> {
    let mut settings = Map::new();
    // We wrote this text ourselves, so it parses.
    for (key, value) in effective(config, None, &[]).parse::<Table>().unwrap_or_default() {
        flatten(key, value, &mut settings);
    }
    settings.remove("stores");
    let store = |store: &ListedStore| match store {
        ListedStore::Default => ListedStore::DEFAULT.to_owned(),
        ListedStore::Folder(folder) => folder.display().to_string(),
    };
    let stores = config.stores.as_ref().map(|stores| stores.iter().map(store).collect::<Vec<_>>());
    settings.extend(stores.map(|stores| ("stores".to_owned(), Value::from(stores).to_string())));
    settings
}

fn flatten(path: String, value: Value, settings: &mut Map<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(format!("{path}.{key}"), value, settings);
            }
        }
        value => drop(settings.insert(path, value.to_string())),
    }
}

// Their paths are those of Unix.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of(before: &str, after: &str) -> Vec<String> {
        let parsed = |text: &str| Config::parse(text, Path::new("/c"), Path::new("/home/me")).unwrap();
        let shown =
            |change: Change| format!("{change}{}", if change.needs_restart { " (restart)" } else { "" });
        changes(&parsed(before), &parsed(after)).into_iter().map(shown).collect()
    }

    #[test]
    fn a_changed_setting_shows_both_values() {
        assert_eq!(of("", ""), [""; 0]);
        assert_eq!(of("", "[margin]\nfloor = \"9m\""), ["margin.floor: \"7m\" -> \"9m\""]);
        assert_eq!(of("[servers.\"a b\"]\nignore = true", ""), ["servers.a b.ignore: true -> not set"]);
    }

    #[test]
    fn settings_that_need_a_restart_are_marked() {
        assert_eq!(
            of("", "stores = [\"default\", \"/srv/c\"]\nfresh = \"always\""),
            ["fresh: \"when_used\" -> \"always\"", "stores: not set -> [\"default\", \"/srv/c\"] (restart)"]
        );
        assert_eq!(
            of("", "[environment]\nNO_PROXY = \"x\""),
            ["environment.NO_PROXY: not set -> \"x\" (restart)"]
        );
    }

    #[cfg(unix)] // Windows has no token socket.
    #[test]
    fn the_token_socket_takes_a_restart_unless_it_is_the_same_for_other_servers() {
        let socket = |more: &str| format!("[token_socket]\n{more}");
        let one = socket("servers = [\"lab\"]");
        let two = socket("servers = [\"lab\", \"wiki\"]");
        assert_eq!(of(&one, &two), ["token_socket.servers: [\"lab\"] -> [\"lab\", \"wiki\"]"]);
        assert_eq!(of("", &one), ["token_socket.servers: not set -> [\"lab\"] (restart)"]);
        assert_eq!(of(&one, ""), ["token_socket.servers: [\"lab\"] -> not set (restart)"]);
        // Until the new socket is there, nobody may get at the old one what the new one is for.
        let guarded = format!("{two}\nsecret_file = \"/s\"");
        assert_eq!(
            of(&one, &guarded),
            [
                "token_socket.secret_file: not set -> \"/s\" (restart)",
                "token_socket.servers: [\"lab\"] -> [\"lab\", \"wiki\"] (restart)",
            ]
        );
    }

    #[test]
    fn a_changed_password_is_reported_but_not_shown() {
        let proxy = |password: &str| format!("[network]\nproxy = \"http://me:{password}@p:3128\"");
        let changed = of(&proxy("made-up-one"), &proxy("made-up-two"));
        assert_eq!(changed, ["network.proxy: another password"]);
    }
}
