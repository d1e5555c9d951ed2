mod process;

use crate::{FileKind, FileSystem, OsFileSystem, StorageFolder};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many files to check in one go, at about a microsecond each.
const FILES: usize = 50_000;

/// When this user's sessions were active.
///
/// A session's own file says `busy` from a prompt to the end of the turn (measured: `sessions/<pid>.json` in the configuration
/// folder). Logs alone do not suffice: a tool call can run for minutes without a log line. They are checked for clients that have no
/// such file.
pub struct SessionActivity<F: FileSystem = OsFileSystem> {
    files: F,
    sessions: PathBuf,
    projects: PathBuf,
    mcp_logs: PathBuf,
}

impl<F: FileSystem> SessionActivity<F> {
    /// The sessions of this user's client.
    #[must_use]
    pub fn new(files: F, folder: &StorageFolder) -> Self {
        let config = folder.config_folder();
        Self {
            files,
            sessions: folder.sessions_path(),
            projects: config.join("projects"),
            mcp_logs: folder.mcp_log_folder().to_owned(),
        }
    }

    /// The latest time reported by [`each_moment`](Self::each_moment); `None` if there is no sign of a session.
    ///
    /// # Errors
    /// See [`each_moment`](Self::each_moment).
    pub fn last_active(&self) -> io::Result<Option<SystemTime>> {
        let mut latest = None;
        self.each_moment(&mut |moment| latest = latest.max(Some(moment)))?;
        Ok(latest)
    }

    /// Passes to `note`, in no order, the times at which sessions are known to have been active: only the current time if a running
    /// session says that it is busy; else the last modification of each session's own file, of its log (`projects/<project>/*.jsonl` and
    /// one folder deeper) and of each MCP connection's log (`<project>/mcp-logs-<server>/*` in the client's cache folder). The client
    /// keeps them for weeks.
    ///
    /// # Errors
    /// One of the folders exists but cannot be listed, so that silence proves nothing. Unreadable files and subfolders are skipped.
    pub fn each_moment(&self, note: &mut dyn FnMut(SystemTime)) -> io::Result<()> {
        let mut moments = Moments { files: &self.files, left: FILES, note };
        for name in names(&self.files, &self.sessions)? {
            if name.to_str().is_none_or(|name| !name.ends_with(".json")) {
                continue;
            }
            let path = self.sessions.join(&name);
            if process::is_busy(&self.files, &path) {
                (moments.note)(self.files.now());
                return Ok(());
            }
            moments.look_at(&path);
        }
        for project in folders(&self.files, &self.projects)? {
            moments.look_into(&project, |name| name.ends_with(".jsonl"));
            for deeper in folders(&self.files, &project).unwrap_or_default() {
                moments.look_into(&deeper, |name| name.ends_with(".jsonl"));
            }
        }
        for project in folders(&self.files, &self.mcp_logs)? {
            for logs in folders(&self.files, &project).unwrap_or_default() {
                let name = logs.file_name().and_then(|name| name.to_str());
                if name.is_some_and(|name| name.starts_with("mcp-logs-")) {
                    moments.look_into(&logs, |_| true);
                }
            }
        }
        Ok(())
    }
}

impl<F: FileSystem> std::fmt::Debug for SessionActivity<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionActivity").field("projects", &self.projects).finish_non_exhaustive()
    }
}

struct Moments<'a, F> {
    files: &'a F,
    left: usize,
    note: &'a mut dyn FnMut(SystemTime),
}

impl<F: FileSystem> Moments<'_, F> {
    fn look_into(&mut self, folder: &Path, is_log: impl Fn(&str) -> bool) {
        for name in self.files.list(folder).unwrap_or_default() {
            if name.to_str().is_some_and(&is_log) {
                self.look_at(&folder.join(&name));
            }
        }
    }

    fn look_at(&mut self, path: &Path) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        if let Ok(stamp) = self.files.link_stamp(path)
            && stamp.kind == FileKind::File
        {
            (self.note)(stamp.modified);
        }
    }
}

/// The names in a folder; none if it is missing.
fn names<F: FileSystem>(files: &F, folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match files.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => names,
    }
}

/// The subfolders of a folder; none if it is missing.
fn folders<F: FileSystem>(files: &F, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_folder = |path: &PathBuf| {
        // Entries that are named like logs are files; do not stat them.
        path.extension().is_none_or(|ending| ending != "jsonl")
            && files.link_stamp(path).is_ok_and(|stamp| stamp.kind == FileKind::Folder)
    };
    Ok(names(files, folder)?.iter().map(|name| folder.join(name)).filter(is_folder).collect())
}
