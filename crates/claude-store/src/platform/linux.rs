use crate::{FileSystem, Obstacle};
use rustix::fs::{AtFlags, CWD, FallocateFlags, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
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
pub const CLEAR_FLAGS: &str = "sudo chattr -i -a";

/// The size limit of one program argument (`MAX_ARG_STRLEN`, which includes the NUL).
pub(crate) const LONGEST_ARGUMENT: usize = (128 << 10) - 1;

/// Whether whoever watches a folder is told that the folder itself was removed or renamed.
pub(crate) const FOLDERS_REPORT_THEIR_END: bool = true;

/// Makes the file's content and size durable.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Allocates blocks without changing the file's size.
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len.max(1)).map_err(|errno| match errno {
        Errno::OPNOTSUPP | Errno::NOSYS => io::Error::from(io::ErrorKind::Unsupported),
        _ => errno.into(),
    })
}

/// Uses `statx` (Linux 5.8), which also detects a bind mount from the same file system, where both sides have the same device
/// number.
pub(crate) fn obstacle(path: &Path) -> io::Result<Option<Obstacle>> {
    let stat = match rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
        Ok(stat) => stat,
        // Older kernels do not report it; the rename would fail later.
        Err(Errno::NOSYS) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let is_folder = u32::from(stat.stx_mode) & 0o170_000 == 0o040_000;
    if !is_folder && stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        Ok(Some(Obstacle::MountPoint))
    } else if stat.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND) {
        Ok(Some(Obstacle::Immutable))
    } else {
        Ok(None)
    }
}

/// `renameat2(RENAME_NOREPLACE)`; falls back to a check and a rename.
pub(crate) fn rename_exclusive(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
            Err(error) => Err(error),
        },
        result => result.map_err(io::Error::from),
    }
}

/// What to run when the system's watch limit is reached.
pub(crate) fn watch_limit_advice() -> &'static str {
    "raise the limit: `sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512`"
}

/// Whether process numbers of this domain are valid in this process's namespace. A domain is `linux:<machine>:pid:[<inode>]` (measured).
pub(crate) fn is_own_process_domain(domain: &str) -> bool {
    let own = std::fs::read_link("/proc/self/ns/pid");
    own.ok().and_then(|own| own.to_str().map(|own| domain.ends_with(own))).unwrap_or(true)
}

/// Whether this process is running and started then (field 22 of `/proc/<pid>/stat`, in ticks since boot).
pub(crate) fn is_running<F: FileSystem>(files: &F, pid: i32, started: Option<&str>) -> bool {
    let Ok((stat, _)) = files.read(&Path::new("/proc").join(pid.to_string()).join("stat"), 4096) else {
        return false;
    };
    let stat = String::from_utf8_lossy(&stat);
    // The second field is a name in parentheses and may contain anything; the third is the state.
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let mut fields = fields.split_ascii_whitespace();
    let is_dead = fields.next().is_none_or(|state| matches!(state, "Z" | "X"));
    !is_dead && started.is_none_or(|started| fields.nth(18) == Some(started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsFileSystem;

    #[tokio::test]
    async fn a_file_system_without_folder_sync_works() {
        let proc = Path::new("/proc");
        let refused = File::open(proc).unwrap().sync_all().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "it is such a file system");
        OsFileSystem.sync_folder(proc).await.unwrap();
    }
}
