//! What Linux, macOS and their relatives have in common: POSIX calls, as rustix makes them.

use crate::{FileKind, Stamp};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawMode, Timespec, Timestamps};
use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Opens a file for reading without waiting, whatever it is.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Opens a file for reading and appending without waiting; never follows a link.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::APPEND | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Makes a new file with this mode, whatever the umask.
pub(crate) fn create_file(path: &Path, mode: u32) -> io::Result<File> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::APPEND | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode((mode & 0o777) as RawMode))?);
    set_mode(&file, mode)?;
    Ok(file)
}

/// Writes all bytes at the end of a file that was opened to append.
pub(crate) fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)
}

pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

pub(crate) fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// The user id that files made here belong to.
pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Dates a file or folder (not a link's target).
pub(crate) fn touch(path: &Path, moment: SystemTime) -> io::Result<()> {
    let moment = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let moment = Timespec {
        tv_sec: moment.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: moment.subsec_nanos().into(),
    };
    let both = Timestamps { last_access: moment, last_modification: moment };
    Ok(rustix::fs::utimensat(CWD, path, &both, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Waits until the names in a folder survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::open(folder, flags, Mode::empty())?);
    match super::sync(&folder) {
        // Some file systems know no sync of a folder (fsync(2)): there is nothing to wait for.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    path.metadata().map(|metadata| stamp_of(&metadata))
}

pub(crate) fn link_stamp(path: &Path) -> io::Result<Stamp> {
    path.symlink_metadata().map(|metadata| stamp_of(&metadata))
}

pub(crate) fn file_stamp(file: &File) -> io::Result<Stamp> {
    file.metadata().map(|metadata| stamp_of(&metadata))
}

fn stamp_of(metadata: &Metadata) -> Stamp {
    Stamp {
        kind: FileKind::of(metadata.file_type()),
        device: metadata.dev(),
        inode: metadata.ino(),
        born: metadata.created().ok(),
        modified: moment(metadata.mtime(), metadata.mtime_nsec()),
        changed: moment(metadata.ctime(), metadata.ctime_nsec()),
        size: metadata.len(),
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
    }
}

/// Seconds may be negative (before 1970); nanoseconds never are.
fn moment(seconds: i64, nanoseconds: i64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = SystemTime::UNIX_EPOCH;
    let whole = if seconds < 0 { start.checked_sub(whole) } else { start.checked_add(whole) };
    let part = Duration::from_nanos(nanoseconds.unsigned_abs());
    whole.and_then(|moment| moment.checked_add(part)).unwrap_or(start)
}

/// Whether this user's or this process's limit of watchers or open files is reached.
pub(crate) fn is_descriptor_limit(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}

/// What to type for a document of this owner that this user may not read.
pub(crate) fn may_read_again(path: &Path, owner: Option<u32>) -> Option<String> {
    match owner {
        Some(owner) if owner == user() => Some(format!("chmod 600 {}", word(path))),
        Some(_) => Some(take(path)),
        None => may_enter_again(path),
    }
}

/// What to type for the folder above this path that cannot be entered; `None` if it is somebody else's by right.
fn may_enter_again(path: &Path) -> Option<String> {
    let seen = |folder: &Path| Some((folder.to_owned(), folder.metadata().ok()?.uid()));
    if let (Ok(target), Some(folder)) = (path.read_link(), path.parent()) {
        // A link to a link is not followed: no command is better than a wrong one.
        let target = folder.join(target);
        return if target.is_symlink() { None } else { may_enter_again(&target) };
    }
    let (folder, owner) = path.ancestors().skip(1).find_map(seen)?;
    if owner == user() {
        return Some(format!("chmod u+rwx {}", word(&folder)));
    }
    // One in a folder of this user was made by another one: under a `sudo`, say.
    let is_in_ours =
        folder.parent().is_some_and(|above| seen(above).is_some_and(|(_, owner)| owner == user()));
    is_in_ours.then(|| take(&folder))
}

/// What to do about a file that is in the way.
pub(crate) fn move_away(file: &Path) -> String {
    let mut away = file.as_os_str().to_owned();
    away.push(".old");
    format!("to move it away, type: mv {} {}", word(file), word(Path::new(&away)))
}

/// What to type for a folder, the one of this file, that this user may not write to.
pub(crate) fn may_write_again(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    match folder.metadata() {
        Ok(metadata) if metadata.uid() != user() => format!("type: {}", take(folder)),
        _ => format!("type: chmod u+rwx {}", word(folder)),
    }
}

/// Makes this user the owner.
pub(crate) fn take(path: &Path) -> String {
    format!("sudo chown {} {}", user(), word(path))
}

/// One word for `sh`.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_to_this_user_has_a_command_that_names_it() {
        let mine = Path::new("/home/my self/.credentials.json");
        assert_eq!(may_read_again(mine, Some(user())), Some(format!("chmod 600 '{}'", mine.display())));
        let take = format!(r"sudo chown {} '/it'\''s'", user());
        assert_eq!(may_read_again(Path::new("/it's"), Some(user() + 1)), Some(take));
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().display();
        assert_eq!(may_write_again(&place.path().join("file")), format!("type: chmod u+rwx {folder}"));
        assert_eq!(
            may_read_again(&place.path().join("a/b/file"), None),
            Some(format!("chmod u+rwx {folder}")),
            "the nearest folder that can be seen"
        );
        assert_eq!(move_away(Path::new("/it's")), r"to move it away, type: mv '/it'\''s' '/it'\''s.old'");
    }

    #[test]
    fn a_time_before_1970_works() {
        assert_eq!(moment(-1, 500_000_000), SystemTime::UNIX_EPOCH - Duration::from_millis(500));
        assert_eq!(moment(1, 5), SystemTime::UNIX_EPOCH + Duration::new(1, 5));
        assert_eq!(moment(i64::MIN, 0), moment(i64::MIN, 0));
    }
}
