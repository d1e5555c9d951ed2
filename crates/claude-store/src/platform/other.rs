use crate::{FileSystem, Obstacle};
use std::fs::File;
use std::io;
use std::path::Path;

/// The folder for caches below the home folder.
pub(crate) const CACHE_FOLDER: &str = ".cache";

/// Whether `XDG_CACHE_HOME` moves it.
pub(crate) const HONOURS_XDG_CACHE: bool = true;

/// Bytes that one argument of a program may have, at the least.
pub(crate) const LONGEST_ARGUMENT: usize = 64 << 10;

/// Waits until the file's content and size survive a power cut.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// No call that works everywhere allocates without growing the file.
pub(crate) fn reserve(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing can be known beforehand.
pub(crate) fn obstacle(_path: &Path) -> io::Result<Option<Obstacle>> {
    Ok(None)
}

/// A look and a rename: a small gap that only a steal of a dead lock ever passes through.
pub(crate) fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    match to.symlink_metadata() {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// What to type when the system hands out no more watches.
pub(crate) fn watch_limit_advice() -> &'static str {
    "raise this system's limits for file watches and open files"
}

/// Whether process numbers of this domain are the ones that this process sees.
pub(crate) fn is_own_process_domain(_domain: &str) -> bool {
    true
}

/// Whether a process with this number runs. When it started cannot be compared here.
pub(crate) fn is_running<F: FileSystem>(_files: &F, pid: i32, _started: Option<&str>) -> bool {
    rustix::process::Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
