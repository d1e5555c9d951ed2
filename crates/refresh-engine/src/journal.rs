//! The journal: what was presented and what was answered, recorded before anything else can go wrong.
//!
//! One file of JSON lines in the state folder, mode 0600. A transaction writes its intent (durable before the request), the raw
//! answer (before it is interpreted, durable before the store changes: I2), and `done`. When no transaction is open the file is
//! truncated to its header, so that tokens stay in it no longer than necessary.

mod error;
mod format;
mod intent;
mod version;

pub use error::JournalError;
pub use intent::{HealMembers, Intent, OtherLock, TransactionId, Unfinished};

use crate::coalesced::Coalesced;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claude_store::{FileSystem, LeftLock};
use error::io_error;
use format::{Content, Line, encode};
use jiff::Timestamp;
use oauth_secret::{SecretBytes, TokenDigest};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use token_endpoint::RawAnswer;
use version::VERSION;
use zeroize::Zeroizing;

/// Room kept for one answer, so that recording it cannot fail on a full disk: answers are about 2 KB.
const ROOM_PER_TRANSACTION: u64 = 64 * 1024;
/// A journal is never larger than this; the limit only guards against a planted file.
const READ_LIMIT: u64 = 64 * 1024 * 1024;
/// Above this size, the journal is rewritten if most of it belongs to finished transactions.
const COMPACT_ABOVE: u64 = 1024 * 1024;
const FILE_NAME: &str = "journal";
const MODE: u32 = 0o600;

/// The open journal. Clones share it.
pub struct Journal<F: FileSystem> {
    inner: Rc<Inner<F>>,
}

impl<F: FileSystem> Clone for Journal<F> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

struct Inner<F: FileSystem> {
    files: F,
    path: PathBuf,
    file: RefCell<Rc<F::File>>,
    /// The lines of every open transaction, as in the file.
    open: RefCell<BTreeMap<TransactionId, Vec<SecretBytes>>>,
    next: Cell<u64>,
    size: Cell<u64>,
    /// The size up to which blocks are allocated. Truncating frees those that are not used.
    reserved: Cell<u64>,
    /// Lines appended, and how many of them are known to be durable.
    appended: Cell<u64>,
    durable: Cell<u64>,
    syncs: Coalesced<(), Result<(), JournalError>>,
}

