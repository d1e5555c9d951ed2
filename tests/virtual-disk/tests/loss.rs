//! What survives a power cut, a kill and a fault.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets anything unexpected should end"
)]

use claude_store::FileSystem;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::Duration;
use virtual_disk::{Operation, PowerCut, VirtualDisk};

const OLD: &str = "/d/file";

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

/// Replaces the file's content by a rename, syncing what the test wants to be synced.
async fn replace(disk: &VirtualDisk, sync_content: bool, sync_name: bool) {
    let file = disk.create_file(Path::new("/d/new"), 0o600).unwrap();
    disk.append(&file, b"new").unwrap();
    if sync_content {
        disk.sync(&file).await.unwrap();
    }
    disk.rename(Path::new("/d/new"), Path::new(OLD)).unwrap();
    if sync_name {
        disk.sync_folder(Path::new("/d")).await.unwrap();
    }
}

#[test]
fn only_what_was_synced_is_certain_to_survive_a_power_cut() {
    run(async {
        for (content, name, lost, found) in [
            (true, true, PowerCut::LoseAll, "new"),
            (true, false, PowerCut::LoseAll, "old"),
            (true, false, PowerCut::LoseNames, "old"),
            (true, false, PowerCut::LoseContents, "new"),
            (false, false, PowerCut::LoseContents, ""),
            (false, true, PowerCut::LoseAll, ""),
            (false, false, PowerCut::LoseNothing, "new"),
        ] {
            let disk = VirtualDisk::new();
            disk.put(OLD, "old");
            replace(&disk, content, name).await;
            let after = disk.power_cut(lost);
            assert_eq!(after.text(OLD).unwrap(), found, "{content} {name} {lost:?}");
            assert_eq!(disk.text(OLD).unwrap(), "new");
            // The disk after it works like any other.
            replace(&after, true, true).await;
            assert_eq!(after.power_cut(PowerCut::LoseAll).text(OLD).unwrap(), "new");
        }
    });
}

#[test]
fn a_removal_that_was_not_synced_comes_back() {
    run(async {
        let disk = VirtualDisk::new();
        disk.put(OLD, "old");
        disk.remove_file(Path::new(OLD)).unwrap();
        assert_eq!(disk.power_cut(PowerCut::LoseAll).text(OLD).as_deref(), Some("old"));
        disk.sync_folder(Path::new("/d")).await.unwrap();
        assert_eq!(disk.power_cut(PowerCut::LoseAll).text(OLD), None);
    });
}

#[test]
fn what_is_written_during_a_sync_is_not_part_of_it() {
    run(async {
        let disk = VirtualDisk::new();
        disk.put(OLD, "old");
        disk.set_sync_time(Duration::from_secs(3));
        let file = disk.open_to_append(Path::new(OLD)).unwrap();
        disk.append(&file, b"+1").unwrap();
        let began = tokio::time::Instant::now();
        let sync = disk.sync(&file);
        disk.append(&file, b"+2").unwrap();
        assert_eq!(disk.power_cut(PowerCut::LoseAll).text(OLD).unwrap(), "old");
        sync.await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(3));
        assert_eq!(disk.power_cut(PowerCut::LoseAll).text(OLD).unwrap(), "old+1");
        assert_eq!(disk.text(OLD).unwrap(), "old+1+2");
    });
}

#[test]
fn a_killed_process_has_no_effect_any_more_and_the_others_go_on() {
    run(async {
        let disk = VirtualDisk::new();
        disk.put(OLD, "old");
        let victim = disk.process();
        let file = victim.open_to_append(Path::new(OLD)).unwrap();
        victim.kill();
        assert!(victim.append(&file, b"x").is_err());
        assert!(victim.remove_file(Path::new(OLD)).is_err());
        assert!(victim.clone().create_folder(Path::new("/d/x"), 0o700).is_err());
        drop(file);
        disk.create_folder(Path::new("/d/x"), 0o700).unwrap();
        assert_eq!(disk.text(OLD).unwrap(), "old");
    });
}

#[test]
fn a_hook_sees_each_call_and_what_it_refuses_has_no_effect() {
    let disk = VirtualDisk::new();
    disk.put(OLD, "old");
    disk.on_call(|call| {
        let refused = call.operation == Operation::Rename && call.to.as_deref() == Some(Path::new("/d/no"));
        refused.then(|| io::ErrorKind::StorageFull.into())
    });
    let error = disk.rename(Path::new(OLD), Path::new("/d/no")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    disk.rename(Path::new(OLD), Path::new("/d/yes")).unwrap();
    let seen: Vec<_> = disk.calls().into_iter().map(|call| (call.operation, call.to.unwrap())).collect();
    assert_eq!(seen, [(Operation::Rename, "/d/no".into()), (Operation::Rename, "/d/yes".into())]);
}

#[test]
fn room_runs_out_and_comes_back() {
    let disk = VirtualDisk::new();
    disk.put_folder("/d");
    disk.set_free(Some(10));
    let file = disk.create_file(Path::new("/d/a"), 0o600).unwrap();
    disk.reserve(&file, 8).unwrap();
    let other = disk.create_file(Path::new("/d/b"), 0o600).unwrap();
    assert_eq!(disk.append(&other, b"123").unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.append(&file, b"12345678").unwrap();
    assert!(disk.append(&file, b"123").is_err());
    disk.remove_file(Path::new("/d/a")).unwrap();
    assert!(disk.append(&other, b"123").is_err(), "it is open still");
    drop(file);
    disk.append(&other, b"1234567890").unwrap();
}

#[test]
fn the_clock_runs_with_the_runtime_and_is_stepped_by_tests() {
    run(async {
        let disk = VirtualDisk::new();
        let began = disk.now();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(disk.now(), began + Duration::from_secs(5));
        disk.step_clock_forward(Duration::from_secs(100));
        disk.step_clock_backward(Duration::from_secs(7));
        assert_eq!(disk.now(), began + Duration::from_secs(98));
        disk.put_folder("/d");
        disk.touch(Path::new("/d")).unwrap();
        assert_eq!(disk.stamp(Path::new("/d")).unwrap().modified, disk.now());
    });
}
