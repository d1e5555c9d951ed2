//! Line files of bounded size: the history, and the log where nothing else rotates it (launchd writes standard error to a file that it
//! never rotates).

use crate::platform::files::{self, Identity};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// A file that would grow beyond this replaces its predecessor, so both together take at most twice this.
pub(crate) const FULL: u64 = 1 << 20;
/// The longest line we write, in bytes; of a longer one only the end is compared.
const LONGEST_LINE: u64 = 64 * 1024;

/// A file, 0600, and its predecessor.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    full: u64,
    options: OpenOptions,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: Identity,
    /// Where our last line ended.
    end: u64,
}

impl RotatingFile {
    /// The file at this path, or the target of a link there. It is created with the first line, with any missing folders.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), full: FULL, options: files::opening(), open: None }
    }

    /// The same, but a link in its place is refused.
    pub(crate) fn no_link(path: impl Into<PathBuf>) -> Self {
        Self { options: files::opening_no_link(), ..Self::new(path) }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines in one write to the file now at the path; one that was moved or removed is created again.
    /// After a rotation the `carried` lines come first in the new file.
    ///
    /// # Errors
    /// The file cannot be opened or written; the next call tries again.
    pub(crate) fn append(
        &mut self,
        lines: &[u8],
        carried: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let end = self.append_once(lines, carried);
        if end.is_err() {
            self.open = None;
        }
        end
    }

    fn append_once(&mut self, lines: &[u8], carried: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let full = self.full;
        let (mut open, mut size) = self.current()?;
        let mut text = Vec::new();
        if size > 0 && size.saturating_add(length) > full {
            fs::rename(&self.path, predecessor(&self.path))?;
            (open, size) = self.current()?;
            text = carried()?;
        } else if size != open.end && !files::ends_with_newline(&open.file, size)? {
            // A crash or a full disk may have cut the last line; start a new one.
            text.push(b'\n');
        }
        text.extend_from_slice(lines);
        open.file.write_all(&text)?;
        open.end = size.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// The file at the path, and its size.
    fn current(&mut self) -> io::Result<(&mut Open, u64)> {
        let there = match files::identity_at(&self.path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there.is_none() || self.open.as_ref().map(|open| open.identity) != there {
            let file = self.opened()?;
            self.open = Some(Open { identity: files::identity(&file)?, file, end: 0 });
        }
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let size = open.file.metadata()?.len();
        Ok((open, size))
    }

    fn opened(&mut self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            files::make_private_folder(folder)?;
        }
        files::regular(self.options.read(true).append(true).create(true).open(&self.path)?)
    }

    /// The last line, if there is one.
    pub(crate) fn last_line(&self) -> Option<String> {
        // Checked first: opening a FIFO would block.
        let size = fs::metadata(&self.path).ok().filter(fs::Metadata::is_file)?.len();
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(size.saturating_sub(LONGEST_LINE))).ok()?;
        let mut end = Vec::new();
        file.take(LONGEST_LINE).read_to_end(&mut end).ok()?;
        String::from_utf8_lossy(&end).lines().last().map(str::to_owned)
    }
}

/// The predecessor's path: `agent.log` becomes `agent.1.log`.
pub(crate) fn predecessor(path: &Path) -> PathBuf {
    let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
    name.push(".1");
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_replaces_its_predecessor() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile { full: 10, ..RotatingFile::new(place.path().join("a/b/agent.log")) };
        for line in ["one\n", "two\n", "three\n", "a line longer than all\n", "end\n"] {
            log.append(line.as_bytes(), nothing).unwrap();
        }
        assert_eq!(read(log.path()), "end\n");
        assert_eq!(read(&place.path().join("a/b/agent.1.log")), "a line longer than all\n");
        assert_eq!(fs::read_dir(place.path().join("a/b")).unwrap().count(), 2);
        let mode = |path: &Path| files::mode(&fs::metadata(path).unwrap());
        assert_eq!((mode(log.path()), mode(&place.path().join("a"))), (0o600, 0o700));
    }

    #[test]
    fn a_moved_file_is_created_again() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        log.append(b"one\n", nothing).unwrap();
        fs::rename(log.path(), place.path().join("elsewhere")).unwrap();
        log.append(b"two\n", nothing).unwrap();
        assert_eq!(
            (read(log.path()), read(&place.path().join("elsewhere"))),
            ("two\n".into(), "one\n".into())
        );
    }

    #[cfg(unix)] // Wine 8 removes a file that somebody has open, as the log is, only when it is closed.
    #[test]
    fn a_removed_file_is_created_again() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        log.append(b"two\n", nothing).unwrap();
        fs::remove_file(log.path()).unwrap();
        log.append(b"three\n", nothing).unwrap();
        assert_eq!(read(log.path()), "three\n");
    }

    #[test]
    fn a_truncated_line_is_not_joined_with_the_next() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        fs::write(log.path(), "cut sho").unwrap();
        log.append(b"whole\n", nothing).unwrap();
        assert_eq!(read(log.path()), "cut sho\nwhole\n");
        assert_eq!(log.last_line().as_deref(), Some("whole"));
        // By somebody else, while it is open.
        OpenOptions::new().append(true).open(log.path()).unwrap().write_all(b"cut again").unwrap();
        log.append(b"next\n", nothing).unwrap();
        log.append(b"last\n", nothing).unwrap();
        assert_eq!(read(log.path()), "cut sho\nwhole\ncut again\nnext\nlast\n");
    }

    #[cfg(unix)] // It makes a FIFO.
    #[test]
    fn a_non_file_is_refused_and_retried_with_the_next_line() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        fs::create_dir(log.path()).unwrap();
        assert!(log.append(b"one\n", nothing).is_err());
        fs::remove_dir(log.path()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(log.path()).status().unwrap().success());
        assert!(log.append(b"two\n", nothing).unwrap_err().to_string().contains("regular file"));
        assert_eq!(log.last_line(), None);
        fs::remove_file(log.path()).unwrap();
        log.append(b"three\n", nothing).unwrap();
        assert_eq!(read(log.path()), "three\n");
    }

    #[test]
    fn the_predecessor_keeps_the_file_extension() {
        for (path, before) in
            [("/x/agent.log", "/x/agent.1.log"), ("/x/agent", "/x/agent.1"), ("/x/.log", "/x/.log.1")]
        {
            assert_eq!(predecessor(Path::new(path)), Path::new(before));
        }
    }
}
