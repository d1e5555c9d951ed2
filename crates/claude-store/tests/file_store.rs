//! The document in a file: what a write does, and what every fault leaves.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

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

/// What a test does to the disk first.
type SetUp<'a> = &'a dyn Fn(&VirtualDisk);

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
fn a_document_is_replaced_and_nothing_is_left_beside_it() {
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
fn a_settled_document_survives_every_power_cut_and_an_unsettled_one_is_old_or_new() {
    run(async {
        let (disk, store) = with_document();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        for cut in PowerCut::ALL {
            let text = disk.power_cut(cut).text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{cut:?}: {text}");
        }
        store.settle().await.unwrap();
        for cut in PowerCut::ALL {
            assert_eq!(disk.power_cut(cut).text(PATH).unwrap(), new("at_2"), "{cut:?}");
        }
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
fn a_storage_lock_that_is_taken_over_during_the_last_comparison_stops_the_write() {
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
fn links_are_written_through_and_stay() {
    run(async {
        let (disk, store) = with_document();
        disk.take_away(PATH);
        disk.put("/data/secrets/claude.json", OLD);
        disk.put_link("/data/link", "secrets/claude.json");
        disk.put_link(PATH, "/data/link");
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
        assert_eq!(disk.text("/data/secrets/claude.json").unwrap(), new("at_2"));
        assert_eq!(disk.names_in("/data/secrets"), ["claude.json"]);
        assert_eq!(disk.resolve(Path::new(PATH)).unwrap(), Path::new("/data/secrets/claude.json"));
    });
}

#[test]
fn a_link_that_was_turned_elsewhere_meanwhile_is_a_change() {
    run(async {
        let (disk, store) = with_document();
        disk.take_away(PATH);
        disk.put("/data/a.json", OLD);
        disk.put("/data/b.json", OLD);
        disk.put_link(PATH, "/data/a.json");
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        disk.take_away(PATH);
        disk.put_link(PATH, "/data/b.json");
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Changed);
        assert_eq!(disk.text("/data/a.json").unwrap(), OLD);
    });
}

#[test]
fn whatever_the_mode_was_the_new_document_is_for_its_owner_only() {
    run(async {
        for mode in [0o644, 0o600, 0o666, 0o400] {
            let (disk, store) = with_document();
            disk.chmod(PATH, mode);
            assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
            assert_eq!(disk.stamp(Path::new(PATH)).unwrap().mode, 0o600, "{mode:o}");
        }
    });
}

/// Asserts that the error names the path and is of this kind.
fn check(error: &(impl std::error::Error + 'static), kind: ErrorKind, actual: ErrorKind, says: &str) {
    let text = error.to_string();
    assert_eq!(actual, kind, "{text}");
    assert!(text.contains("/home/u") && text.contains(says), "{text}");
}

#[test]
fn each_thing_that_cannot_be_read_has_its_own_words() {
    run(async {
        let set_ups: [(SetUp<'_>, ErrorKind, &str); 7] = [
            (&|disk| disk.take_away(PATH), ErrorKind::Absent, "does not exist yet"),
            (&|disk| disk.take_away("/home"), ErrorKind::Absent, "does not exist yet"),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_link(PATH, "/nowhere/x");
                },
                ErrorKind::NeedsPerson,
                "is a link to a missing file",
            ),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_folder(PATH);
                },
                ErrorKind::NeedsPerson,
                "not a regular file",
            ),
            (
                &|disk| {
                    disk.take_away(PATH);
                    disk.put_fifo(PATH);
                },
                ErrorKind::NeedsPerson,
                "not a regular file",
            ),
            (&|disk| disk.put(PATH, vec![b' '; 50 << 20]), ErrorKind::NeedsPerson, "over 32 MiB"),
            (
                &|disk| {
                    disk.chown(PATH, 0);
                    disk.chmod(PATH, 0o600);
                },
                ErrorKind::NeedsPerson,
                "owner 0, mode 0600",
            ),
        ];
        for (set_up, kind, says) in set_ups {
            let (disk, store) = with_document();
            set_up(&disk);
            let error = store.read().await.unwrap_err();
            check(&error, kind, error.kind(), says);
            let error = store.reserve(100).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    });
}

#[test]
fn what_would_make_a_write_fail_is_found_before_the_request() {
    run(async {
        let set_ups: [(SetUp<'_>, &str); 7] = [
            (&|disk| disk.set_read_only(true), "read-only file system"),
            (&|disk| disk.set_free(Some(99)), "quota is full"),
            (&|disk| disk.chmod(FOLDER, 0o500), "permission denied"),
            (&|disk| disk.chown(PATH, 0), "belongs to user 0, but this process runs as user 1000"),
            (&|disk| disk.set_obstacle(PATH, Some(Obstacle::MountPoint)), "is itself a mount point"),
            (&|disk| disk.set_obstacle(PATH, Some(Obstacle::Immutable)), "immutable or append-only"),
            (&|disk| disk.set_obstacle(FOLDER, Some(Obstacle::Immutable)), "immutable or append-only"),
        ];
        for (set_up, says) in set_ups {
            for reserved_before in [false, true] {
                let (disk, store) = with_document();
                disk.chmod(PATH, 0o644);
                if reserved_before {
                    store.reserve(50).await.unwrap();
                }
                set_up(&disk);
                let error = store.reserve(10_000).await.unwrap_err();
                check(&error, ErrorKind::NeedsPerson, error.kind(), says);
                assert_eq!(disk.text(PATH).unwrap(), OLD);
            }
        }
    });
}

#[test]
fn a_bind_mount_made_after_the_check_is_explained_all_the_same() {
    run(async {
        let (disk, store) = with_document();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        disk.set_obstacle(PATH, Some(Obstacle::MountPoint));
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let error = store.publish(&lock, &read, staged).await.unwrap_err();
        assert!(matches!(error, WriteError::MountPoint { .. }), "{error}");
    });
}

#[test]
fn reserved_room_is_there_when_the_disk_has_filled_up_meanwhile() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        disk.set_free(Some(0));
        let read = store.read().await.unwrap();
        let document = [spliced(&read, "at_2"), vec![b' '; 4000]].concat();
        let staged = store.stage(&document).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Swapped);
        assert_eq!(disk.bytes(PATH).unwrap(), document);
    });
}

