//! The document in the Secret Service, with a real `gnome-keyring-daemon`. `tests/secret-service/run.sh` makes the session bus and the
//! folders that it needs, and runs it; nothing else does.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use claude_store::{
    ErrorKind, KeychainItem, KeyringError, KeyringStore, OsFileSystem, Published, ReadError, Snapshot,
    StorageFolder, Store, SystemKeyring, Version, WriteError,
};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

const SERVICE: &str = "Claude Code-credentials";
const ACCOUNT: &str = "tester";
const LOGIN: &str = "array:objpath:/org/freedesktop/secrets/collection/login";
const OLD: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{}}"#;
const NEW: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{"lab|00":{}}}"#;

type SecretStore = KeyringStore<SystemKeyring>;

/// There is one bus, and on it one keyring at a time.
static BUS: Mutex<()> = Mutex::new(());

/// A keyring daemon with its files, of its own for each test.
struct Daemon {
    process: Child,
    files: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Daemon {
    /// A daemon whose keyring is open and empty.
    fn start() -> Self {
        let turn = BUS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder =
            std::env::var_os("SECRET_SERVICE_TEST").expect("run tests/secret-service/run.sh instead");
        let files = PathBuf::from(folder);
        let _ = fs::remove_dir_all(&files);
        fs::create_dir_all(&files).unwrap();
        let mut daemon = Self { process: spawn(&files, true), files, _turn: turn };
        daemon.wait_until_it_answers();
        daemon
    }

    /// Kills it without warning and starts another on the same files.
    fn restart(&mut self, unlock: bool) {
        self.kill();
        self.process = spawn(&self.files, unlock);
        self.wait_until_it_answers();
    }

    fn kill(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn wait_until_it_answers(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !call(&["org.freedesktop.Secret.Service.ReadAlias", "string:default"]).contains("collection") {
            assert!(Instant::now() < until, "gnome-keyring-daemon does not come up");
            assert!(self.process.try_wait().unwrap().is_none(), "gnome-keyring-daemon ended");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn lock(&self) {
        call(&["org.freedesktop.Secret.Service.Lock", LOGIN]);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(files: &PathBuf, unlock: bool) -> Child {
    let mut command = Command::new("gnome-keyring-daemon");
    command.args(["--foreground", "--components=secrets"]).env("XDG_DATA_HOME", files);
    if unlock {
        command.arg("--unlock");
    }
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut password = process.stdin.take().unwrap();
    password.write_all(b"a made-up password").unwrap();
    process
}

/// One call to the service, and what it answered.
fn call(arguments: &[&str]) -> String {
    let mut command = Command::new("dbus-send");
    command.args(["--session", "--print-reply", "--reply-timeout=5000", "--dest=org.freedesktop.secrets"]);
    let output = command.arg("/org/freedesktop/secrets").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts an item there, as a person would.
fn put(attributes: &[&str], secret: &str) {
    let mut command = Command::new("secret-tool");
    command.args(["store", "--label=the client's logins"]).args(attributes);
    let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
}

fn put_document(document: &str) {
    put(&["service", SERVICE, "account", ACCOUNT], document);
}

/// Everything that the keyring holds of the client's, as `secret-tool` shows it.
fn items() -> String {
    let output = Command::new("secret-tool").args(["search", "--all", "service", SERVICE]).output().unwrap();
    // Attributes are on standard error.
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a test in a storage folder of its own.
fn run<Fut: Future<Output = ()>>(test: impl FnOnce(SecretStore) -> Fut) {
    let folder = tempfile::tempdir().unwrap();
    let item = KeychainItem::named(SERVICE, ACCOUNT);
    let storage = StorageFolder::at(folder.path(), folder.path());
    let store =
        KeyringStore::new(SystemKeyring::named("secret-service").unwrap(), item, OsFileSystem, storage);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test(store));
}

async fn write(store: &SecretStore, read: &Snapshot, document: &str) -> Result<Published, WriteError> {
    store.reserve(document.len()).await?;
    let staged = store.stage(document.as_bytes()).await?;
    let lock = store.locks().storage_lock(Duration::from_secs(5)).await.unwrap();
    let published = store.publish(&lock, read, staged).await;
    lock.release().unwrap();
    if matches!(published, Ok(Published::Swapped)) {
        store.settle().await?;
    }
    published
}

#[test]
fn a_document_is_read_and_replaced_and_nothing_else_of_its_item_changes() {
    let _daemon = Daemon::start();
    put_document(OLD);
    let before = items();
    run(|store| async move {
        let read = store.read().await.unwrap();
        assert_eq!(read.bytes(), OLD.as_bytes());
        assert_eq!(write(&store, &read, NEW).await.unwrap(), Published::Swapped);
        assert_eq!(store.read().await.unwrap().bytes(), NEW.as_bytes());
        assert_ne!(store.version().await.unwrap(), read.version());
        // Old news is no ground for a write.
        assert_eq!(write(&store, &read, OLD).await.unwrap(), Published::Changed);
    });
    let without_date = |items: &str| {
        // The schema is an attribute that gnome-keyring shows now and then only.
        let told = |line: &&str| !line.starts_with("modified") && !line.starts_with("schema");
        items.lines().filter(told).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_date(&before).replace(OLD, NEW), without_date(&items()));
}

#[test]
fn large_documents_fit() {
    let _daemon = Daemon::start();
    put_document(OLD);
    run(|store| async move {
        for size in [6_000, 60_000, 1_000_000] {
            let read = store.read().await.unwrap();
            let document = format!(r#"{{"mcpOAuth":{{}},"other":"{}"}}"#, "x".repeat(size));
            assert_eq!(write(&store, &read, &document).await.unwrap(), Published::Swapped);
            assert_eq!(store.read().await.unwrap().bytes(), document.as_bytes());
        }
    });
}

#[test]
fn an_item_named_as_the_crate_keyring_names_it_is_found_too_and_that_of_another_account_is_not() {
    let _daemon = Daemon::start();
    put(&["service", SERVICE, "account", "somebody else"], "{}");
    put(&["service", SERVICE, "username", ACCOUNT], OLD);
    run(|store| async move {
        assert_eq!(store.read().await.unwrap().bytes(), OLD.as_bytes());
    });
}

#[test]
fn an_item_that_is_not_there_is_never_made() {
    let _daemon = Daemon::start();
    put_document(OLD);
    run(|store| async move {
        let read = store.read().await.unwrap();
        let cleared = Command::new("secret-tool").args(["clear", "service", SERVICE]).status().unwrap();
        assert!(cleared.success());
        assert_eq!(store.version().await.unwrap(), Version::Absent);
        assert_eq!(store.read().await.unwrap_err().kind(), ErrorKind::Absent);
        assert_eq!(write(&store, &read, NEW).await.unwrap_err().kind(), ErrorKind::Absent);
        // Also where the reservation came before.
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = store.locks().storage_lock(Duration::from_secs(5)).await.unwrap();
        store.publish(&lock, &read, staged).await.unwrap_err();
    });
    assert_eq!(items(), "");
}

#[test]
fn while_a_collection_is_locked_nothing_counts_as_missing() {
    let daemon = Daemon::start();
    put(&["service", "of somebody else"], "{}");
    run(|store| async move {
        assert_eq!(store.version().await.unwrap(), Version::Absent);
        daemon.lock();
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Locked { .. })), "{error}");
        store.version().await.unwrap_err();
    });
}

#[test]
fn of_two_items_with_one_name_none_is_used() {
    let _daemon = Daemon::start();
    put_document(OLD);
    put(&["service", SERVICE, "account", ACCOUNT, "kept-by", "another tool"], "{}");
    run(|store| async move {
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Several { count: 2, .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::NeedsPerson);
    });
}

#[test]
fn a_locked_collection_is_waited_for_and_nobody_is_asked() {
    let mut daemon = Daemon::start();
    put_document(OLD);
    run(|store| async move {
        let read = store.read().await.unwrap();
        daemon.lock();
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Locked { .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
        assert_eq!(store.reserve(NEW.len()).await.unwrap_err().kind(), ErrorKind::Retry);
        // Locked between the request and its write.
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = store.locks().storage_lock(Duration::from_secs(5)).await.unwrap();
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::Keyring(KeyringError::Locked { .. })), "{error}");
        lock.release().unwrap();
        // As after a login without a password: the keyring is there and stays locked.
        daemon.restart(false);
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Locked { .. })), "{error}");
        // A question on the screen would be an object of the service.
        // What was read before the lock is still what is there.
        // Questions are numbered: the first one that anybody wanted of this daemon is the test's own.
        let unlock = call(&["org.freedesktop.Secret.Service.Unlock", LOGIN]);
        assert!(unlock.contains("/prompt/u1\""), "{unlock}");
        daemon.restart(true);
        assert_eq!(write(&store, &read, NEW).await.unwrap(), Published::Swapped);
        assert_eq!(store.read().await.unwrap().bytes(), NEW.as_bytes());
    });
}

#[test]
fn a_daemon_that_hangs_is_not_waited_for_and_is_used_again_when_it_goes_on() {
    let daemon = Daemon::start();
    put_document(OLD);
    run(|store| async move {
        let store = store.with_patience(Duration::from_millis(700));
        let read = store.read().await.unwrap();
        let staged = store.stage(NEW.as_bytes()).await.unwrap();
        let lock = store.locks().storage_lock(Duration::from_secs(5)).await.unwrap();
        daemon.signal(Signal::STOP);
        let began = Instant::now();
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::Keyring(KeyringError::NoAnswer { .. })), "{error}");
        lock.release().unwrap();
        let error = store.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        daemon.signal(Signal::CONT);
        let store = store.with_patience(Duration::from_secs(6));
        // The write that was given up had not begun: it is not made now.
        assert_eq!(store.read().await.unwrap().bytes(), OLD.as_bytes());
        assert_eq!(write(&store, &read, NEW).await.unwrap(), Published::Swapped);
    });
}

