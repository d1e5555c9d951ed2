//! The document in a keyring that answers, refuses, hangs, or does something else than it was told.

use claude_store::{
    ErrorKind, FoundItem, KeychainItem, Keyring, KeyringError, KeyringStore, OsFileSystem, Published,
    ReadError, StorageFolder, StorageLock, Store, Version, WriteError,
};
use oauth_secret::SecretBytes;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

const OLD: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{}}"#;
const NEW: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{"lab|00":{}}}"#;

/// Long enough for a loaded machine where an answer is expected…
const PATIENCE: Duration = Duration::from_secs(20);
/// …and short where none comes.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// Where a call hangs until it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Find,
    Read,
    Write,
}

#[derive(Default)]
struct State {
    secret: Option<Vec<u8>>,
    modified: u64,
    locked: bool,
    hangs: Option<At>,
    hanging: usize,
    cuts: Option<usize>,
    writes: usize,
    /// Whether it hangs until nobody waits any more; when that was.
    slow: bool,
    untils: Vec<Instant>,
}

/// A keyring with at most one item.
#[derive(Clone, Default)]
struct Scripted(Arc<(Mutex<State>, Condvar)>);

impl Scripted {
    fn holding(secret: &str) -> Self {
        let keyring = Self::default();
        keyring.with(|state| {
            state.secret = Some(secret.as_bytes().to_vec());
            state.modified = 1_000;
        });
        keyring
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let answer = act(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        answer
    }

    /// Comes here, and stays as long as it hangs here.
    fn pass(&self, at: At) {
        let mut state = self.0.0.lock().unwrap();
        if state.hangs == Some(at) {
            state.hanging += 1;
            self.0.1.notify_all();
            while state.hangs == Some(at) {
                state = self.0.1.wait(state).unwrap();
            }
            state.hanging -= 1;
            self.0.1.notify_all();
        }
    }

    /// Lets go what hangs, and waits until it has come through.
    fn let_go(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.hangs = None;
        self.0.1.notify_all();
        while state.hanging > 0 {
            state = self.0.1.wait(state).unwrap();
        }
    }

    fn secret(&self) -> Option<String> {
        self.with(|state| state.secret.clone().map(|secret| String::from_utf8(secret).unwrap()))
    }
}

impl Keyring for Scripted {
    type Found = Self;

    const KIND: &'static str = "scripted";

    fn find(&self, _item: &KeychainItem, until: Instant) -> Result<Self, KeyringError> {
        let slow = self.with(|state| {
            state.untils.push(until);
            state.slow
        });
        if slow {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        self.pass(At::Find);
        match self.with(|state| state.secret.is_some()) {
            true => Ok(self.clone()),
            false => Err(KeyringError::Missing { location: "it".into() }),
        }
    }
}

impl FoundItem for Scripted {
    fn mark(&self) -> Result<u64, KeyringError> {
        Ok(self.with(|state| state.modified))
    }

    fn ensure_unlocked(&self) -> Result<(), KeyringError> {
        match self.with(|state| state.locked) {
            true => Err(KeyringError::Locked { location: "it".into() }),
            false => Ok(()),
        }
    }

    fn read(&self) -> Result<SecretBytes, KeyringError> {
        self.pass(At::Read);
        self.with(|state| state.secret.clone().map(SecretBytes::from))
            .ok_or(KeyringError::Missing { location: "it".into() })
    }

    fn write(&self, secret: &[u8]) -> Result<(), KeyringError> {
        self.pass(At::Write);
        self.with(|state| {
            state.writes += 1;
            state.secret = Some(secret[..state.cuts.unwrap_or(secret.len())].to_vec());
        });
        Ok(())
    }
}

fn store(keyring: &Scripted, folder: &Path, patience: Duration) -> KeyringStore<Scripted> {
    let item = KeychainItem::named("Claude Code-credentials", "me");
    let folder = StorageFolder::at(folder, folder);
    KeyringStore::new(keyring.clone(), item, OsFileSystem, folder).with_patience(patience)
}

async fn lock(store: &KeyringStore<Scripted>) -> StorageLock<OsFileSystem> {
    store.locks().storage_lock(Duration::from_secs(5)).await.unwrap()
}

/// Runs a test in a folder of its own, as the locks want it.
fn run<Fut: Future<Output = ()>>(test: impl FnOnce(std::path::PathBuf) -> Fut) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test(folder.path().to_owned()));
}

#[test]
fn a_document_is_read_and_replaced_in_place() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        assert_eq!(read.bytes(), OLD.as_bytes());
        store.reserve(NEW.len()).await.unwrap();
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Swapped);
        lock.release().unwrap();
        store.settle().await.unwrap();
        assert_eq!(keyring.secret().as_deref(), Some(NEW));
        assert_eq!(store.location(), "scripted:Claude Code-credentials (account me)");
    });
}

#[test]
fn a_concurrent_write_is_not_overwritten() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        keyring.with(|state| state.secret = Some(b"{}".to_vec()));
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Changed);
        assert_eq!(keyring.secret().as_deref(), Some("{}"));
        assert_eq!(keyring.with(|state| state.writes), 0);
    });
}