#[test]
fn a_staged_document_that_was_not_published_gives_its_room_to_the_next_try() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        disk.set_free(Some(0));
        for _ in 0..3 {
            let read = store.read().await.unwrap();
            drop(store.stage(&spliced(&read, "at_2")).await.unwrap());
        }
        assert_eq!(disk.names_in(FOLDER).len(), 2);
        store.release_reservation();
        assert_eq!(disk.names_in(FOLDER), [".credentials.json"]);
    });
}

#[test]
fn after_a_write_room_is_reserved_anew_for_the_other_transactions() {
    run(async {
        let (disk, store) = with_document();
        store.reserve(5000).await.unwrap();
        store.reserve(300).await.unwrap();
        let read = store.read().await.unwrap();
        let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
        let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
        let _ = store.publish(&lock, &read, staged).await.unwrap();
        store.settle().await.unwrap();
        disk.set_free(Some(0));
        let read = store.read().await.unwrap();
        drop(store.stage(&[b' '; 5000]).await.unwrap());
        drop(read);
    });
}

#[test]
fn where_room_cannot_be_reserved_a_full_disk_is_found_before_the_request_all_the_same() {
    run(async {
        let (disk, store) = with_document();
        disk.set_can_reserve(false);
        disk.set_free(Some(20_000));
        store.reserve(19_000).await.unwrap();
        let error = store.reserve(21_000).await.unwrap_err();
        assert!(matches!(error, WriteError::NoRoom { .. }), "{error}");
        assert_eq!(write(&store, "at_2").await.unwrap(), Published::Swapped);
    });
}

#[test]
fn a_reservation_that_somebody_swept_away_is_made_again() {
    run(async {
        let (disk, store) = with_document();
        for stage_directly in [false, true] {
            store.reserve(100).await.unwrap();
            for name in disk.names_in(FOLDER).iter().filter(|name| is_temporary(name)) {
                disk.take_away(Path::new(FOLDER).join(name));
            }
            if !stage_directly {
                store.reserve(100).await.unwrap();
            }
            let read = store.read().await.unwrap();
            let staged = store.stage(&spliced(&read, "at_2")).await.unwrap();
            let lock = store.locks().storage_lock(Duration::ZERO).await.unwrap();
            assert_eq!(store.publish(&lock, &read, staged).await.unwrap(), Published::Swapped);
        }
    });
}