impl<F: FileSystem> Journal<F> {
    /// Opens or creates the journal in this folder, and returns its unfinished transactions. Lines truncated by a crash are skipped
    /// and counted.
    ///
    /// # Errors
    /// The file cannot be used; it is never replaced.
    pub async fn open(files: F, folder: &Path) -> Result<(Self, Vec<Unfinished>, usize), JournalError> {
        let path = folder.join(FILE_NAME);
        let (content, file) = match files.link_stamp(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = files.create_file(&path, MODE).map_err(|e| io_error("create", &path, e))?;
                // Its name must survive a power cut, too, or the first answer would be durable in a file that nobody can find.
                files.sync_folder(folder).await.map_err(|e| io_error("create", &path, e))?;
                (SecretBytes::default(), file)
            }
            Err(error) => return Err(io_error("look at", &path, error)),
            Ok(stamp) if stamp.kind != claude_store::FileKind::File => {
                return Err(JournalError::Foreign { path, why: "it is not a regular file" });
            }
            Ok(_) => {
                let file = files.open_to_append(&path).map_err(|e| io_error("open", &path, e))?;
                let (content, _) = files.read(&path, READ_LIMIT).map_err(|e| io_error("read", &path, e))?;
                (content, file)
            }
        };
        let read = Content::parse(&content, &path)?;
        let journal = Self {
            inner: Rc::new(Inner {
                size: Cell::new(content.len() as u64),
                reserved: Cell::new(0),
                files,
                path,
                file: RefCell::new(Rc::new(file)),
                open: RefCell::new(read.lines),
                next: Cell::new(read.next),
                // What a killed process left in the file may not be durable yet.
                appended: Cell::new(1),
                durable: Cell::new(0),
                syncs: Coalesced::default(),
            }),
        };
        if journal.inner.open.borrow().is_empty() {
            journal.inner.restart()?;
        } else if !content.ends_with(b"\n") {
            // A truncated line must not swallow the next one.
            journal.inner.append_bytes(b"\n")?;
        }
        Ok((journal, read.unfinished, read.damaged))
    }

    /// The unfinished transactions of the journal in this folder, read without changing anything.
    ///
    /// # Errors
    /// The journal exists but cannot be read.
    pub fn peek(files: &F, folder: &Path) -> Result<Vec<Unfinished>, JournalError> {
        let path = folder.join(FILE_NAME);
        match files.read(&path, READ_LIMIT) {
            Ok((content, _)) => Ok(Content::parse(&content, &path)?.unfinished),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("read", &path, error)),
        }
    }

    /// Opens a transaction: writes its intent and reserves room for its answer. Not durable before
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// The intent cannot be written or the room cannot be reserved; then nothing may be sent.
    pub fn intend(&self, intent: Intent) -> Result<TransactionId, JournalError> {
        let inner = &self.inner;
        let id = TransactionId(inner.next.get());
        inner.next.set(id.0 + 1);
        self.intend_again(id, intent)?;
        match self.reserve() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                self.done(id);
                Err(io_error("reserve space in", &inner.path, error))
            }
            _ => Ok(id),
        }
    }

    /// Makes room for the answers of all open transactions; in a storm, for twice as many each time that there is none left.
    fn reserve(&self) -> io::Result<()> {
        let inner = &self.inner;
        let open = inner.open.borrow().len();
        let room = |transactions: usize| inner.size.get() + transactions as u64 * ROOM_PER_TRANSACTION;
        if room(open) <= inner.reserved.get() {
            return Ok(());
        }
        let file = Rc::clone(&inner.file.borrow());
        let reserve = |room: u64| inner.files.reserve(&file, room).map(|()| room);
        let reserved = match reserve(room(open.next_power_of_two())) {
            // A disk that is nearly full may have enough for those that are open.
            Err(error) if error.kind() != io::ErrorKind::Unsupported => reserve(room(open)),
            reserved => reserved,
        };
        inner.reserved.set(reserved?);
        Ok(())
    }

    /// Records that the transaction is about to present its token once more: earlier answers no longer count.
    ///
    /// # Errors
    /// The file system refuses; then nothing may be sent.
    pub fn intend_again(&self, id: TransactionId, intent: Intent) -> Result<(), JournalError> {
        self.inner.append(id, &Line::Intent { id, intent: Box::new(intent) })
    }

    /// Records a raw answer before it is parsed. From then on it survives a kill, and a power cut after
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// The file system refuses; the answer must still be saved in the store.
    pub fn answer(
        &self,
        id: TransactionId,
        sent_at: Timestamp,
        answer: &RawAnswer,
    ) -> Result<(), JournalError> {
        let bytes = answer.to_bytes().map_err(|error| {
            io_error("write to", &self.inner.path, io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        let answer = Zeroizing::new(STANDARD.encode(&*bytes));
        self.inner.append(id, &Line::Answer { id, sent_at, answer })
    }

    /// Keeps a pair that another one in the store superseded, until that one has proved good.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn supersede(&self, id: TransactionId, by: TokenDigest) -> Result<(), JournalError> {
        self.inner.append(id, &Line::Superseded { id, by })
    }

    /// Records the storage lock under which the transaction's pair is about to be written. Nothing needs it to be durable: after a power
    /// cut the lock is old.
    ///
    /// # Errors
    /// The file system refuses; the pair can be written all the same.
    pub fn writing(&self, id: TransactionId, lock: LeftLock) -> Result<(), JournalError> {
        self.inner.append(id, &Line::Writing { id, lock })
    }

    /// Closes a transaction. Losing this in a power cut is harmless: the replay finds the pair in the store.
    pub fn done(&self, id: TransactionId) {
        let inner = &self.inner;
        if inner.open.borrow_mut().remove(&id).is_none() {
            return;
        }
        // If this cannot be recorded, the next replay finds it done; the rest is only housekeeping.
        let _ = if inner.open.borrow().is_empty() {
            inner.restart()
        } else {
            inner.append_line(&Line::Done { id }).map(drop)
        };
    }

    /// Rewrites the journal if a few open transactions keep a large file from being truncated. Call it now and then.
    ///
    /// # Errors
    /// The file system refuses; the old journal then stays in use.
    pub async fn tidy(&self) -> Result<(), JournalError> {
        let inner = &self.inner;
        let mut content = encode(&Line::Journal { version: VERSION }, &inner.path)?;
        inner.open.borrow().values().flatten().for_each(|line| content.extend_from_slice(line));
        if inner.size.get() < COMPACT_ABOVE || inner.size.get() / 2 < content.len() as u64 {
            return Ok(());
        }
        let beside = inner.path.with_extension("new");
        match inner.files.remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("replace", &beside, error));
            }
            _ => {}
        }
        let file = inner.files.create_file(&beside, MODE).map_err(|e| io_error("create", &beside, e))?;
        inner.files.append(&file, &content).map_err(|e| io_error("write to", &beside, e))?;
        let lines = inner.appended.get();
        inner.files.sync(&file).await.map_err(|e| io_error("save", &beside, e))?;
        // Nothing in a file is durable before its name is.
        let Some(_no_sync) = inner.syncs.pause().filter(|_| inner.appended.get() == lines) else {
            // Something was recorded meanwhile that the copy lacks; try again later.
            return inner.files.remove_file(&beside).map_err(|e| io_error("remove", &beside, e));
        };
        inner.files.rename(&beside, &inner.path).map_err(|e| io_error("replace", &inner.path, e))?;
        let file = Rc::new(file);
        *inner.file.borrow_mut() = Rc::clone(&file);
        inner.size.set(content.len() as u64);
        // The old file's reservation. If it is refused now, answers are still written.
        inner.reserved.set(0);
        let _ = self.reserve();
        let folder = inner.path.parent().unwrap_or(Path::new("."));
        inner.files.sync_folder(folder).await.map_err(|e| io_error("replace", &inner.path, e))
    }

    /// The number of open transactions.
    #[must_use]
    pub fn open_transactions(&self) -> usize {
        self.inner.open.borrow().len()
    }

    /// Waits until everything recorded so far survives a power cut. Concurrent callers share one fsync.
    ///
    /// # Errors
    /// The fsync fails.
    pub async fn sync(&self) -> Result<(), JournalError> {
        let inner = &self.inner;
        if inner.durable.get() >= inner.appended.get() {
            return Ok(());
        }
        let sync = async |syncs: &Coalesced<_, _>| {
            let (waiting, covers) = (syncs.waiting().len(), inner.appended.get());
            let file = Rc::clone(&inner.file.borrow());
            let result = inner.files.sync(&file).await.map_err(|error| io_error("save", &inner.path, error));
            if result.is_ok() {
                inner.durable.set(inner.durable.get().max(covers));
            }
            vec![result; waiting]
        };
        inner.syncs.ask((), sync).await
    }
}

