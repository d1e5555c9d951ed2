use super::facts::keychain::{StaleItem, services_in_use, stale};
use crate::agent::stores;
use crate::control::instance::Instance;
use crate::control::protocol::{Reply, Request};
use crate::control::socket;
use crate::platform::files;
use crate::platform::process::user_id;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::prompt::confirmed;
use crate::terminal::wording::visible;
use claude_store::{
    EntryKey, FileStore, LockKind, LockSighting, Locks, NeedsAuthCache, OsFileSystem, StorageFolder,
};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Time for a dead lock to be watched (12 s) and taken.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);

/// Something that `--fix` may do: safe for the tokens, whatever else goes on at the same time.
#[derive(Clone, Debug)]
pub(super) enum Fix {
    /// Take a server out of the list of those that new sessions skip.
    Unflag { cache: PathBuf, server: String },
    /// Remove the file that stands in a lock's place.
    RemoveFile { folder: PathBuf, sighting: LockSighting },
    /// Take a dead lock by the client's own rules, and give it back.
    TakeLock { folder: PathBuf, sighting: LockSighting },
    /// Take the rights of others away from a store.
    MakePrivate { path: PathBuf },
    /// Remove what an earlier run of ours left.
    Sweep { folder: StorageFolder },
    /// Delete Keychain items that no folder names.
    DeleteItems { items: Vec<StaleItem> },
    /// Have the agent put back the entries that vanished at once.
    Restore { store: String, servers: Vec<String> },
}

/// How it ended, in words.
#[derive(Debug)]
pub(super) enum Fixed {
    Done(String),
    Failed(String),
}

impl Fix {
    /// What it does.
    pub(super) fn would(&self) -> String {
        match self {
            Self::Unflag { server, cache } => format!("remove {server} from {}", cache.display()),
            Self::RemoveFile { sighting, .. } => format!("remove the file {}", sighting.path.display()),
            Self::TakeLock { sighting, .. } => {
                format!("watch {} for 12 s, and remove it if nobody holds it", sighting.path.display())
            }
            Self::MakePrivate { path } => format!("chmod 600 {}", path.display()),
            Self::Sweep { folder } => {
                format!("remove mcp-refreshd's own temporary files in {}", folder.path().display())
            }
            Self::DeleteItems { items } => {
                format!("ask, and then delete {} from the Keychain", named(items))
            }
            Self::Restore { servers, .. } => {
                format!("ask, and then put the entries of {} back into the store", servers.join(", "))
            }
        }
    }

    /// Does it. What is no longer as it was found is left alone. `yes` answers every question.
    pub(super) async fn apply(&self, paths: &Paths, yes: bool) -> Fixed {
        let end = match self {
            Self::Unflag { cache, server } => unflag(cache, server),
            Self::RemoveFile { folder, sighting } => remove_file(folder, sighting),
            Self::TakeLock { folder, sighting } => take_lock(folder, sighting).await,
            Self::MakePrivate { path } => make_private(path),
            Self::Sweep { folder } => sweep(paths, folder),
            Self::DeleteItems { items } => delete_items(paths, items, yes).await,
            Self::Restore { store, servers } => restore(paths, store, servers, yes).await,
        };
        match end {
            Ok(what) => Fixed::Done(what),
            Err(why) => Fixed::Failed(why),
        }
    }
}

