//! The two lock protocols, in virtual time and on real files.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use claude_store::{
    EntryKey, ErrorKind, FileKind, FileSystem, LockError, LockKind, LockLost, Locks, OsFileSystem,
};
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::task::LocalSet;
use tokio::time::Instant;
use virtual_disk::{Operation, VirtualDisk};

const FOLDER: &str = "/home/u/.claude";
const REFRESH: &str = "/home/u/.claude/mcp-refresh-lab_00.lock.lock";
/// How often a lock is dated, and how long a dead one is watched before it is stolen.
const HEARTBEAT: Duration = Duration::from_secs(5);
const OBSERVATION: Duration = Duration::from_secs(12);
const STORAGE: &str = "/home/u/.claude/.storage-write.lock";

/// Runs in virtual time on a disk of its own.
fn with_disk<T: Future<Output = ()>>(test: impl FnOnce(VirtualDisk) -> T) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let disk = VirtualDisk::new();
        disk.put_folder(FOLDER);
        test(disk).await;
    });
}

fn locks(disk: &VirtualDisk) -> Locks<VirtualDisk> {
    Locks::new(disk.process(), FOLDER)
}

fn key() -> EntryKey {
    EntryKey::new("lab|00")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A lock that somebody else made, dated this long ago.
fn foreign_lock(disk: &VirtualDisk, path: &str, age: Duration) {
    disk.put_folder(path);
    disk.date(path, disk.now() - age);
}

#[test]
fn a_lock_is_a_folder_while_it_is_held_and_nothing_afterwards() {
    with_disk(|disk| async move {
        let locks = locks(&disk);
        let refresh = locks.refresh_lock(&key(), seconds(0)).await.unwrap();
        let storage = locks.storage_lock(seconds(0)).await.unwrap();
        assert_eq!(refresh.path(), Path::new(REFRESH));
        assert_eq!(disk.names_in(FOLDER), [".storage-write.lock", "mcp-refresh-lab_00.lock.lock"]);
        assert_eq!(disk.link_stamp(Path::new(STORAGE)).unwrap().kind, FileKind::Folder);
        refresh.release().unwrap();
        drop(storage);
        assert!(disk.names_in(FOLDER).is_empty());
    });
}

#[test]
fn a_held_lock_is_dated_to_now_every_five_seconds_and_never_ahead() {
    with_disk(|disk| async move {
        let lock = locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap();
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(500)).await;
            tokio::task::yield_now().await;
            let age = disk.now().duration_since(disk.link_stamp(Path::new(REFRESH)).unwrap().modified);
            assert!(age.expect("not ahead") <= HEARTBEAT + Duration::from_millis(500));
        }
        lock.release().unwrap();
    });
}

#[test]
fn a_lock_of_somebody_alive_is_waited_for_and_then_left_to_its_holder() {
    with_disk(|disk| async move {
        let holder = locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap();
        let began = Instant::now();
        let error = locks(&disk).refresh_lock(&key(), seconds(10)).await.err().unwrap();
        assert!(matches!(&error, LockError::Held { age: Some(age), .. } if *age <= seconds(6)), "{error}");
        assert_eq!(began.elapsed(), seconds(10));
        holder.still_ours().unwrap();
    });
}

#[test]
fn a_lock_that_is_released_is_taken_within_milliseconds() {
    with_disk(|disk| async move {
        let holder = locks(&disk).storage_lock(seconds(0)).await.unwrap();
        let waiter = locks(&disk);
        let waiting = tokio::task::spawn_local(async move {
            drop(waiter.storage_lock(seconds(10)).await.unwrap());
            Instant::now()
        });
        tokio::time::sleep(Duration::from_millis(3)).await;
        let released = Instant::now();
        holder.release().unwrap();
        assert!(waiting.await.unwrap() - released <= Duration::from_millis(10));
    });
}