impl<F: FileSystem> Inner<F> {
    fn append(&self, id: TransactionId, line: &Line) -> Result<(), JournalError> {
        let bytes = self.append_line(line)?;
        self.open.borrow_mut().entry(id).or_default().push(bytes);
        Ok(())
    }

    fn append_line(&self, line: &Line) -> Result<SecretBytes, JournalError> {
        let bytes = encode(line, &self.path)?;
        self.append_bytes(&bytes)?;
        Ok(bytes)
    }

    /// Appends, or leaves the file unchanged: half a line must not precede the next one.
    fn append_bytes(&self, bytes: &[u8]) -> Result<(), JournalError> {
        let file = Rc::clone(&self.file.borrow());
        if let Err(error) = self.files.append(&file, bytes) {
            let _ = self.files.truncate(&file, self.size.get());
            self.reserved.set(0);
            return Err(io_error("write to", &self.path, error));
        }
        self.size.set(self.size.get() + bytes.len() as u64);
        self.appended.set(self.appended.get() + 1);
        Ok(())
    }

    /// Truncates the file to its header: no transaction is open.
    fn restart(&self) -> Result<(), JournalError> {
        let file = Rc::clone(&self.file.borrow());
        self.files.truncate(&file, 0).map_err(|error| io_error("empty", &self.path, error))?;
        self.size.set(0);
        self.reserved.set(0);
        self.append_line(&Line::Journal { version: VERSION }).map(drop)
    }
}
