//! Files of lines that never grow beyond a bound, for what goes on for years: the log where nothing else keeps it (launchd passes standard
//! error on to a file and never rotates that), and the history.

use crate::platform::files;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// When the file would grow beyond this it becomes the predecessor, and the one before is gone: twice this is all the room it takes.
pub(crate) const FULL: u64 = 1 << 20;
/// No line of ours is longer, in bytes; of a longer one only the end is compared.
const LONGEST_LINE: u64 = 64 * 1024;

/// A file, 0600, and its predecessor.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    full: u64,
    options: OpenOptions,
    open: Option<File>,
}

impl RotatingFile {
    /// The file at this path, or where a link there leads to; made at the first line, with the folders that are missing.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), full: FULL, options: files::opening(), open: None }
    }

    /// The same, and a link in its place is refused.
    pub(crate) fn no_link(path: impl Into<PathBuf>) -> Self {
        Self { options: files::opening_no_link(), ..Self::new(path) }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines in one write, into the file that is at the path now: one that was moved or removed meanwhile is made anew.
    /// What is `carried` goes before them into a new one, when the old one is full.
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
        let full = self.full;
        let (mut file, size) = self.current()?;
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut text = Vec::new();
        if size > 0 && size.saturating_add(length) > full {
            fs::rename(&self.path, predecessor(&self.path))?;
            (file, _) = self.current()?;
            text = carried()?;
        } else if !files::ends_with_newline(file, size)? {
            // A crash or a full disk cut the line before; this one must not be glued to it.
            text.push(b'\n');
        }
        text.extend_from_slice(lines);
        file.write_all(&text)
    }

    /// The file at the path, and its size.
    fn current(&mut self) -> io::Result<(&File, u64)> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => Some(files::identity(&there)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let ours = match &self.open {
            Some(file) => Some(files::identity(&file.metadata()?)),
            None => None,
        };
        if there.is_none() || ours != there {
            self.open = Some(self.opened()?);
        }
        let file = self.open.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok((file, file.metadata()?.len()))
    }

    fn opened(&mut self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            files::make_private_folder(folder)?;
        }
        files::regular(self.options.read(true).append(true).create(true).open(&self.path)?)
    }

    /// The last line, where there is one.
    pub(crate) fn last_line(&self) -> Option<String> {
        // Asked first: to open a FIFO would wait for its other end.
        let size = fs::metadata(&self.path).ok().filter(fs::Metadata::is_file)?.len();
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(size.saturating_sub(LONGEST_LINE))).ok()?;
        let mut end = Vec::new();
        file.take(LONGEST_LINE).read_to_end(&mut end).ok()?;
        String::from_utf8_lossy(&end).lines().last().map(str::to_owned)
    }
}

/// The predecessor's place: `agent.log` becomes `agent.1.log`.
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
    use std::os::unix::fs::PermissionsExt;

    fn nothing() -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_becomes_the_predecessor_and_the_one_before_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile { full: 10, ..RotatingFile::new(place.path().join("a/b/agent.log")) };
        for line in ["one\n", "two\n", "three\n", "a line longer than all\n", "end\n"] {
            log.append(line.as_bytes(), nothing).unwrap();
        }
        assert_eq!(read(log.path()), "end\n");
        assert_eq!(read(&place.path().join("a/b/agent.1.log")), "a line longer than all\n");
        assert_eq!(fs::read_dir(place.path().join("a/b")).unwrap().count(), 2);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(log.path()), mode(&place.path().join("a"))), (0o600, 0o700));
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        log.append(b"one\n", nothing).unwrap();
        fs::rename(log.path(), place.path().join("elsewhere")).unwrap();
        log.append(b"two\n", nothing).unwrap();
        assert_eq!(
            (read(log.path()), read(&place.path().join("elsewhere"))),
            ("two\n".into(), "one\n".into())
        );
        fs::remove_file(log.path()).unwrap();
        log.append(b"three\n", nothing).unwrap();
        assert_eq!(read(log.path()), "three\n");
    }

    #[test]
    fn a_line_cut_short_stays_a_line_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::new(place.path().join("log"));
        fs::write(log.path(), "cut sho").unwrap();
        log.append(b"whole\n", nothing).unwrap();
        assert_eq!(read(log.path()), "cut sho\nwhole\n");
        assert_eq!(log.last_line().as_deref(), Some("whole"));
    }

    #[test]
    fn what_is_no_file_is_refused_and_tried_again_with_the_next_line() {
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
    fn the_predecessor_keeps_the_ending_of_the_name() {
        for (path, before) in
            [("/x/agent.log", "/x/agent.1.log"), ("/x/agent", "/x/agent.1"), ("/x/.log", "/x/.log.1")]
        {
            assert_eq!(predecessor(Path::new(path)), Path::new(before));
        }
    }
}