#[test]
fn an_old_lock_is_stolen_only_after_twelve_seconds_without_a_sign_of_life() {
    for (path, age) in [(REFRESH, 61), (STORAGE, 16)] {
        with_disk(move |disk| async move {
            foreign_lock(&disk, path, seconds(age));
            let locks = locks(&disk);
            let began = Instant::now();
            if path == REFRESH {
                locks.refresh_lock(&key(), seconds(0)).await.unwrap().release().unwrap();
            } else {
                locks.storage_lock(seconds(0)).await.unwrap().release().unwrap();
            }
            assert_eq!(began.elapsed(), OBSERVATION);
            assert!(disk.names_in(FOLDER).is_empty());
        });
    }
}

#[test]
fn a_lock_that_is_not_old_is_never_stolen() {
    for (path, age) in [(REFRESH, 46), (STORAGE, 1)] {
        with_disk(move |disk| async move {
            foreign_lock(&disk, path, seconds(age));
            let locks = locks(&disk);
            let error = if path == REFRESH {
                locks.refresh_lock(&key(), seconds(13)).await.err()
            } else {
                locks.storage_lock(seconds(13)).await.err()
            };
            assert!(matches!(error, Some(LockError::Held { .. })));
            assert!(disk.exists(path));
        });
    }
}

#[test]
fn a_lock_dated_in_the_future_is_stolen_like_an_old_one() {
    with_disk(|disk| async move {
        disk.put_folder(REFRESH);
        disk.date(REFRESH, disk.now() + seconds(1_000_000));
        let began = Instant::now();
        drop(locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap());
        assert_eq!(began.elapsed(), OBSERVATION);
    });
}

#[test]
fn a_live_lock_that_looks_old_after_a_suspend_is_left_to_its_holder() {
    with_disk(|disk| async move {
        let holder = locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap();
        for step in [seconds(3600), seconds(0)] {
            disk.step_clock_forward(step);
            disk.step_clock_backward(seconds(7200) - 2 * step);
            let error = locks(&disk).refresh_lock(&key(), seconds(1)).await.err().unwrap();
            assert!(matches!(error, LockError::Held { .. }), "{error}");
            holder.still_ours().unwrap();
        }
    });
}

#[test]
fn what_was_seen_of_a_lock_is_remembered_across_calls() {
    with_disk(|disk| async move {
        foreign_lock(&disk, REFRESH, seconds(50));
        let locks = locks(&disk);
        assert!(locks.refresh_lock(&key(), seconds(0)).await.is_err());
        tokio::time::advance(seconds(20)).await;
        let began = Instant::now();
        drop(locks.refresh_lock(&key(), seconds(0)).await.unwrap());
        assert_eq!(began.elapsed(), seconds(0));
    });
}

#[test]
fn a_stale_lock_with_something_in_it_is_stolen_too() {
    with_disk(|disk| async move {
        disk.put(format!("{REFRESH}/rest"), "x");
        disk.date(REFRESH, disk.now() - seconds(100));
        drop(locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap());
        assert!(disk.names_in(FOLDER).is_empty());
    });
}

#[test]
fn a_lock_that_came_alive_in_the_moment_of_the_theft_is_put_back() {
    with_disk(|disk| async move {
        foreign_lock(&disk, REFRESH, seconds(100));
        let thief = disk.process();
        let world = disk.clone();
        let mut waited = false;
        thief.on_call(move |call| {
            if call.operation == Operation::RenameExclusive && !std::mem::replace(&mut waited, true) {
                // The dead holder's lock goes, and somebody alive makes theirs.
                world.take_away(REFRESH);
                world.put_folder(REFRESH);
            }
            None
        });
        let error = Locks::new(thief, FOLDER).refresh_lock(&key(), seconds(1)).await.err().unwrap();
        assert!(matches!(error, LockError::Held { .. }));
        assert_eq!(disk.names_in(FOLDER), ["mcp-refresh-lab_00.lock.lock"]);
    });
}

