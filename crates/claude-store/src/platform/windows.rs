//! Windows: what the standard library offers there, with nothing unsafe.

use crate::{FileKind, FileSystem, Obstacle, Stamp};
use std::ffi::OsString;
use std::fs::{File, FileTimes, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, Prefix};
use std::time::{Duration, SystemTime};

/// The folder for caches below the home folder: `%LOCALAPPDATA%`, where the variable is not set.
pub(crate) const CACHE_FOLDER: &str = r"AppData\Local";

/// The variable that overrides it.
pub(crate) const CACHE_VARIABLE: Option<&str> = Some("LOCALAPPDATA");

/// The folder in it with the client's logs of its MCP connections (measured with 2.1.332).
pub(crate) const MCP_LOGS: &str = r"claude-cli-nodejs\Cache";

/// The command that lets a locked file be replaced again, to be followed by its path.
pub const CLEAR_FLAGS: &str = "attrib -R";

/// UTF-16 units that a whole command line may have (`CreateProcessW`).
pub(crate) const LONGEST_ARGUMENT: usize = 32_767;

// Winnt.h and FileAPI.h: names and values of Microsoft's documentation.
const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const FILE_READ_ATTRIBUTES: u32 = 0x0080;
const FILE_WRITE_ATTRIBUTES: u32 = 0x0100;
/// Without it no folder can be opened.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Opens a link itself.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// Another program holds the file open and does not share it: a virus scanner, an indexer, a backup.
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
/// What a rename over a file that is held open answers, too.
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
const ERROR_MORE_DATA: i32 = 234;

/// What opening such a file answers.
const HELD: [i32; 2] = [ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION];
/// What a rename over it answers. Opening it answers "access denied" only where access is denied.
const HELD_IN_THE_WAY: [i32; 3] = [ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_ACCESS_DENIED];

/// How long a file that another program holds open is waited for here, where the whole agent waits; the writer comes back later.
const HELD_OPEN: Duration = Duration::from_millis(60);
const HELD_OPEN_STEP: Duration = Duration::from_millis(10);

/// Opens a file for reading, whatever it is.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    retry_while_held(&HELD, || File::open(path))
}

/// Opens a file for reading and appending; never follows a link.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    retry_while_held(&HELD, || options.open(path))
}

/// Makes a new file. It has the access list that its folder hands down, as the client's own files have; modes do not exist here.
pub(crate) fn create_file(path: &Path, _mode: u32) -> io::Result<File> {
    OpenOptions::new().access_mode(GENERIC_READ | GENERIC_WRITE).write(true).create_new(true).open(path)
}

/// Writes all bytes at the end of a file. One that was opened only to append could not be cut any more.
pub(crate) fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(bytes)
}

/// Modes do not exist here.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn create_folder(path: &Path, _mode: u32) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Replaces a file at `to`. One that another program holds open without sharing it is waited for a moment.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    retry_while_held(&HELD_IN_THE_WAY, || std::fs::rename(from, to)).map_err(|error| {
        match error.raw_os_error() {
            Some(ERROR_ACCESS_DENIED) if !is_read_only(to) => {
                io::Error::other("another program holds the file open (access denied)")
            }
            _ => error,
        }
    })
}

/// Runs it again while one of these errors says that another program holds the file open.
fn retry_while_held<T>(held: &[i32], run: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut waited = Duration::ZERO;
    loop {
        match run() {
            Err(error)
                if waited < HELD_OPEN && error.raw_os_error().is_some_and(|code| held.contains(&code)) =>
            {
                std::thread::sleep(HELD_OPEN_STEP);
                waited += HELD_OPEN_STEP;
            }
            done => return done,
        }
    }
}

fn is_read_only(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().readonly())
}

/// A look and a rename: a small gap that only a steal of a dead lock ever passes through.
pub(crate) fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    from.symlink_metadata()?;
    match to.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => rename(from, to),
        Err(error) => Err(error),
    }
}

/// Without the prefix of verbatim paths, which people do not type and other programs do not all understand; but a path of more than 260
/// characters keeps it, because without it no call takes one.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    dunce::canonicalize(path).or_else(|error| match error.raw_os_error() {
        // Wine 8 cannot name an open file by so long a path (`GetFinalPathNameByHandleW`); Windows can.
        Some(ERROR_MORE_DATA) if !path.is_symlink() => verbatim(path).ok_or(error),
        _ => Err(error),
    })
}

