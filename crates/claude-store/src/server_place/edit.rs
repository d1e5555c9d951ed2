//! One change of a configuration file: beside, synced, compared, renamed, under the client's own lock where it has one.

use super::error::ConfigError;
use super::splice;
use crate::{FileKind, FileSystem, Locks, Obstacle, WriteError};
use oauth_secret::SecretBytes;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Limit for the user's configuration, where the client also stores histories: 100 MB have been seen.
const USER_LIMIT: u64 = 512 << 20;
/// Limit for a project's `.mcp.json`.
const PROJECT_LIMIT: u64 = 1 << 20;
/// The client holds its lock for one write.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How often to begin again after another program's write.
const TRIES: usize = 10;

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `.claude.json`, which the client writes at any time, under a lock.
    User,
    /// `.mcp.json`, which the client writes when told to, without a lock.
    Project,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It was replaced.
    Written,
    /// There was nothing to change.
    Unchanged,
}

/// Reads a configuration file.
pub(super) fn read<F: FileSystem>(files: &F, path: &Path, kind: Kind) -> Result<SecretBytes, ConfigError> {
    let limit = match kind {
        Kind::User => USER_LIMIT,
        Kind::Project => PROJECT_LIMIT,
    };
    match files.read(path, limit) {
        Ok((bytes, _)) => Ok(bytes),
        Err(source) => Err(ConfigError::Io { path: path.to_owned(), source }),
    }
}

/// The file behind all links with its mode, if it can be replaced. Tries it by creating a file beside.
pub(super) fn writable<F: FileSystem>(files: &F, path: &Path) -> Result<(PathBuf, u32), ConfigError> {
    let failed = |source| ConfigError::Io { path: path.to_owned(), source };
    let target = files.resolve(path).map_err(failed)?;
    let stamp = files.stamp(&target).map_err(failed)?;
    if stamp.kind != FileKind::File {
        return Err(ConfigError::Odd { path: target, why: "it is not a regular file".to_owned() });
    }
    let (owner, user) = (stamp.owner, files.user());
    if owner != user {
        return Err(WriteError::ForeignOwner { path: target, owner, user }.into());
    }
    if stamp.mode & 0o200 == 0 {
        // A rename would replace it all the same; whoever made it read-only did not mean that.
        return Err(WriteError::Denied { path: target }.into());
    }
    match files.obstacle(&target).unwrap_or_default() {
        Some(Obstacle::MountPoint) => return Err(WriteError::MountPoint { path: target }.into()),
        Some(Obstacle::Immutable) => return Err(WriteError::Immutable { path: target }.into()),
        None => {}
    }
    let beside = beside(&target);
    files.create_file(&beside, 0o600).map_err(WriteError::at("creating a temporary file", &target))?;
    files.remove_file(&beside).map_err(WriteError::at("removing a temporary file", &beside))?;
    Ok((target, stamp.mode & 0o777))
}

/// Replaces the file's content by what `edit` makes of it, durably. If another program writes it meanwhile, begins again.
pub(super) async fn change<F: FileSystem>(
    files: &F,
    path: &Path,
    kind: Kind,
    edit: &dyn Fn(&str) -> Result<Option<SecretBytes>, ConfigError>,
) -> Result<Edited, ConfigError> {
    let failed = |source| ConfigError::Io { path: path.to_owned(), source };
    let (target, mode) = writable(files, path)?;
    sweep(files, &target);
    for _ in 0..TRIES {
        let old = read(files, &target, kind)?;
        let Some(new) = edit(splice::text(path, &old)?)? else { return Ok(Edited::Unchanged) };
        let temporary = Temporary { files, path: beside(&target) };
        let file = files.create_file(&temporary.path, mode).map_err(WriteError::at("creating", &target))?;
        files.append(&file, &new).map_err(WriteError::at("writing", &temporary.path))?;
        files.sync(&file).await.map_err(WriteError::at("syncing", &temporary.path))?;
        let folder = target.parent().unwrap_or(&target);
        let lock = match kind {
            Kind::User => Some(Locks::new(files.clone(), folder).config_lock(&target, LOCK_PATIENCE).await?),
            Kind::Project => None,
        };
        if files.resolve(path).map_err(failed)? != target || *read(files, &target, kind)? != *old {
            continue;
        }
        if let Some(lock) = &lock {
            lock.still_ours().map_err(WriteError::from)?;
        }
        files.rename(&temporary.path, &target).map_err(WriteError::at("renaming", &target))?;
        drop(lock);
        files.sync_folder(folder).await.map_err(WriteError::at("syncing the folder", folder))?;
        return Ok(Edited::Written);
    }
    Err(ConfigError::Busy { path: target })
}

/// Removed when dropped, if it is still there.
struct Temporary<'a, F: FileSystem> {
    files: &'a F,
    path: PathBuf,
}

impl<F: FileSystem> Drop for Temporary<'_, F> {
    fn drop(&mut self) {
        // After the rename it is gone; another leftover is removed with the next change.
        let _ = self.files.remove_file(&self.path);
    }
}

/// A name beside the file for its next content.
fn beside(target: &Path) -> PathBuf {
    let mut name = prefix(target);
    name.push_str(&format!("{:08x}", fastrand::u32(..)));
    target.with_file_name(name)
}

fn prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.tmp.mcp-refreshd-")
}

/// Removes what a killed process left beside the file. One process at a time makes such files.
fn sweep<F: FileSystem>(files: &F, target: &Path) {
    let (folder, prefix) = (target.parent().unwrap_or(target), prefix(target));
    for name in files.list(folder).unwrap_or_default() {
        if name.to_str().is_some_and(|name| name.starts_with(&prefix)) {
            let _ = files.remove_file(&folder.join(name));
        }
    }
}
