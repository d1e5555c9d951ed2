//! Variables of the shell that are to outlive it: they go into the configuration.

use crate::platform::files::{PRIVATE, mode};
use crate::settings::config::{Config, Environment};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::fmt::Write as _;
use std::fs;
use toml_edit::{DocumentMut, Item, Table, Value, value};
use user_agent_service::{Changes, Step};

/// Writes what this shell has and the configuration does not have so; gives what to tell about it. What was in the file stays, comments
/// included.
///
/// # Errors
/// A variable that no service can be given, or a file that cannot be written.
pub(super) fn keep(config: &Config, paths: &Paths, changes: &mut Changes) -> Result<String, Failure> {
    let here = Environment::of(&|name| std::env::var_os(name)).map_err(|why| {
        Failure::new(Exit::Person, format!("{why}; set it otherwise, or unset it, and try again"))
    })?;
    let news = here.news_to(&config.environment);
    if news.is_empty() {
        return Ok(String::new());
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
    let text = with(&there, &news).map_err(|error| unreadable(&error))?;
    // Never one that the agent could not use.
    Config::parse(&text, &path, &paths.home)?;
    let mode = if news.has_password() { PRIVATE } else { was & 0o777 };
    let mut told = String::new();
    if let Step::Wrote(path) = changes.write(&path, &text, mode)? {
        // Writing to a string does not fail.
        let _ = writeln!(
            told,
            "wrote {}: variables that a service does not inherit from your shell",
            path.display()
        );
        for (name, value) in news.shown() {
            let _ = writeln!(told, "  {name} = {}", crate::terminal::wording::visible(&value));
        }
    }
    Ok(told)
}

/// The configuration's text with these variables in it.
fn with(text: &str, news: &Environment) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
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
        let text = with(there, &of(&[("HTTPS_PROXY", "http://new"), ("SSL_CERT_FILE", "/a \"b\"")])).unwrap();
        assert_eq!(
            text,
            "# mine\nkeep_alive = \"5d\" # short\n\n[environment]\n# the old one\nHTTPS_PROXY = \"http://new\" # at home\nSSL_CERT_FILE = '/a \"b\"'\n\n[log]\nlevel = \"warn\"\n"
        );
    }

    #[test]
    fn a_configuration_is_begun_where_there_is_none() {
        let text = with("", &of(&[("CLAUDE_CONFIG_DIR", "/srv/claude")])).unwrap();
        assert_eq!(text, "[environment]\nCLAUDE_CONFIG_DIR = \"/srv/claude\"\n");
    }
}
