//! What keeps a new token from being saved, looked up now: a record of it may be older than its cure.

use super::folders::folder_trouble;
use crate::platform::process::user_id;
use crate::terminal::{remedy, shell};
use claude_store::{FileSystem, Obstacle, OsFileSystem};
use std::path::Path;

/// Why the store cannot be written. Neither a refresh nor a login helps before that is cured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwritable {
    /// The cause; and the cure, where no command is one.
    pub(crate) why: String,
    /// What to type.
    pub(crate) command: Option<String>,
}

/// What keeps the store at this location from being written; `None` also if it is no file. Takes no lock and changes nothing.
pub(crate) fn unwritable(location: &str) -> Option<Unwritable> {
    let path = Path::new(location);
    let target = OsFileSystem.resolve(path).ok().filter(|_| path.is_absolute() && path.exists())?;
    let shown = target.display().to_string();
    let mount = "it is itself a mount point and cannot be replaced: mount its folder instead of the file";
    match OsFileSystem.obstacle(&target).unwrap_or_default() {
        Some(Obstacle::MountPoint) => return Some(Unwritable { why: mount.to_owned(), command: None }),
        Some(Obstacle::Immutable) => {
            let why = "the store is immutable, append-only or read-only, so it cannot be replaced".to_owned();
            return Some(Unwritable { why, command: Some(shell::clear_read_only(&shown)) });
        }
        None => {}
    }
    let (owner, us) = (OsFileSystem.stamp(&target).ok()?.owner, user_id());
    if owner != us {
        let (theirs, ours) = (remedy::user(owner), remedy::user(us));
        let why = format!("the store belongs to user {theirs}, and you are user {ours}");
        return Some(Unwritable { why, command: Some(remedy::give_to(us, &[&target])) });
    }
    let behind = target.parent().and_then(folder_trouble);
    let trouble = path.parent().and_then(folder_trouble).or(behind)?;
    let place = trouble.path.display();
    let (means, cure, command) = (trouble.means(), trouble.cure(), trouble.command());
    let why = match command {
        Some(_) => format!("nothing can be saved in {place}: {means}"),
        None => format!("nothing can be saved in {place}: {means}; {cure}"),
    };
    Some(Unwritable { why, command })
}
