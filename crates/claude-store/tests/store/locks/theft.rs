//! Stale locks: which are stolen, and what their holders notice.

use super::*;

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
fn a_configurations_lock_that_a_killed_client_left_a_moment_ago_is_waited_for_and_stolen() {
    for age in [0, 4, 9, 11] {
        with_disk(move |disk| async move {
            let config = Path::new("/home/u/.claude.json");
            foreign_lock(&disk, "/home/u/.claude.json.lock", seconds(age));
            let locks = Locks::new(disk.process(), "/home/u");
            let began = Instant::now();
            drop(locks.config_lock(config, seconds(0)).await.unwrap());
            assert_eq!(began.elapsed(), OBSERVATION, "{age}");
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
fn a_live_lock_that_looks_old_after_a_suspend_is_not_stolen() {
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
fn observations_of_a_lock_persist_across_calls() {
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
fn a_stale_lock_that_is_not_empty_is_stolen_too() {
    with_disk(|disk| async move {
        disk.put(format!("{REFRESH}/rest"), "x");
        disk.date(REFRESH, disk.now() - seconds(100));
        drop(locks(&disk).refresh_lock(&key(), seconds(0)).await.unwrap());
        assert!(disk.names_in(FOLDER).is_empty());
    });
}

#[test]
fn a_lock_that_comes_alive_during_the_theft_is_put_back() {
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
fn only_one_of_two_thieves_gets_the_lock() {
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
fn a_guard_notices_a_takeover_and_leaves_the_new_lock_alone() {
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
fn a_guard_notices_that_its_lock_is_gone() {
    with_disk(|disk| async move {
        let lock = locks(&disk).storage_lock(seconds(0)).await.unwrap();
        disk.take_away(STORAGE);
        assert!(matches!(lock.still_ours(), Err(LockLost::Gone { .. })));
        assert!(matches!(lock.release(), Err(LockLost::Gone { .. })));
    });
}

#[test]
fn a_storage_lock_that_was_recorded_need_not_become_stale() {
    with_disk(|disk| async move {
        let process = disk.process();
        let lock = Locks::new(process.clone(), FOLDER).storage_lock(seconds(0)).await.unwrap();
        let left = lock.if_left();
        process.kill();
        drop(lock);
        let recorded = serde_json::to_string(&left).unwrap();
        let locks = locks(&disk);
        assert!(locks.remove_left_over_storage_lock(serde_json::from_str(&recorded).unwrap()).unwrap());
        assert!(disk.names_in(FOLDER).is_empty());
        assert!(!locks.remove_left_over_storage_lock(left).unwrap(), "there is none any more");
    });
}

#[test]
fn a_storage_lock_that_only_has_the_recorded_ones_number_is_left_alone() {
    for knows_birth in [true, false] {
        with_disk(move |disk| async move {
            disk.reuse_inodes();
            if !knows_birth {
                disk.forget_births();
            }
            let lock = locks(&disk).storage_lock(seconds(0)).await.unwrap();
            let left = lock.if_left();
            let before = disk.link_stamp(Path::new(STORAGE)).unwrap();
            lock.release().unwrap();
            tokio::time::advance(Duration::from_millis(3)).await;
            let theirs = locks(&disk).storage_lock(seconds(0)).await.unwrap();
            assert_eq!(disk.link_stamp(Path::new(STORAGE)).unwrap().inode, before.inode);
            assert!(!locks(&disk).remove_left_over_storage_lock(left).unwrap());
            theirs.release().unwrap();
        });
    }
}

#[test]
fn a_killed_holder_leaves_its_lock_without_a_heartbeat() {
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
