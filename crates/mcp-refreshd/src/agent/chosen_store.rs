//! `--store PATH`: one of the stores that are kept.

use super::stores;
use crate::control::protocol::StoreArgument;
use crate::settings::config::{Config, path_argument};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::wording::visible;
use claude_store::StorageFolder;
use std::path::{Path, PathBuf};

/// The location that the value means: a store's folder, its file, or the location itself as `status` shows it.
///
/// # Errors
/// None of these stores is meant; they are named.
pub(crate) fn chosen_store<'a>(
    config: &Config,
    paths: &Paths,
    value: &Path,
    known: impl Iterator<Item = &'a str>,
) -> Result<String, Failure> {
    meant(config, paths, &argument(value, &paths.home)?, known)
}

/// The value, for whoever keeps the stores.
///
/// # Errors
/// It is no path.
pub(crate) fn argument(value: &Path, home: &Path) -> Result<StoreArgument, Failure> {
    let path = path_argument(value, home)?.to_string_lossy().into_owned();
    Ok(StoreArgument { typed: value.to_string_lossy().into_owned(), path })
}

/// As [`chosen_store`].
///
/// # Errors
/// The same.
pub(crate) fn meant<'a>(
    config: &Config,
    paths: &Paths,
    argument: &StoreArgument,
    known: impl Iterator<Item = &'a str>,
) -> Result<String, Failure> {
    let StoreArgument { typed, path } = argument;
    let path = Path::new(path);
    let folder = StorageFolder::listed(path, &|name| std::env::var_os(name), &paths.home);
    let item = stores::location_of_item(config, paths, &folder);
    let known: Vec<_> = known.collect();
    let meant = known
        .iter()
        .find(|location| *location == typed || item.as_deref() == Some(**location) || is_at(location, path));
    meant.map(|location| (*location).to_owned()).ok_or_else(|| {
        let listed: Vec<_> = known.iter().map(|location| visible(location)).collect();
        let why = format!("no store is at {}; the stores are: {}", visible(typed), listed.join(", "));
        Failure::new(Exit::Usage, why)
    })
}

fn is_at(location: &str, path: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let location = PathBuf::from(location);
    let folder = location.parent().filter(|_| location.is_absolute());
    folder.is_some_and(|folder| real(&location) == real(path) || real(folder) == real(path))
}
