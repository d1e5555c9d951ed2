//! What reads bytes that others wrote, as plain functions for `tests/fuzz-targets`. Nothing of the program uses this.

use crate::control::protocol::{self, Envelope, Reply, Request};
use crate::settings::config::{Config, ListedStore, effective};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Reads a request as the agent does, and gives it as a client would send it again.
///
/// # Errors
/// It is none, in the words in which the client is told.
pub fn request(line: &[u8]) -> Result<Vec<u8>, String> {
    again::<Request>(line)
}

/// Reads an answer as a client does, and gives it as the agent would send it again.
///
/// # Errors
/// It is none, in the words in which the person is told.
pub fn answer(line: &[u8]) -> Result<Vec<u8>, String> {
    again::<Reply>(line)
}

fn again<T: Serialize + for<'de> Deserialize<'de>>(line: &[u8]) -> Result<Vec<u8>, String> {
    let content = protocol::read::<T>(line).map_err(|error| error.to_string())?;
    Envelope::new(content).to_line().map_err(|error| error.to_string())
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Configuration {
    /// The configuration in effect as `mcp-refreshd config show` prints it.
    pub effective: String,
    /// Its `Debug` form, which must not show more.
    pub debug: String,
}

/// Reads the text of a configuration file that stands at `path`.
///
/// # Errors
/// Everything that is wrong with it, a line each.
pub fn configuration(text: &str, path: &Path, home: &Path) -> Result<Configuration, String> {
    let config = Config::parse(text, path, home).map_err(|error| error.to_string())?;
    // What is not set is shown as what is used then, as the command does.
    let usual = home.join(".claude");
    let default = [ListedStore::Default];
    let folder = |store| match store {
        &ListedStore::Default => usual.as_path(),
        ListedStore::Folder(folder) => folder.as_path(),
    };
    let stores: Vec<&Path> = config.stores.as_deref().unwrap_or(&default).iter().map(folder).collect();
    Ok(Configuration { effective: effective(&config, None, &stores), debug: format!("{config:?}") })
}
