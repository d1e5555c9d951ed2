//! What an installation writes into the configuration: variables of the shell that a service does not inherit, and the stores to keep.

use super::stores::{StoreChoice, stores_to_keep};
use crate::platform::files::{PRIVATE, mode};
use crate::settings::config::{Config, Environment};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::wording::visible;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use toml_edit::{Array, DocumentMut, Item, Table, Value, value};
use user_agent_service::{Changes, ServiceError, Step};

/// A new text of the configuration file.
pub(super) struct Update {
    /// The configuration as it is then.
    pub(super) config: Config,
    path: PathBuf,
    text: String,
    mode: u32,
    /// What is new in it, a line each; no secrets.
    news: Vec<String>,
}

/// What has to be written into the configuration; `None` if it is right already. What was in the file stays, comments included.
/// `installed` says whether an agent keeps the stores of the configuration.
///
/// # Errors
/// A store would no longer be kept and nobody said that it may; a variable that no service can be given; or a file that cannot be read.
pub(super) fn update(
    config: &Config,
    paths: &Paths,
    choice: StoreChoice,
    installed: bool,
) -> Result<Option<Update>, Failure> {
    let here = Environment::of(&|name| std::env::var_os(name))
        .map_err(|why| Failure::new(Exit::Person, format!("{why}; change or unset it, and try again")))?;
    let news = here.news_to(&config.environment);
    let add = stores_to_keep(config, &news, paths, choice, installed)?;
    let news = if choice == StoreChoice::Add { news.without_folders() } else { news };
    if news.is_empty() && add.is_empty() {
        return Ok(None);
    }
    // A link stays one.
    let path = paths.config.canonicalize().unwrap_or_else(|_| paths.config.clone());
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Person, format!("the configuration {} cannot be read: {error}", path.display()))
    };
    let (there, was) = match fs::read_to_string(&path) {
        Ok(there) => (there, mode(&fs::metadata(&path).map_err(|error| unreadable(&error))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (String::new(), PRIVATE),
        Err(error) => return Err(unreadable(&error)),
    };
    let text = with(&there, &news, &add).map_err(|error| unreadable(&error))?;
    // Never one that the agent could not use.
    let config = Config::parse(&text, &path, &paths.home)?;
    let mode = if news.has_password() { PRIVATE } else { was & 0o777 };
    let stores = (!add.is_empty()).then(|| format!("  stores: {}", add.join(", ")));
    let variables = news.shown().map(|(name, value)| format!("  {name} = {}", visible(&value)));
    let news = stores.into_iter().chain(variables).collect();
    Ok(Some(Update { config, path, text, mode, news }))
}

impl Update {
    /// Writes it, and returns what to show.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, changes: &mut Changes) -> Result<String, ServiceError> {
        Ok(match changes.write(&self.path, &self.text, self.mode)? {
            // The difference could show a password that is in the file.
            Step::Wrote(_) | Step::Changed(..) => self.shown("wrote"),
            _ => String::new(),
        })
    }

    /// What to show instead of writing it.
    pub(super) fn planned(&self) -> String {
        self.shown("would write")
    }

    fn shown(&self, verb: &str) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{verb} {}:", self.path.display());
        for line in &self.news {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// The configuration's text with these variables in it, and these folders in `stores`.
fn with(text: &str, news: &Environment, add: &[String]) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    if !add.is_empty() {
        let stores = document.entry("stores").or_insert_with(|| value(Array::new()));
        if let Some(stores) = stores.as_array_mut() {
            stores.extend(add);
        }
    }
    if news.is_empty() {
        return Ok(document.to_string());
    }
    let table = document.entry("environment").or_insert_with(|| Item::Table(Table::new()));
    if let Some(table) = table.as_table_like_mut() {
        for (name, text) in news.iter() {
            match table.get_mut(name).and_then(Item::as_value_mut) {
                // With the comments around it.
                Some(there) => {
                    let around = there.decor().clone();
                    *there = Value::from(text);
                    *there.decor_mut() = around;
                }
                None => drop(table.insert(name, value(text))),
            }
        }
    }
    Ok(document.to_string())
}

// Their paths are those of Unix.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Environment {
        Environment::of(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
        .unwrap()
    }

    #[test]
    fn what_the_person_wrote_stays() {
        let there = "# mine\nkeep_alive = \"5d\" # short\n\n[environment]\n# the old one\nHTTPS_PROXY = \"http://old\" # at home\n\n[log]\nlevel = \"warn\"\n";
        let text =
            with(there, &of(&[("HTTPS_PROXY", "http://new"), ("SSL_CERT_FILE", "/a \"b\"")]), &[]).unwrap();
        assert_eq!(
            text,
            "# mine\nkeep_alive = \"5d\" # short\n\n[environment]\n# the old one\nHTTPS_PROXY = \"http://new\" # at home\nSSL_CERT_FILE = '/a \"b\"'\n\n[log]\nlevel = \"warn\"\n"
        );
    }

    #[test]
    fn a_configuration_is_begun_where_there_is_none() {
        let text = with("", &of(&[("CLAUDE_CONFIG_DIR", "/srv/claude")]), &[]).unwrap();
        assert_eq!(text, "[environment]\nCLAUDE_CONFIG_DIR = \"/srv/claude\"\n");
    }

    #[test]
    fn a_store_is_added_to_the_list_or_begins_one() {
        let add = ["~/work".to_owned()];
        let text = with("# mine\nfresh = \"always\"\n\n[log]\nlevel = \"warn\"\n", &of(&[]), &add).unwrap();
        assert_eq!(text, "# mine\nfresh = \"always\"\nstores = [\"~/work\"]\n\n[log]\nlevel = \"warn\"\n");
        let text = with("stores = [\"default\"] # mine\n", &of(&[]), &add).unwrap();
        assert_eq!(text, "stores = [\"default\", \"~/work\"] # mine\n");
    }
}
