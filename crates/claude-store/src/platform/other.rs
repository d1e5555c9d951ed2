use crate::{FileSystem, Obstacle};
use std::fs::File;
use std::io;
use std::path::Path;

/// The cache folder, relative to the home folder.
pub(crate) const CACHE_FOLDER: &str = ".cache";

/// The variable that overrides it.
pub(crate) const CACHE_VARIABLE: Option<&str> = Some("XDG_CACHE_HOME");

/// The folder in it with the client's logs of its MCP connections.
pub(crate) const MCP_LOGS: &str = "claude-cli-nodejs";

/// The command that lets a locked file be replaced again, to be followed by its path.
pub const CLEAR_FLAGS: &str = "sudo chflags nouchg,nouappnd,noschg,nosappnd";

/// The size limit of one program argument (a lower bound).
pub(crate) const LONGEST_ARGUMENT: usize = 64 << 10;

/// Whether whoever watches a folder is told that the folder itself was removed or renamed.
pub(crate) const FOLDERS_REPORT_THEIR_END: bool = true;

/// Makes the file's content and size durable.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// No portable call allocates blocks without growing the file.
pub(crate) fn reserve(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Obstacles cannot be detected beforehand.
pub(crate) fn obstacle(_path: &Path) -> io::Result<Option<Obstacle>> {
    Ok(None)
}

/// A check and a rename. Only the theft of a dead lock ever passes through the small gap between them.
pub(crate) fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    match to.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// What to run when the system's watch limit is reached.
pub(crate) fn watch_limit_advice() -> &'static str {
    "raise this system's limits for file watches and open files"
}

/// Whether process numbers of this domain are valid in this process's namespace.
pub(crate) fn is_own_process_domain(_domain: &str) -> bool {
    true
}

/// Whether a process with this number is running. Its start time cannot be checked here.
pub(crate) fn is_running<F: FileSystem>(_files: &F, pid: i32, _started: Option<&str>) -> bool {
    rustix::process::Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
