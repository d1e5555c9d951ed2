use super::line::Shown;
use crate::observers::rotating::predecessor;
use crate::platform::files;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output::{self, Reader};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often the file is looked at for what is new.
const PACE: Duration = Duration::from_millis(250);
/// What is read at once, in bytes.
const PIECE: u64 = 64 * 1024;

/// Shows a log file, its predecessor first, or the last `lines` of both; with `follow` also what is written from now on, until nobody
/// reads any more.
///
/// # Errors
/// It cannot be read, or the output cannot be written.
pub(super) fn show(path: &Path, follow: bool, lines: Option<usize>) -> Result<(), Failure> {
    let before = open(&predecessor(path)).ok();
    let counts = [before.as_ref().map_or(0, count), open(path).as_ref().map_or(0, count)];
    let mut skip = lines.map_or(0, |lines| counts.iter().sum::<usize>().saturating_sub(lines));
    let mut tail = before.map_or_else(Tail::default, |file| Tail::new(file, skip));
    skip = skip.saturating_sub(counts[0]);
    if tail.show()? == Reader::Gone || tail.show_begun()? == Reader::Gone {
        return Ok(());
    }
    match open(path) {
        Ok(file) => tail = Tail::new(file, skip),
        Err(error) if follow && error.kind() == io::ErrorKind::NotFound => tail = Tail::default(),
        Err(error) => {
            return Err(Failure::new(
                Exit::Person,
                format!("cannot read the log file {}: {error}", path.display()),
            ));
        }
    }
    while tail.show()? == Reader::There && follow && output::reader() == Reader::There {
        thread::sleep(PACE);
        if !tail.is_at(path) {
            // What was written between the last look and the rotation.
            if tail.show()? == Reader::Gone {
                break;
            }
            if let Ok(next) = open(path) {
                tail = Tail::new(next, 0);
            }
        }
    }
    tail.show_begun()?;
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    files::regular(files::opening().read(true).open(path)?)
}

/// How many lines a file has, a last one without an end included.
fn count(file: &File) -> usize {
    let (mut reader, mut count, mut line) = (BufReader::new(file), 0, Vec::new());
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        count += 1;
        line.clear();
    }
    let _ = reader.seek(SeekFrom::Start(0));
    count
}

/// What of one file was not shown yet.
#[derive(Default)]
struct Tail {
    file: Option<File>,
    /// So many lines are not to be shown.
    skip: usize,
    /// The start of a line whose end is not there yet.
    begun: Vec<u8>,
}

impl Tail {
    fn new(file: File, skip: usize) -> Self {
        Self { file: Some(file), skip, begun: Vec::new() }
    }

    /// True if this is the file at the path.
    fn is_at(&self, path: &Path) -> bool {
        let Some(ours) = self.file.as_ref().and_then(|file| files::identity(file).ok()) else { return false };
        files::identity_at(path).is_ok_and(|there| there == ours)
    }

    /// Shows a line whose end never came.
    fn show_begun(&mut self) -> io::Result<Reader> {
        let begun = std::mem::take(&mut self.begun);
        match begun.is_empty() || self.skip > 0 {
            true => Ok(Reader::There),
            false => {
                output::part(&Shown::to_stdout().lines(&format!("{}\n", String::from_utf8_lossy(&begun))))
            }
        }
    }

    /// Shows the whole lines that are new.
    fn show(&mut self) -> io::Result<Reader> {
        let Self { file: Some(file), skip, begun } = self else { return Ok(Reader::There) };
        // Emptied by somebody: everything in it is new.
        if file.metadata()?.len() < file.stream_position()? {
            file.seek(SeekFrom::Start(0))?;
            begun.clear();
            *skip = 0;
        }
        // Anew each time: a terminal can be resized.
        let shown = Shown::to_stdout();
        loop {
            if file.by_ref().take(PIECE).read_to_end(begun)? == 0 {
                return Ok(Reader::There);
            }
            let end = begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let rest = begun.split_off(end);
            while *skip > 0 && !begun.is_empty() {
                let line = begun.iter().position(|byte| *byte == b'\n').map_or(begun.len(), |end| end + 1);
                begun.drain(..line);
                *skip -= 1;
            }
            if output::part(&shown.lines(&String::from_utf8_lossy(begun)))? == Reader::Gone {
                return Ok(Reader::Gone);
            }
            *begun = rest;
        }
    }
}
