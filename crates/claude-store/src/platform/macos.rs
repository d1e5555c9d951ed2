use crate::{FileSystem, Obstacle};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::darwin::fs::MetadataExt;
use std::path::Path;

/// The cache folder, relative to the home folder.
pub(crate) const CACHE_FOLDER: &str = "Library/Caches";

/// The variable that overrides it.
pub(crate) const CACHE_VARIABLE: Option<&str> = None;

/// The folder in it with the client's logs of its MCP connections.
pub(crate) const MCP_LOGS: &str = "claude-cli-nodejs";

/// `UF_IMMUTABLE | UF_APPEND | SF_IMMUTABLE | SF_APPEND` of `chflags(2)`.
const LOCKED_FLAGS: u32 = 0x0000_0002 | 0x0000_0004 | 0x0002_0000 | 0x0004_0000;

/// The command that lets a locked file be replaced again, to be followed by its path.
pub const CLEAR_FLAGS: &str = "sudo chflags nouchg,nouappnd,noschg,nosappnd";

/// The size limit of one program argument: `ARG_MAX` is 1 MiB for all arguments and the environment, which is nearly empty here.
pub(crate) const LONGEST_ARGUMENT: usize = 1_000_000;

/// Whether whoever watches a folder is told that the folder itself was removed or renamed.
pub(crate) const FOLDERS_REPORT_THEIR_END: bool = true;

/// Flushes the drive's own cache; falls back to plain `fsync` if the file system does not support that.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    rustix::fs::fcntl_fullfsync(file).or_else(|_| rustix::fs::fsync(file)).map_err(io::Error::from)
}

/// No call allocates blocks without growing the file.
pub(crate) fn reserve(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Checks the flags; a file cannot be a mount point here.
pub(crate) fn obstacle(path: &Path) -> io::Result<Option<Obstacle>> {
    let locked = path.symlink_metadata()?.st_flags() & LOCKED_FLAGS != 0;
    Ok(locked.then_some(Obstacle::Immutable))
}

/// `renamex_np(RENAME_EXCL)`; falls back to a check and a rename.
pub(crate) fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOTSUP) => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
            Err(error) => Err(error),
        },
        result => result.map_err(io::Error::from),
    }
}

/// What to run when the system's watch limit is reached.
pub(crate) fn watch_limit_advice() -> &'static str {
    "close programs that watch many folders, or raise the limit of open files: `ulimit -n 4096`"
}

/// Whether process numbers of this domain are valid in this process's namespace.
pub(crate) fn is_own_process_domain(_domain: &str) -> bool {
    true
}

/// Whether a process with this number is running. Its start time cannot be checked here.
pub(crate) fn is_running<F: FileSystem>(_files: &F, pid: i32, _started: Option<&str>) -> bool {
    rustix::process::Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
