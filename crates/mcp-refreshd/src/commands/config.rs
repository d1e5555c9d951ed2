//! `mcp-refreshd config`: the configuration in effect, or the default file.

use crate::agent::stores::storage_folders;
use crate::settings::config::{self, Config};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;

/// Prints the default configuration file.
///
/// # Errors
/// It cannot be printed.
pub(crate) fn defaults() -> Result<Exit, Failure> {
    output::result(config::DEFAULTS)?;
    Ok(Exit::Well)
}

/// Prints the configuration in effect.
///
/// # Errors
/// It cannot be used, or cannot be printed.
pub(crate) fn config(paths: &Paths) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    let source = paths.config.exists().then_some(paths.config.as_path());
    let folders = storage_folders(&config, paths);
    let stores: Vec<_> = folders.iter().map(|folder| folder.path()).collect();
    output::result(&config::effective(&config, source, &stores))?;
    Ok(Exit::Well)
}