#[test]
fn of_two_thieves_one_gets_the_lock() {
    with_disk(|disk| async move {
        disk.reuse_inodes();
        foreign_lock(&disk, REFRESH, seconds(100));
        let takers: Vec<_> = (0..5)
            .map(|_| {
                let locks = locks(&disk);
                tokio::task::spawn_local(async move { locks.refresh_lock(&key(), seconds(20)).await })
            })
            .collect();
        let mut held = Vec::new();
        for taker in takers {
            held.extend(taker.await.unwrap());
        }
        assert_eq!(held.len(), 1);
        held[0].still_ours().unwrap();
    });
}

#[test]
fn a_guard_whose_lock_was_taken_over_knows_it_and_leaves_the_new_one_alone() {
    with_disk(|disk| async move {
        disk.reuse_inodes();
        let lock = locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap();
        let before = disk.link_stamp(Path::new(REFRESH)).unwrap();
        tokio::time::advance(seconds(1)).await;
        disk.take_away(REFRESH);
        disk.put_folder(REFRESH);
        // The same number: only the moment of its making tells the new one from the old.
        assert_eq!(disk.link_stamp(Path::new(REFRESH)).unwrap().inode, before.inode);
        assert!(matches!(lock.still_ours(), Err(LockLost::TakenOver { .. })));
        let dated = disk.link_stamp(Path::new(REFRESH)).unwrap().modified;
        tokio::time::sleep(seconds(20)).await;
        assert_eq!(disk.link_stamp(Path::new(REFRESH)).unwrap().modified, dated);
        assert!(matches!(lock.release(), Err(LockLost::TakenOver { .. })));
        assert!(disk.exists(REFRESH));
    });
}

#[test]
fn a_guard_whose_lock_is_gone_knows_it() {
    with_disk(|disk| async move {
        let lock = locks(&disk).storage_lock(seconds(0)).await.unwrap();
        disk.take_away(STORAGE);
        assert!(matches!(lock.still_ours(), Err(LockLost::Gone { .. })));
        assert!(matches!(lock.release(), Err(LockLost::Gone { .. })));
    });
}

#[test]
fn a_killed_holder_leaves_its_lock_and_dates_it_no_more() {
    with_disk(|disk| async move {
        let process = disk.process();
        let lock = Locks::new(process.clone(), FOLDER).refresh_lock(&key(), seconds(0)).await.unwrap();
        process.kill();
        drop(lock);
        assert!(disk.exists(REFRESH));
        let began = Instant::now();
        drop(locks(&disk).refresh_lock(&key(), seconds(70)).await.unwrap());
        assert!(began.elapsed() >= seconds(60) && began.elapsed() < seconds(73), "{:?}", began.elapsed());
    });
}

#[test]
fn a_file_in_a_locks_place_is_refused_with_its_cure() {
    with_disk(|disk| async move {
        disk.put(REFRESH, "");
        disk.put_link(STORAGE, "/elsewhere");
        let locks = locks(&disk);
        for error in [
            locks.refresh_lock(&key(), seconds(10)).await.err().unwrap(),
            locks.storage_lock(seconds(10)).await.err().unwrap(),
        ] {
            assert!(matches!(error, LockError::IsFile { .. }));
            assert!(error.to_string().contains("`mcp-refreshd doctor --fix` removes it"), "{error}");
        }
        let sightings = locks.survey().unwrap();
        assert_eq!(sightings.len(), 2);
        for sighting in &sightings {
            assert!(sighting.is_file);
            assert!(locks.remove_file_in_place_of(sighting).unwrap());
            assert!(!locks.remove_file_in_place_of(sighting).unwrap());
        }
        drop(locks.refresh_lock(&key(), seconds(0)).await.unwrap());
    });
}

