//! The two lock protocols, in virtual time and on real files.

mod theft;

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
fn a_lock_is_a_folder_that_exists_only_while_it_is_held() {
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
fn a_held_lock_is_touched_every_five_seconds_and_never_dated_ahead() {
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
fn a_live_lock_is_waited_for_and_then_left_to_its_holder() {
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
fn a_file_at_a_locks_path_is_refused_with_a_remedy() {
    with_disk(|disk| async move {
        disk.put(REFRESH, "");
        disk.put_link(STORAGE, "/elsewhere");
        let locks = locks(&disk);
        for error in [
            locks.refresh_lock(&key(), seconds(10)).await.err().unwrap(),
            locks.storage_lock(seconds(10)).await.err().unwrap(),
        ] {
            assert!(matches!(error, LockError::IsFile { .. }));
            assert!(error.to_string().contains("run `mcp-refreshd doctor --fix`"), "{error}");
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
fn a_lock_that_cannot_be_created_fails_at_once_with_the_reason() {
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
fn a_cancelled_wait_leaves_nothing_behind() {
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
fn two_processes_never_hold_the_storage_lock_together() {
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

/// Dates a real folder.
fn date(path: &Path, ago: Duration) {
    let mut options = std::fs::File::options();
    #[cfg(unix)]
    options.read(true);
    // FILE_WRITE_ATTRIBUTES, and FILE_FLAG_BACKUP_SEMANTICS, without which no folder is opened.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(
        std::os::windows::fs::OpenOptionsExt::access_mode(&mut options, 0x0100),
        0x0200_0000,
    );
    options.open(path).unwrap().set_modified(SystemTime::now() - ago).unwrap();
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
        date(&path, seconds(100));
        let lock = locks.refresh_lock(&key(), seconds(0)).await.unwrap();
        lock.still_ours().unwrap();
        date(&path, seconds(30));
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
fn on_real_files_independent_holders_exclude_each_other() {
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