/// The verbatim form of a path on a drive.
fn verbatim(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    match path.components().next()? {
        Component::Prefix(prefix) if matches!(prefix.kind(), Prefix::Disk(_)) => {
            let mut verbatim = OsString::from(r"\\?\");
            verbatim.push(path);
            Some(verbatim.into())
        }
        _ => None,
    }
}

/// Users have no numbers here.
pub(crate) fn user() -> u32 {
    0
}

/// Dates a file or folder (not a link's target).
pub(crate) fn touch(path: &Path, moment: SystemTime) -> io::Result<()> {
    let times = FileTimes::new().set_accessed(moment).set_modified(moment);
    open_attributes(path, FILE_WRITE_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT)?.set_times(times)
}

/// `FlushFileBuffers`: waits until the file's content and size survive a power cut.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// There is nothing to wait for: NTFS keeps a journal of names of its own, and offers no call that waits for it. Only a folder that is
/// gone is an error, as elsewhere.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    folder.metadata().map(drop)
}

/// There is no call that allocates without growing the file.
pub(crate) fn reserve(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file with the attribute `read-only` cannot be replaced.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn obstacle(path: &Path) -> io::Result<Option<Obstacle>> {
    Ok(is_read_only(path).then_some(Obstacle::Immutable))
}

pub(crate) fn stamp(path: &Path) -> io::Result<Stamp> {
    file_stamp(&open_attributes(path, FILE_READ_ATTRIBUTES, 0)?)
}

pub(crate) fn link_stamp(path: &Path) -> io::Result<Stamp> {
    file_stamp(&open_attributes(path, FILE_READ_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT)?)
}

/// A handle to a file or folder for its attributes alone: nobody who holds the file open keeps it from being opened.
fn open_attributes(path: &Path, access: u32, flags: u32) -> io::Result<File> {
    OpenOptions::new().access_mode(access).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags).open(path)
}

/// The volume's serial number and the file's index stand in for device and inode: NTFS never gives the same index twice. When the file
/// was made tells nothing, for a new file gets that time from one of the same name that was deleted a moment ago ("tunneling"). The time
/// of the last change of the attributes cannot be had; whoever replaces the file makes a new index.
pub(crate) fn file_stamp(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    let information = winapi_util::file::information(file)?;
    let kind = FileKind::of(metadata.file_type());
    let modified = metadata.modified()?;
    Ok(Stamp {
        kind,
        device: information.volume_serial_number(),
        inode: information.file_index(),
        born: None,
        modified,
        changed: modified,
        size: metadata.len(),
        mode: if kind == FileKind::Folder { 0o700 } else { 0o600 },
        owner: user(),
    })
}

/// Whether whoever watches a folder is told that the folder itself was removed or renamed. Here only a watcher of the folder above is.
pub(crate) const FOLDERS_REPORT_THEIR_END: bool = false;

/// What to type when the system hands out no more watches.
pub(crate) fn watch_limit_advice() -> &'static str {
    "close programs that hold many files open"
}

/// Whether this user's or this process's limit of watchers or open files is reached.
pub(crate) fn is_descriptor_limit(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_TOO_MANY_OPEN_FILES)
}

/// Whether process numbers of this domain are the ones that this process sees.
pub(crate) fn is_own_process_domain(_domain: &str) -> bool {
    true
}

/// Whether a process with this number runs. When it started cannot be compared here.
pub(crate) fn is_running<F: FileSystem>(_files: &F, pid: i32, _started: Option<&str>) -> bool {
    let Ok(pid) = u32::try_from(pid) else { return false };
    let pid = sysinfo::Pid::from_u32(pid);
    let mut system = sysinfo::System::new();
    let wanted = sysinfo::ProcessesToUpdate::Some(&[pid]);
    system.refresh_processes_specifics(wanted, true, sysinfo::ProcessRefreshKind::nothing());
    system.process(pid).is_some()
}

/// What to type for a document that this user may not read: it gets the access list that its folder hands down.
pub(crate) fn may_read_again(path: &Path, _owner: Option<u32>) -> Option<String> {
    Some(format!("{}, as an administrator if need be", take(path)))
}

/// What to do about a file that is in the way.
pub(crate) fn move_away(file: &Path) -> String {
    format!("to move it away, type: move \"{}\" \"{0}.old\"", file.display())
}

/// What to type for a folder, the one of this file, that this user may not write to.
pub(crate) fn may_write_again(path: &Path) -> String {
    format!("type: {}, as an administrator if need be", take(path.parent().unwrap_or(path)))
}

/// No file is another user's here.
pub(crate) fn take(path: &Path) -> String {
    format!("icacls {} /reset", word(path))
}

/// One word for either shell.
pub(crate) fn word(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
