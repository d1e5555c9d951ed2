//! The files of the history: `history.jsonl` and its predecessor `history.1.jsonl`, both 0600 in the state folder.

use super::line::{FORMAT, Line};
use crate::observers::rotating::{FULL, RotatingFile};
use crate::platform::files::{self, Identity};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// No file of ours is larger; of one that is, only the end is read.
const READ_AT_MOST: u64 = 4 * FULL;

/// The history cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the history {} cannot be {verb}: {source}; the agent works without it; fix the file, or move it away to start a new one", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    verb: &'static str,
    source: io::Error,
}

/// What the files hold.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Oldest first.
    pub(crate) lines: Vec<Line>,
    /// Lines that were passed over because they are not understood; one cut short by a crash is not counted.
    pub(crate) damaged: usize,
}

fn places(state: &Path) -> [PathBuf; 2] {
    [state.join("history.1.jsonl"), state.join("history.jsonl")]
}

/// How the files looked at one moment: as long as they look so, there is nothing new in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamps([Option<(Identity, u64, SystemTime)>; 2]);

pub(crate) fn stamps(state: &Path) -> Stamps {
    Stamps(places(state).map(|path| {
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        Some((files::identity_at(&path).ok()?, metadata.len(), metadata.modified().ok()?))
    }))
}

/// Reads everything there is; nothing where there is no history yet.
pub(crate) fn read(state: &Path) -> Result<Past, FileError> {
    let mut lines = Vec::new();
    let damaged = each(state, |line| lines.push(line))?;
    Ok(Past { lines, damaged })
}

/// Gives one line after the other, oldest first: the agent need not hold them all. Returns how many were passed over because they
/// are not understood; one cut short by a crash is not counted.
pub(crate) fn each(state: &Path, mut take: impl FnMut(Line)) -> Result<usize, FileError> {
    let mut damaged = 0;
    for path in places(state) {
        match each_of(&path, &mut take) {
            Ok(passed_over) => damaged += passed_over,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(FileError { path, verb: "read", source }),
        }
    }
    Ok(damaged)
}

fn each_of(path: &Path, take: &mut impl FnMut(Line)) -> io::Result<usize> {
    let mut file = files::regular(files::opening_no_link().read(true).open(path)?)?;
    let size = file.metadata()?.len();
    if size > READ_AT_MOST {
        file.seek(SeekFrom::Start(size - READ_AT_MOST))?;
    }
    let mut reader = BufReader::new(file.take(READ_AT_MOST));
    let (mut line, mut damaged) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) if line.v == FORMAT => take(line),
            _ if line.ends_with(b"\n") && line.len() > 1 => damaged += 1,
            // The last line, cut short.
            _ => {}
        }
        line.clear();
    }
    Ok(damaged)
}

/// The file that lines are appended to, of this state folder.
pub(crate) fn appended_to(state: &Path) -> RotatingFile {
    let [_, path] = places(state);
    RotatingFile::no_link(path)
}

/// Appends lines in one write. Where the file is full, `carried` goes before them into a new one.
pub(crate) fn append(
    file: &mut RotatingFile,
    lines: &[Line],
    carried: impl FnOnce() -> Vec<Line>,
) -> Result<(), FileError> {
    let appended = written(lines).and_then(|text| file.append(&text, || written(&carried())));
    appended.map_err(|source| FileError { path: file.path().to_owned(), verb: "written", source })
}

fn written(lines: &[Line]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}
