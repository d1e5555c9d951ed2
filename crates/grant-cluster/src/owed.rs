//! Answers that this member has received and etcd does not have yet.

use crate::{ClusterKey, Intent, KeyError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use token_endpoint::RawAnswer;
use zeroize::Zeroizing;

/// An answer, or that there was none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Owed {
    /// The entry's key.
    pub key: String,
    /// What was presented.
    pub intent: Intent,
    /// When the request was sent.
    pub sent_at: Timestamp,
    /// The answer; without one `unsent` and `why` say what happened.
    pub answer: Option<RawAnswer>,
    /// Nothing was sent.
    pub unsent: bool,
    /// What happened, for messages.
    pub why: String,
}

/// The answer cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum OwedError {
    /// The file system refuses.
    #[error("the answers that etcd lacks cannot be read or written in {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be sealed or opened.
    #[error("an answer that etcd lacks, {}, cannot be used: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
}

/// The folder where they are kept, one file each, sealed.
#[derive(Clone, Debug)]
pub struct OwedAnswers {
    folder: PathBuf,
}

impl OwedAnswers {
    /// In this folder, which exists and is private.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Keeps an answer. From then on it survives a kill, and a power cut once the disk has it.
    ///
    /// # Errors
    /// The file system refuses; the answer must still go to etcd.
    pub fn keep(&self, cluster_key: &ClusterKey, owed: &Owed) -> Result<(), OwedError> {
        let path = self.path(owed.intent.id);
        let failed = |source| OwedError::Io { path: path.clone(), source };
        let plain = serde_json::to_vec(owed).map(Zeroizing::new).map_err(|error| failed(error.into()))?;
        let sealed = cluster_key
            .seal("mcp-refreshd owed", &plain)
            .map_err(|source| OwedError::Key { path: path.clone(), source })?;
        let mut file = private(&path).map_err(failed)?;
        file.write_all(&sealed).and_then(|()| file.sync_data()).map_err(failed)
    }

    /// Forgets an answer that etcd has.
    pub fn forget(&self, id: u64) {
        // One that is left is found obsolete.
        let _ = fs::remove_file(self.path(id));
    }

    /// Everything that earlier runs left here, and what cannot be used.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn left_over(&self, cluster_key: &ClusterKey) -> Result<(Vec<Owed>, Vec<OwedError>), OwedError> {
        let failed = |source| OwedError::Io { path: self.folder.clone(), source };
        let (mut owed, mut unusable) = (Vec::new(), Vec::new());
        for file in fs::read_dir(&self.folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "answer") {
                continue;
            }
            match read(&path, cluster_key) {
                Ok(one) => owed.push(one),
                Err(error) => unusable.push(error),
            }
        }
        Ok((owed, unusable))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id:016x}.answer"))
    }
}

fn read(path: &Path, cluster_key: &ClusterKey) -> Result<Owed, OwedError> {
    let sealed = fs::read(path).map_err(|source| OwedError::Io { path: path.to_owned(), source })?;
    let unusable = |source| OwedError::Key { path: path.to_owned(), source };
    let plain = cluster_key.open("mcp-refreshd owed", &sealed).map_err(unusable)?;
    serde_json::from_slice(&plain).map_err(|_| unusable(KeyError::Damaged))
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
