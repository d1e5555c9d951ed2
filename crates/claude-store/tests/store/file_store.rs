//! The document in a file: what a write does, and what every fault leaves.

mod crashes;
mod errors;
#[cfg(unix)]
mod links;
mod reservation;

use claude_store::{
    Change, EntryKey, ErrorKind, FileStore, FileSystem, Obstacle, OsFileSystem, Published, Snapshot,
    StorageFolder, Store, TokenChange, Version, WriteError,
};
use oauth_secret::AccessToken;
use std::future::Future;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;
use virtual_disk::{Call, Operation, PowerCut, VirtualDisk};

const OLD: &str = r#"{"claudeAiOauth":{"x":1},"mcpOAuth":{"lab|00":{"accessToken":"at_1"}}}"#;

const PATH: &str = "/home/u/.claude/.credentials.json";

const FOLDER: &str = "/home/u/.claude";

fn folder() -> StorageFolder {
    StorageFolder::at(FOLDER, Path::new("/home/u"))
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn with_document() -> (VirtualDisk, FileStore<VirtualDisk>) {
    let disk = VirtualDisk::new();
    disk.put(PATH, OLD);
    let store = FileStore::new(disk.process(), folder());
    (disk, store)
}

/// Reads, splices, stages, publishes and settles once.
async fn write(
    store: &FileStore<impl FileSystem>,
    token: &str,
) -> Result<Published, Box<dyn std::error::Error>> {
    store.reserve(4096).await?;
    let read = store.read().await?;
    let document = spliced(&read, token);
    let staged = store.stage(&document).await?;
    let lock = store.locks().storage_lock(Duration::from_secs(10)).await?;
    let published = store.publish(&lock, &read, staged).await?;
    lock.release()?;
    store.settle().await?;
    store.release_reservation();
    Ok(published)
}

fn spliced(read: &Snapshot, token: &str) -> Vec<u8> {
    let change = Change::Tokens(TokenChange {
        access_token: AccessToken::new(token),
        refresh_token: None,
        expires_at: None,
        scope: None,
    });
    read.document().unwrap().splice(&[(EntryKey::new("lab|00"), change)]).unwrap().to_vec()
}

fn is_temporary(name: &str) -> bool {
    name.contains(".tmp.mcp-refreshd-")
}

fn new(token: &str) -> String {
    OLD.replace("at_1", token)
}

#[test]
fn a_document_is_replaced_without_leftovers() {
    run(async {
        let (disk, store) = with_document();
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
        assert_eq!(disk.text(PATH).unwrap(), new("at_2"));
        assert_eq!(disk.names_in(FOLDER), [".credentials.json"]);
    });
}

#[test]
fn nothing_is_synced_while_the_storage_lock_is_held() {
    run(async {
        let disk = VirtualDisk::new();
        disk.put(PATH, OLD);
        let process = disk.process();
        let store = FileStore::new(process.clone(), folder());
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
        let at = |wanted: fn(&Call) -> bool| process.calls().iter().position(wanted).unwrap();
        let is_lock = |call: &Call| call.path.ends_with(".storage-write.lock");
        let locked = at(|call| call.operation == Operation::CreateFolder);
        let unlocked = at(|call| call.operation == Operation::RemoveFolder);
        let calls = process.calls();
        assert!(is_lock(&calls[locked]) && is_lock(&calls[unlocked]));
        let during = &calls[locked..unlocked];
        assert!(!during.iter().any(|call| matches!(call.operation, Operation::Sync | Operation::SyncFolder)));
        assert!(during.iter().any(|call| call.operation == Operation::Rename));
    });
}

#[test]
fn a_document_that_changed_since_it_was_read_is_not_replaced() {
    run(async {
        let (disk, store) = with_document();
        for theirs in [Some(new("at_9")), Some(OLD.replace("at_1", "at_0")), None] {
            disk.put(PATH, OLD);
            let read = store.read().await.unwrap();
            let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
            match &theirs {
                Some(text) => disk.put(PATH, text),
                None => disk.take_away(PATH),
            }
            let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
            assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Changed);
            assert_eq!(disk.text(PATH), theirs);
        }
        assert_eq!(disk.names_in(FOLDER).len(), 0);
    });
}

#[test]
fn without_the_storage_lock_nothing_is_written() {
    run(async {
        let (disk, store) = with_document();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        disk.take_away("/home/u/.claude/.storage-write.lock");
        assert!(matches!(store.publish(&lock, &read, staged).await, Err(WriteError::LockLost(_))));
        assert_eq!(disk.text(PATH).unwrap(), OLD);
    });
}

#[test]
fn a_storage_lock_lost_during_the_last_comparison_stops_the_write() {
    run(async {
        let disk = VirtualDisk::new();
        disk.put(PATH, OLD);
        let process = disk.process();
        let store = FileStore::new(process.clone(), folder());
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let world = disk.clone();
        process.on_call(move |call| {
            if call.operation == Operation::Read {
                world.take_away("/home/u/.claude/.storage-write.lock");
            }
            None
        });
        assert!(matches!(store.publish(&lock, &read, staged).await, Err(WriteError::LockLost(_))));
        assert_eq!(disk.text(PATH).unwrap(), OLD);
    });
}

#[test]
fn the_new_document_is_private_whatever_the_old_mode() {
    run(async {
        for mode in [0o644, 0o600, 0o666, 0o400] {
            let (disk, store) = with_document();
            disk.chmod(PATH, mode);
            assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
            assert_eq!(disk.stamp(Path::new(PATH)).unwrap().mode, 0o600, "{mode:o}");
        }
    });
}

#[test]
fn the_version_moves_with_the_document() {
    run(async {
        let (disk, store) = with_document();
        let first = store.version().await.unwrap();
        assert_eq!(first, store.version().await.unwrap());
        assert_eq!(first, store.read().await.unwrap().version());
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
        assert_ne!(first, store.version().await.unwrap());
        disk.take_away(FOLDER);
        assert_eq!(store.version().await.unwrap(), Version::Absent);
    });
}

#[test]
fn on_real_files_a_document_is_replaced_by_a_real_rename() {
    let home = tempfile::tempdir().unwrap();
    let storage = StorageFolder::at(home.path().join(".claude"), home.path());
    std::fs::create_dir_all(storage.path()).unwrap();
    std::fs::write(storage.credentials_path(), OLD).unwrap();
    replace_on_real_files(&storage);
    assert_eq!(std::fs::read_to_string(storage.credentials_path()).unwrap(), new("at_19"));
    assert_eq!(std::fs::read_dir(storage.path()).unwrap().count(), 1);
}

/// Twenty writes. No virtual time here: a sync is waited for on a thread of its own.
fn replace_on_real_files(storage: &StorageFolder) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let store = FileStore::new(OsFileSystem, storage);
        let before = store.version().await.unwrap();
        for round in 0..20 {
            assert_eq!(write(&store, &format!("at_{round}")).await.unwrap(), Published::Swapped);
        }
        assert_ne!(store.version().await.unwrap(), before);
        assert_eq!(store.sweep().unwrap(), 0);
    });
}
