use crate::{FileKind, FileSystem, OsFileSystem, StorageFolder};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many files are looked at in one go; a look costs about a microsecond.
const FILES: usize = 50_000;

/// When a session of this user was last at work, as its log files tell.
pub struct SessionActivity<F: FileSystem = OsFileSystem> {
    files: F,
    projects: PathBuf,
    mcp_logs: PathBuf,
}

impl<F: FileSystem> SessionActivity<F> {
    /// The sessions of this user's client.
    #[must_use]
    pub fn new(files: F, folder: &StorageFolder) -> Self {
        let projects = folder.config_folder().join("projects");
        Self { files, projects, mcp_logs: folder.mcp_log_folder().to_owned() }
    }

    /// The latest modification of a session's log (`projects/<project>/*.jsonl` and one folder deeper) or of an MCP connection's
    /// (`<project>/mcp-logs-<server>/*` in the client's cache folder); `None` where there is no log at all.
    ///
    /// # Errors
    /// A folder of logs is there and cannot be listed, so that silence would prove nothing. Single files and folders
    /// below it that cannot be read are passed over.
    pub fn last_active(&self) -> io::Result<Option<SystemTime>> {
        let budget = Cell::new(FILES);
        let mut latest = Latest { files: &self.files, budget: &budget, moment: None };
        for project in folders(&self.files, &self.projects)? {
            latest.look_into(&project, |name| name.ends_with(".jsonl"));
            for deeper in folders(&self.files, &project).unwrap_or_default() {
                latest.look_into(&deeper, |name| name.ends_with(".jsonl"));
            }
        }
        for project in folders(&self.files, &self.mcp_logs)? {
            for logs in folders(&self.files, &project).unwrap_or_default() {
                if logs
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| name.starts_with("mcp-logs-"))
                {
                    latest.look_into(&logs, |_| true);
                }
            }
        }
        Ok(latest.moment)
    }
}

impl<F: FileSystem> std::fmt::Debug for SessionActivity<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionActivity").field("projects", &self.projects).finish_non_exhaustive()
    }
}

struct Latest<'a, F> {
    files: &'a F,
    budget: &'a Cell<usize>,
    moment: Option<SystemTime>,
}

impl<F: FileSystem> Latest<'_, F> {
    fn look_into(&mut self, folder: &Path, is_log: impl Fn(&str) -> bool) {
        for name in self.files.list(folder).unwrap_or_default() {
            if !name.to_str().is_some_and(&is_log) {
                continue;
            }
            let Some(left) = self.budget.get().checked_sub(1) else { return };
            self.budget.set(left);
            if let Ok(stamp) = self.files.link_stamp(&folder.join(&name))
                && stamp.kind == FileKind::File
            {
                self.moment = self.moment.max(Some(stamp.modified));
            }
        }
    }
}

/// The folders in a folder; none in one that is missing.
fn folders<F: FileSystem>(files: &F, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let names = match files.list(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_folder = |path: &PathBuf| {
        // Log files carry an ending; what has one is not asked.
        path.extension().is_none_or(|ending| ending != "jsonl")
            && files.link_stamp(path).is_ok_and(|stamp| stamp.kind == FileKind::Folder)
    };
    Ok(names.iter().map(|name| folder.join(name)).filter(is_folder).collect())
}

#[cfg(test)]
mod tests;