fn unflag(cache: &PathBuf, server: &str) -> Result<String, String> {
    match NeedsAuthCache::new(OsFileSystem, cache).remove(server) {
        Ok(true) => Ok("the next session uses the server again".to_owned()),
        Ok(false) => Ok("it was removed already".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn remove_file(folder: &PathBuf, sighting: &LockSighting) -> Result<String, String> {
    match Locks::new(OsFileSystem, folder).remove_file_in_place_of(sighting) {
        Ok(true) => Ok("the file was removed".to_owned()),
        Ok(false) => Ok("no file stood there any more".to_owned()),
        Err(error) => Err(format!("{} cannot be removed: {error}", sighting.path.display())),
    }
}

/// By the protocol of every other taker: observed as long, stolen in the same way, given back at once.
async fn take_lock(folder: &PathBuf, sighting: &LockSighting) -> Result<String, String> {
    let locks = Locks::new(OsFileSystem, folder);
    match sighting.kind {
        LockKind::Storage => {
            let lock = locks.storage_lock(LOCK_PATIENCE).await.map_err(|error| error.to_string())?;
            lock.release().map_err(|error| error.to_string())?;
        }
        LockKind::Refresh => {
            let name = sighting.path.file_name().and_then(|name| name.to_str());
            let name = name.and_then(|name| name.strip_prefix("mcp-refresh-")?.strip_suffix(".lock.lock"));
            let name = name.ok_or("its name is not that of a lock")?;
            // What the client makes of a key's odd characters stays as it is when it is made once more.
            let lock = locks.refresh_lock(&EntryKey::new(name), LOCK_PATIENCE).await;
            lock.map_err(|error| error.to_string())?.release().map_err(|error| error.to_string())?;
        }
    }
    Ok("nobody held it, and it was removed".to_owned())
}

fn make_private(path: &PathBuf) -> Result<String, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() || files::owner(&metadata) != user_id() {
        return Err(format!("{} is not a file of yours any more", path.display()));
    }
    files::set_mode(path, files::PRIVATE).map_err(failed)?;
    Ok("only you can read it now".to_owned())
}

/// Only while no agent runs: its own files have such names too.
fn sweep(paths: &Paths, folder: &StorageFolder) -> Result<String, String> {
    let _instance = match paths.state.exists() {
        true => Some(Instance::claim(&paths.state).map_err(|error| error.to_string())?),
        false => None,
    };
    let removed = FileStore::new(OsFileSystem, folder).sweep();
    removed.map(|number| format!("{number} removed")).map_err(|error| error.to_string())
}

async fn restore(paths: &Paths, store: &str, servers: &[String], yes: bool) -> Result<String, String> {
    let question = format!(
        "put the entries of {} back into the store? They vanished together; answer no if you removed them yourself.",
        visible(&servers.join(", "))
    );
    if !yes && confirmed(&question) != Some(true) {
        return Err("not restored; `mcp-refreshd doctor --fix --yes` does it without asking".to_owned());
    }
    match socket::ask(&paths.state, &Request::Restore { store: store.to_owned() }).await {
        Ok(Some(Reply::Restored(names))) if names.is_empty() => {
            Err("the agent could put none of them back; see its log".to_owned())
        }
        Ok(Some(Reply::Restored(names))) => Ok(format!("put back: {}", names.join(", "))),
        Ok(_) => Err("the agent that remembered them is not running any more".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn named(items: &[StaleItem]) -> String {
    let of = |stale: &StaleItem| {
        let day = stale.modified.map(|modified| modified / 1_000_000).unwrap_or_default();
        let (year, month, day) = (day / 10_000, day / 100 % 100, day % 100);
        format!("{} (last written {year:04}-{month:02}-{day:02})", stale.item.service())
    };
    items.iter().map(of).collect::<Vec<_>>().join(", ")
}

/// Looks once more, right before each: only what is still old and still named by nobody is deleted.
async fn delete_items(paths: &Paths, items: &[StaleItem], yes: bool) -> Result<String, String> {
    let question = format!(
        "delete from the Keychain: {}? No folder that mcp-refreshd knows uses these items; answer no if you use Claude Code with another \
         CLAUDE_CONFIG_DIR.",
        visible(&named(items))
    );
    if !yes && confirmed(&question) != Some(true) {
        return Err("not deleted; `mcp-refreshd doctor --fix --yes` does it without asking".to_owned());
    }
    let config = Config::load(&paths.config, &paths.home).map_err(|error| error.to_string())?;
    let folders = stores::storage_folders(&config, paths);
    let keychain = folders.first().and_then(|folder| stores::by_security(&config, paths, folder));
    let keychain = keychain.ok_or("the configuration no longer uses the Keychain")?;
    let all = keychain.all_items().await.map_err(|error| error.to_string())?;
    let now = stale(&all, &services_in_use(&config, paths));
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for item in items {
        let service = item.item.service().to_owned();
        if !now.contains(item) {
            kept.push(format!("{service} was left alone: it changed meanwhile"));
            continue;
        }
        match keychain.delete_other(&item.item).await {
            Ok(true) => deleted.push(service),
            Ok(false) => kept.push(format!("{service} was gone already")),
            Err(error) => kept.push(format!("{service}: {error}")),
        }
    }
    let told = [
        vec![format!("deleted: {}", if deleted.is_empty() { "none".to_owned() } else { deleted.join(", ") })],
        kept,
    ];
    let told = told.concat().join("; ");
    if deleted.len() == items.len() { Ok(told) } else { Err(told) }
}
