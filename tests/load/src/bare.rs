//! The minimal cost of a durable write on the same disk: nothing but the system calls.

use crate::Fallible;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a response adds to the journal.
const ANSWER: [u8; 2048] = [b'x'; 2048];

pub(crate) struct Bare {
    folder: PathBuf,
    journal: File,
}

impl Bare {
    pub(crate) fn new(parent: &Path) -> Fallible<Self> {
        let folder = parent.join("bare");
        fs::create_dir(&folder)?;
        let journal = File::create(parent.join("bare-journal"))?;
        Ok(Self { folder, journal })
    }

    /// Response to the journal and the new document, both fsynced in parallel; then rename and fsync of the folder.
    pub(crate) fn write(&mut self, document: &[u8]) -> Fallible<Duration> {
        let (new, place) = (self.folder.join("new"), self.folder.join("document"));
        // Like in the daemon, the file exists before the response arrives.
        let mut file = File::create(&new)?;
        let folder = File::open(&self.folder)?;
        let began = Instant::now();
        self.journal.write_all(&ANSWER)?;
        file.write_all(document)?;
        std::thread::scope(|threads| {
            let journal = threads.spawn(|| self.journal.sync_all());
            file.sync_all()?;
            journal.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread panicked")))
        })?;
        fs::rename(&new, &place)?;
        folder.sync_all()?;
        Ok(began.elapsed())
    }
}
