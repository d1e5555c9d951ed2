//! The document in the Secret Service, with a real `gnome-keyring-daemon`. `tests/secret-service/run.sh` makes the session bus and the
//! folders that it needs, and runs it; nothing else does.

#[path = "../../../../tests/secret-service/gnome_keyring.rs"]
mod gnome_keyring;

use claude_store::{
    ErrorKind, KeychainItem, KeyringError, KeyringStore, OsFileSystem, Published, ReadError, Snapshot,
    StorageFolder, Store, SystemKeyring, Version, WriteError,
};
use gnome_keyring::{ACCOUNT, GnomeKeyring, LOGIN, SERVICE, call, items, put, put_document};
use rustix::process::Signal;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

const OLD: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{}}"#;
const NEW: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{"lab|00":{}}}"#;

type SecretStore = KeyringStore<SystemKeyring>;

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
    let _daemon = GnomeKeyring::start();
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
    let _daemon = GnomeKeyring::start();
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
    let _daemon = GnomeKeyring::start();
    put(&["service", SERVICE, "account", "somebody else"], "{}");
    put(&["service", SERVICE, "username", ACCOUNT], OLD);
    run(|store| async move {
        assert_eq!(store.read().await.unwrap().bytes(), OLD.as_bytes());
    });
}

#[test]
fn a_missing_item_is_never_created() {
    let _daemon = GnomeKeyring::start();
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
    let daemon = GnomeKeyring::start();
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
    let _daemon = GnomeKeyring::start();
    put_document(OLD);
    put(&["service", SERVICE, "account", ACCOUNT, "kept-by", "another tool"], "{}");
    run(|store| async move {
        let error = store.read().await.unwrap_err();
        assert!(matches!(error, ReadError::Keyring(KeyringError::Several { count: 2, .. })), "{error}");
        assert_eq!(error.kind(), ErrorKind::NeedsPerson);
    });
}

#[test]
fn a_locked_collection_is_waited_for_without_a_dialog() {
    let mut daemon = GnomeKeyring::start();
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
    let daemon = GnomeKeyring::start();
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
    let mut daemon = GnomeKeyring::start();
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
            let killer = daemon.kill_in(Duration::from_millis(u64::from(37 * round % 500)));
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