#[test]
fn every_failing_call_leaves_the_old_document_or_the_new_one() {
    run(async {
        let mut failed = 0;
        for nth in 0.. {
            let disk = VirtualDisk::new();
            disk.put(PATH, OLD);
            let process = disk.process();
            let mut seen = 0;
            let (hit, count) = (Rc::new(std::cell::Cell::new(false)), nth);
            let told = Rc::clone(&hit);
            process.on_call(move |call| {
                seen += usize::from(call.operation.changes());
                let this = call.operation.changes() && seen == count + 1;
                told.set(told.get() || this);
                this.then(|| io::Error::other("made up"))
            });
            let result = write(&FileStore::new(process, folder()), "at_2").await;
            let text = disk.text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{nth}: {text}");
            if !hit.get() {
                assert!(result.is_ok());
                break;
            }
            failed += 1;
        }
        assert!(failed >= 8, "{failed}");
    });
}

#[test]
fn a_kill_at_any_call_leaves_the_old_document_or_the_new_one_and_the_next_start_sweeps() {
    run(async {
        for nth in 0..30 {
            let disk = VirtualDisk::new();
            disk.put(PATH, OLD);
            let process = disk.process();
            let (victim, mut seen) = (process.clone(), 0);
            process.on_call(move |_| {
                seen += 1;
                if seen == nth + 1 {
                    victim.kill();
                }
                None
            });
            let store = FileStore::new(process, folder());
            // Boxed, so that the guards in it are dropped by the dead process.
            let _ = tokio::task::spawn_local(async move {
                let result = store.reserve(100).await;
                if result.is_ok() {
                    let read = store
                        .read()
                        .await
                        .unwrap_or_else(|_| Snapshot::new(OLD.as_bytes().to_vec().into(), Version::Absent));
                    let staged = store.stage(&spliced(&read, "at_2")).await;
                    let lock = store.locks().storage_lock(Duration::ZERO).await;
                    if let (Ok(staged), Ok(lock)) = (staged, lock) {
                        let _ = store.publish(&lock, &read, staged).await;
                    }
                }
            })
            .await;
            let text = disk.text(PATH).unwrap();
            assert!(text == OLD || text == new("at_2"), "{nth}: {text}");
            let next = FileStore::new(disk.process(), folder());
            next.sweep().unwrap();
            assert!(!disk.names_in(FOLDER).iter().any(|name| is_temporary(name)), "{nth}");
        }
    });
}

#[test]
fn sweeping_takes_only_what_is_certainly_ours() {
    run(async {
        let (disk, store) = with_document();
        let foreign = [
            ".credentials.json.tmp.1234abcd",
            ".credentials.json.tmp.mcp-refreshd-1234ABCD",
            ".credentials.json.tmp.mcp-refreshd-1234abcde",
            ".credentials.json.tmp.mcp-refreshd-",
            "x.credentials.json.tmp.mcp-refreshd-1234abcd",
        ];
        let ours = [
            ".credentials.json.tmp.mcp-refreshd-1234abcd",
            ".mcp-needs-auth-cache.json.tmp.mcp-refreshd-00000000",
        ];
        for name in foreign.iter().chain(&ours) {
            disk.put(Path::new(FOLDER).join(name), "");
        }
        store.reserve(100).await.unwrap();
        assert_eq!(store.sweep().unwrap(), 2);
        for name in foreign {
            assert!(disk.exists(Path::new(FOLDER).join(name)), "{name}");
        }
        assert_eq!(disk.names_in(FOLDER).len(), foreign.len() + 2);
        assert_eq!(
            FileStore::new(disk.process(), StorageFolder::at("/missing", Path::new("/"))).sweep().unwrap(),
            0
        );
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
fn on_real_files_a_link_is_written_through_by_a_real_rename() {
    let home = tempfile::tempdir().unwrap();
    let storage = StorageFolder::at(home.path().join(".claude"), home.path());
    std::fs::create_dir_all(storage.path()).unwrap();
    std::fs::create_dir(home.path().join("data")).unwrap();
    let target = home.path().join("data/creds.json");
    std::fs::write(&target, OLD).unwrap();
    std::os::unix::fs::symlink("../data/creds.json", storage.credentials_path()).unwrap();
    // No virtual time here: a sync is waited for on a thread of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let store = FileStore::new(OsFileSystem, &storage);
        let before = store.version().await.unwrap();
        for round in 0..20 {
            assert_eq!(write(&store, &format!("at_{round}")).await.unwrap(), Published::Swapped);
        }
        assert_ne!(store.version().await.unwrap(), before);
        assert_eq!(store.sweep().unwrap(), 0);
    });
    assert_eq!(std::fs::read_to_string(&target).unwrap(), new("at_19"));
    assert!(storage.credentials_path().symlink_metadata().unwrap().is_symlink());
    let mode = std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(home.path().join("data")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(storage.path()).unwrap().count(), 1);
}