#[test]
fn where_no_lock_can_be_made_the_error_says_why_at_once() {
    with_disk(|disk| async move {
        let missing = Locks::new(disk.process(), "/home/u/missing");
        let error = missing.storage_lock(seconds(10)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Absent);
        disk.set_read_only(true);
        let error = locks(&disk).storage_lock(seconds(10)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NeedsPerson);
    });
}

#[test]
fn a_survey_shows_each_lock_and_changes_nothing() {
    with_disk(|disk| async move {
        foreign_lock(&disk, REFRESH, seconds(7));
        disk.put_folder(STORAGE);
        disk.date(STORAGE, disk.now() + seconds(9));
        disk.put_folder(format!("{FOLDER}/.oauth_refresh.lock"));
        let locks = locks(&disk);
        let [storage, refresh] = &locks.survey().unwrap()[..] else { panic!("two locks") };
        assert_eq!((storage.kind, storage.dated_ahead, storage.is_file), (LockKind::Storage, true, false));
        assert_eq!((refresh.kind, refresh.dated_ahead, refresh.age), (LockKind::Refresh, false, seconds(7)));
        assert_eq!(disk.names_in(FOLDER).len(), 3);
        assert!(Locks::new(disk.process(), "/missing").survey().unwrap().is_empty());
    });
}

#[test]
fn a_wait_that_is_given_up_leaves_nothing_behind() {
    with_disk(|disk| async move {
        let holder = locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap();
        let waiter = locks(&disk);
        let key = key();
        let wait = waiter.refresh_lock(&key, seconds(60));
        assert!(tokio::time::timeout(seconds(2), wait).await.is_err());
        holder.release().unwrap();
        tokio::time::sleep(seconds(2)).await;
        assert!(disk.names_in(FOLDER).is_empty());
    });
}

#[test]
fn two_processes_that_contend_for_the_storage_lock_never_hold_it_together() {
    with_disk(|disk| async move {
        let inside = Rc::new(std::cell::Cell::new(0_u32));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (locks, inside) = (locks(&disk), Rc::clone(&inside));
                tokio::task::spawn_local(async move {
                    for _ in 0..50 {
                        let lock = locks.storage_lock(seconds(60)).await.unwrap();
                        assert_eq!(inside.replace(1), 0);
                        tokio::time::sleep(Duration::from_millis(2)).await;
                        inside.set(0);
                        lock.release().unwrap();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

#[test]
fn on_real_files_locks_are_taken_dated_checked_stolen_and_released() {
    let folder = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let locks = Locks::new(OsFileSystem, folder.path());
        let path = folder.path().join(key().lock_name());
        // Real files, and only the waiting in virtual time.
        std::fs::create_dir(&path).unwrap();
        std::fs::File::open(&path).unwrap().set_modified(SystemTime::now() - seconds(100)).unwrap();
        let lock = locks.refresh_lock(&key(), seconds(0)).await.unwrap();
        lock.still_ours().unwrap();
        std::fs::File::open(&path).unwrap().set_modified(SystemTime::now() - seconds(30)).unwrap();
        tokio::time::sleep(seconds(6)).await;
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let age = SystemTime::now().duration_since(modified).expect("not ahead");
        assert!(age < seconds(5), "{age:?}");
        assert!(locks.refresh_lock(&key(), seconds(1)).await.is_err());
        std::fs::rename(&path, folder.path().join("aside")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(lock.release(), Err(LockLost::TakenOver { .. })));
        assert!(path.exists());
    });
}

#[test]
fn on_real_files_holders_with_nothing_in_common_but_the_folder_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let counter = folder.path().join("counter");
    std::fs::write(&counter, "0").unwrap();
    // Each thread has its own runtime and its own memory of locks, as a process has.
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let locks = Locks::new(OsFileSystem, folder.path());
            for _ in 0..25 {
                let lock = locks.storage_lock(seconds(30)).await.unwrap();
                let count: u32 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                std::thread::yield_now();
                std::fs::write(&counter, (count + 1).to_string()).unwrap();
                lock.release().unwrap();
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(work);
        }
    });
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "75");
}