#[test]
fn a_missing_item_is_never_created() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        keyring.with(|state| state.secret = None);
        assert_eq!(store.version().await.unwrap(), Version::Absent);
        let error = store.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Absent, "{error}");
        assert_eq!(store.reserve(NEW.len()).await.unwrap_err().kind(), ErrorKind::Absent);
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        store.publish(&lock, &read, staged).await.unwrap_err();
        assert_eq!(keyring.secret(), None);
    });
}

#[test]
fn a_locked_keyring_is_not_empty_and_prevents_requests() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        keyring.with(|state| state.locked = true);
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Locked { .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
        // Found out before the request.
        assert_eq!(store.reserve(NEW.len()).await.unwrap_err().kind(), ErrorKind::Retry);
    });
}

#[test]
fn a_keyring_that_locks_before_the_write_keeps_what_it_has() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        keyring.with(|state| state.locked = true);
        let lock = lock(&store).await;
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::Keyring(KeyringError::Locked { .. })), "{error}");
        assert_eq!(keyring.secret().as_deref(), Some(OLD));
    });
}

#[test]
fn a_truncated_write_is_noticed() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        keyring.with(|state| state.cuts = Some(7));
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::Keyring(KeyringError::NotWritten { .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
    });
}

#[test]
fn without_the_storage_lock_nothing_is_written() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        std::fs::remove_dir(folder.join(".storage-write.lock")).unwrap();
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::LockLost(_)), "{error}");
        assert_eq!(keyring.secret().as_deref(), Some(OLD));
    });
}

#[test]
fn a_hanging_keyring_costs_one_thread_and_blocks_nobody() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        keyring.with(|state| state.hangs = Some(At::Find));
        let store = store(&keyring, &folder, IMPATIENCE);
        // Something else goes on in the same thread meanwhile.
        let (mut turns, began) = (0, Instant::now());
        let reading = store.read();
        tokio::pin!(reading);
        let error = loop {
            tokio::select! {
                biased;
                read = &mut reading => break read.unwrap_err(),
                () = tokio::task::yield_now() => turns += 1,
            }
        };
        assert!(matches!(error, ReadError::Keyring(KeyringError::NoAnswer { .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
        assert!(turns > 100, "{turns}");
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        for _ in 0..10 {
            let error = store.version().await.unwrap_err();
            assert!(matches!(error, ReadError::Keyring(KeyringError::Busy { .. })), "{error}");
        }
        assert_eq!(keyring.with(|state| state.hanging), 1);
        keyring.let_go();
        // The thread ends a moment after what it hung in.
        let until = Instant::now() + PATIENCE;
        while store.read().await.is_err() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.read().await.unwrap().bytes(), OLD.as_bytes());
    });
}

#[test]
fn waiting_behind_another_visit_counts_against_the_limit() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        keyring.with(|state| state.slow = true);
        let limit = Duration::from_secs(1);
        let store = store(&keyring, &folder, limit);
        // The storage lock may be held by one of them: what both need together must not be twice the limit.
        let _ = tokio::join!(store.read(), store.read());
        let untils = keyring.with(|state| state.untils.clone());
        let more = untils.last().unwrap().saturating_duration_since(untils[0]);
        assert!(more < limit / 2, "{more:?}");
    });
}

#[test]
fn an_abandoned_write_is_not_made_when_the_keyring_recovers() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, IMPATIENCE);
        let read = store.read().await.unwrap();
        keyring.with(|state| state.hangs = Some(At::Read));
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::Keyring(KeyringError::NoAnswer { .. })), "{error}");
        lock.release().unwrap();
        keyring.let_go();
        let until = Instant::now() + PATIENCE;
        while store.read().await.is_err() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        // The visit has come back, and what it read would have allowed it to write.
        assert_eq!(keyring.with(|state| state.writes), 0);
        assert_eq!(keyring.secret().as_deref(), Some(OLD));
    });
}

#[test]
fn a_write_whose_caller_was_dropped_is_not_made() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        keyring.with(|state| state.hangs = Some(At::Read));
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        tokio::select! {
            _ = store.publish(&lock, &read, staged) => unreachable!("the keyring hangs"),
            () = async { while keyring.with(|state| state.hanging) == 0 { tokio::task::yield_now().await } } => {}
        }
        keyring.let_go();
        let until = Instant::now() + PATIENCE;
        while store.read().await.is_err() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        assert_eq!(keyring.with(|state| state.writes), 0);
    });
}

#[test]
fn a_write_that_hangs_is_reported_and_the_next_read_shows_its_result() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, IMPATIENCE);
        let read = store.read().await.unwrap();
        keyring.with(|state| state.hangs = Some(At::Write));
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = lock(&store).await;
        store.publish(&lock, &read, staged).await.unwrap_err();
        keyring.let_go();
        let until = Instant::now() + PATIENCE;
        while store.read().await.is_err() && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.read().await.unwrap().bytes(), NEW.as_bytes());
    });
}

#[test]
fn a_second_change_within_the_same_second_is_noticed() {
    run(|folder| async move {
        let keyring = Scripted::holding(OLD);
        let store = store(&keyring, &folder, PATIENCE);
        let read = store.read().await.unwrap();
        // Written again within the second that the date names.
        assert_ne!(store.version().await.unwrap(), read.version());
        keyring.with(|state| state.modified = 2_000);
        assert_ne!(store.version().await.unwrap(), read.version());
        assert!(store.look_again_in().is_some(), "nothing else tells of a change");
    });
}
