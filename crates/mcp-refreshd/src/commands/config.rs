//! `mcp-refreshd config`: the configuration in effect, or the default file.

use crate::agent::config_check;
use crate::agent::status::status_from_disk;
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

/// Prints the configuration in effect, and says what in it has no effect.
///
/// # Errors
/// It cannot be used, or cannot be printed.
pub(crate) async fn config(paths: &Paths) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    let source = paths.config.exists().then_some(paths.config.as_path());
    let folders = storage_folders(&config, paths);
    let status = status_from_disk(&config, paths).await;
    for remark in config_check::remarks(&config, folders.clone(), &status).await {
        output::message(&remark);
    }
    let stores: Vec<_> = folders.iter().map(|folder| folder.path()).collect();
    output::result(&config::effective(&config, source, &stores))?;
    Ok(Exit::Well)
}
