//! Where in a configuration the line belongs that has the agent ignore a server.

use super::Config;
use std::path::Path;
use toml_edit::{DocumentMut, InlineTable, Item, Key, Table};

/// A configuration, as it stands in its file.
pub(crate) struct Ignoring(DocumentMut);

/// What to do so that a server is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HowToIgnore {
    /// Nothing: it is.
    IsIgnored,
    /// At the top of the file, above the first table, add this line.
    AtTheTop(String),
    /// Below this table's head add this line.
    Below { head: String, line: String },
    /// Between the braces of this key's value add this.
    Within { key: String, line: String },
    /// Write this in place of the value that this key has.
    Instead { key: String, line: String },
}

impl Ignoring {
    /// The configuration in this file; as if it were empty where it cannot be used.
    pub(crate) fn read(path: &Path) -> Self {
        let text = Config::text(path).ok().flatten().map(|(text, _)| text);
        Self::parse(&text.unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        Self(text.parse().unwrap_or_default())
    }

    pub(crate) fn of(&self, name: &str) -> HowToIgnore {
        let quoted = toml::Value::String(name.to_owned()).to_string();
        let line = format!("{quoted}.ignore = true");
        let root = self.0.as_table();
        let servers = shown(root.key("servers"));
        let at_the_top = || HowToIgnore::AtTheTop(format!("servers.{line}"));
        match root.get("servers") {
            Some(Item::Table(table)) => {
                // Heads of single servers, and dotted keys at the top, leave room for more of these.
                let has_head = !table.is_implicit() && !table.is_dotted();
                let beside = || match has_head {
                    true => HowToIgnore::Below { head: format!("[{servers}]"), line: line.clone() },
                    false => at_the_top(),
                };
                let key = format!("{servers}.{}", shown(table.key(name)));
                of_server(table.get(name), key, beside)
            }
            Some(Item::Value(value)) => match value.as_inline_table() {
                Some(table) => {
                    let key = format!("{servers}.{}", shown(table.key(name)));
                    let beside = || HowToIgnore::Within { key: servers.clone(), line: line.clone() };
                    match table.get(name).and_then(|value| value.as_inline_table()) {
                        Some(server) => inline(server, key, beside),
                        None => beside(),
                    }
                }
                None => at_the_top(),
            },
            _ => at_the_top(),
        }
    }
}

fn of_server(server: Option<&Item>, key: String, beside: impl Fn() -> HowToIgnore) -> HowToIgnore {
    match server {
        Some(Item::Table(server)) => table(server, key, beside),
        Some(Item::Value(value)) => match value.as_inline_table() {
            Some(server) => inline(server, key, beside),
            None => beside(),
        },
        _ => beside(),
    }
}

fn table(server: &Table, key: String, beside: impl Fn() -> HowToIgnore) -> HowToIgnore {
    match server.get("ignore").map(Item::as_bool) {
        Some(Some(true)) => HowToIgnore::IsIgnored,
        Some(_) => instead(&key),
        None if server.is_dotted() || server.is_implicit() => beside(),
        None => HowToIgnore::Below { head: format!("[{key}]"), line: "ignore = true".to_owned() },
    }
}

fn inline(server: &InlineTable, key: String, beside: impl Fn() -> HowToIgnore) -> HowToIgnore {
    match server.get("ignore").map(toml_edit::Value::as_bool) {
        Some(Some(true)) => HowToIgnore::IsIgnored,
        Some(_) => instead(&key),
        None if server.is_dotted() => beside(),
        None => HowToIgnore::Within { key, line: "ignore = true".to_owned() },
    }
}

fn instead(key: &str) -> HowToIgnore {
    HowToIgnore::Instead { key: format!("{key}.ignore"), line: "true".to_owned() }
}

/// As it stands in the file.
fn shown(key: Option<&Key>) -> String {
    key.map(|key| key.display_repr().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "my lab";

    /// Does what is said.
    fn followed(text: &str, how: &HowToIgnore) -> String {
        let after = |mark: &str, more: &str| text.replacen(mark, &format!("{mark}{more}"), 1);
        match how {
            HowToIgnore::IsIgnored => text.to_owned(),
            HowToIgnore::AtTheTop(line) => format!("{line}\n{text}"),
            HowToIgnore::Below { head, line } => after(head, &format!("\n{line}")),
            HowToIgnore::Within { key, line } => {
                let last = key.rsplit_once('.').map_or(key.as_str(), |(_, last)| last);
                after(&format!("{last} = {{ "), &format!("{line}, "))
            }
            HowToIgnore::Instead { line, .. } => {
                text.replacen("ignore = false", &format!("ignore = {line}"), 1)
            }
        }
    }

    #[test]
    fn what_is_said_leads_to_a_valid_configuration_that_ignores_the_server() {
        let texts = [
            "",
            "keep_alive = \"5d\"\n[log]\nlevel = \"warn\"\n",
            "[servers.other]\nmargin = \"9m\"\n",
            "[servers.\"my lab\"]\nmargin = \"9m\"\n",
            "[servers.'my lab']\n",
            "[log]\n[servers.other]\n[servers.\"my lab\"]\nmargin = \"9m\"\n[notices]\ndesktop = false\n",
            "[servers.\"my lab\"]\nignore = false\nmargin = \"9m\"\n",
            "[servers.\"my lab\"]\nignore = true\n",
            "[servers]\nother.margin = \"9m\"\n",
            "[servers]\n\"my lab\".margin = \"9m\"\n",
            "[servers]\n\"my lab\" = { margin = \"9m\" }\n",
            "[servers]\n\"my lab\" = { ignore = false }\n",
            "servers.\"my lab\".margin = \"9m\"\n",
            "servers.\"my lab\".ignore = false\n",
            "servers.\"my lab\" = { margin = \"9m\" }\n[log]\n",
            "servers = { other = { margin = \"9m\" } }\n",
            "servers = { \"my lab\" = { margin = \"9m\" } }\n",
            "servers = { \"my lab\".margin = \"9m\" }\n",
            "\"servers\".other.margin = \"9m\"\n",
        ];
        let parsed = |text: &str| Config::parse(text, Path::new("/c"), Path::new("/home/me"));
        for text in texts {
            let before = parsed(text).unwrap();
            let how = Ignoring::parse(text).of(NAME);
            let new = followed(text, &how);
            let after = parsed(&new).unwrap_or_else(|error| panic!("{text:?}: {how:?}: {new:?}: {error}"));
            assert!(after.policy.servers.get(NAME).unwrap().ignore, "{text:?}: {how:?}: {new:?}");
            // And nothing else has changed.
            let mut rest = after.clone();
            rest.policy.servers.clone_from(&before.policy.servers);
            assert_eq!(rest, before, "{text:?}");
            let margin = |config: &Config| config.policy.servers.get(NAME).and_then(|server| server.margin);
            assert_eq!(margin(&after), margin(&before), "{text:?}");
        }
    }

    #[test]
    fn the_head_is_named_as_it_stands_in_the_file() {
        let how = |text: &str| Ignoring::parse(text).of(NAME);
        let line = || "ignore = true".to_owned();
        assert_eq!(
            how("[servers.'my lab']\n"),
            HowToIgnore::Below { head: "[servers.'my lab']".to_owned(), line: line() }
        );
        assert_eq!(how("not TOML"), HowToIgnore::AtTheTop("servers.\"my lab\".ignore = true".to_owned()));
        assert_eq!(how("[servers.\"my lab\"]\nignore = true"), HowToIgnore::IsIgnored);
    }
}