#[test]
fn a_daemon_killed_in_the_middle_of_writes_holds_a_whole_document_and_takes_the_next() {
    let mut daemon = Daemon::start();
    let document = |number: usize| {
        let filler = "y".repeat(20_000);
        format!(r#"{{"mcpOAuth":{{}},"number":{number},"filler":"{filler}"}}"#)
    };
    put_document(OLD);
    run(|store| async move {
        let read = store.read().await.unwrap();
        assert_eq!(write(&store, &read, &document(0)).await.unwrap(), Published::Swapped);
        let mut failed = 0;
        let mut number = 0;
        for round in 0..20_u32 {
            // Somewhere in one of the next writes.
            let pid = Pid::from_raw(i32::try_from(daemon.process.id()).unwrap()).unwrap();
            let killer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(u64::from(37 * round % 500)));
                kill_process(pid, Signal::KILL).unwrap();
            });
            loop {
                let Ok(read) = store.read().await else { break };
                match write(&store, &read, &document(number + 1)).await {
                    Ok(published) => assert_eq!(published, Published::Swapped),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
                        failed += 1;
                        break;
                    }
                }
                number += 1;
            }
            killer.join().unwrap();
            let error = store.read().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
            daemon.restart(true);
            let read = store.read().await.unwrap();
            let text = String::from_utf8(read.bytes().to_vec()).unwrap();
            // The last one that was confirmed, or the one that was not.
            number =
                (number..=number + 1).find(|number| text == document(*number)).expect("a whole document");
        }
        assert!(failed > 0, "no kill ever met a write");
        println!("{number} writes, {failed} cut by a kill");
    });
}
