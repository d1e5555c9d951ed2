//! What only a file does: it is swapped by a rename, and nothing has to ask whether it changed.

use crate::healing::refreshed_by_a_client;
use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, STATE, STORE, World, key};
use refresh_engine::{Event, Hindrance, Mode, State};
use std::io;
use std::path::Path;
use std::time::Duration;
use virtual_disk::{Call, Operation};

#[tokio::test(start_paused = true)]
async fn i2_the_answer_is_durable_in_the_journal_before_the_store_changes() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let calls = life.disk.calls();
    let at = |operation, path: &Path, after: usize| {
        let found = calls.iter().skip(after).position(|call| {
            call.operation == operation && (call.path == path || call.to.as_deref() == Some(path))
        });
        after
            + found
                .unwrap_or_else(|| panic!("no {operation:?} of {} after {after}: {calls:#?}", path.display()))
    };
    let journal = Path::new(STATE).join("journal");
    let intent = at(Operation::Sync, &journal, 0);
    let answer = at(Operation::Append, &journal, intent);
    let durable = at(Operation::Sync, &journal, answer);
    let visible = at(Operation::Rename, Path::new(STORE), 0);
    assert!(intent < answer && answer < durable && durable < visible);
}

/// How many files were made beside the document.
fn made_files(life: &Life) -> usize {
    let made = |call: &&Call| {
        call.operation == Operation::CreateFile && call.path.parent() == Path::new(STORE).parent()
    };
    life.disk.calls().iter().filter(made).count()
}

#[tokio::test(start_paused = true)]
async fn one_refresh_makes_one_file() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert_eq!(made_files(&life), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_leaves_room_for_the_answers_that_are_still_to_come() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", Duration::ZERO)]);
    world.server.next([Answering::Properly, Answering::Slowly(2 * SECOND)]);
    let life = world.live().await;
    life.pass(SECOND).await;
    let fresh = life.report().entries.iter().filter(|entry| entry.state == State::Fresh).count();
    assert_eq!((fresh, made_files(&life)), (1, 2));
    world.disk.set_free(Some(0));
    life.pass(2 * SECOND).await;
    let fresh = |name: &str| life.entry(name).state == State::Fresh;
    assert!(fresh("lab") && fresh("other"));
    assert_eq!(world.log.count(|event| matches!(event, Event::Unsaved { .. })), 0);
    assert_eq!(made_files(&life), 2);
}

/// Whether a message names a path in the home folder, whatever separates its parts on this system.
fn is_below_home(why: &str) -> bool {
    why.replace('\\', "/").contains("/home/u/")
}

#[tokio::test(start_paused = true)]
async fn an_unwritable_store_is_detected_before_the_request() {
    for (what, break_it) in [
        ("read-only", (|world: &World| world.disk.set_read_only(true)) as fn(&World)),
        ("full", |world: &World| world.disk.set_free(Some(100))),
        ("mount point", |world: &World| {
            world.disk.set_obstacle(STORE, Some(claude_store::Obstacle::MountPoint));
        }),
    ] {
        let world = World::with_entries(&[("lab", HOUR)]);
        let life = world.live().await;
        life.pass(SECOND).await;
        break_it(&world);
        life.pass(70 * MINUTE).await;
        assert_eq!(world.server.requests(), 0, "{what}");
        let told = world.log.events().iter().any(|event| match event {
            Event::NotSavable { why } => is_below_home(why),
            Event::NotLockable { why } => is_below_home(why),
            _ => false,
        });
        assert!(told, "{what}: {:#?}", world.log.events());
        // It stands for as long as it was met, not only since the last try.
        let Some(obstacle) = life.entry("lab").obstacle else { panic!("{what}") };
        let (Hindrance::NotSavable(why) | Hindrance::NotLockable(why)) = &obstacle.what else {
            panic!("{what}: {obstacle:?}")
        };
        assert!(is_below_home(why) && !why.contains(".lock"), "{what}: {why}");
        // 60 minutes of life were left, and a margin of 15.
        let (since, now) = (obstacle.since, life.report().entries[0].expires_at.unwrap());
        assert!(since < now, "{what}: {obstacle:?}");
        assert_eq!(life.entry("lab").state, State::Expired);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_whose_write_fails_is_kept_until_the_store_is_writable() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let process = world.disk.process();
    process.on_call(|call| {
        let over_store = call.operation == Operation::Rename && call.to.as_deref() == Some(Path::new(STORE));
        over_store.then(|| io::Error::from(io::ErrorKind::ResourceBusy))
    });
    let life = world.live_as(process.clone(), refresh_engine::Mode::Watch).await.unwrap();
    life.pass(HOUR / 2).await;
    assert_eq!(world.server.requests(), 1, "obtained once");
    assert_eq!(life.report().journal_open, 1);
    assert!(life.entry("lab").unsaved.is_some());
    // Not even a kill loses it.
    life.kill();
    let life = world.live().await;
    life.pass(2 * MINUTE).await;
    assert_eq!(world.server.requests(), 1);
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(life.report().journal_open, 0);
    assert!(life.entry("lab").unsaved.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_100_refreshes_costs_a_few_writes() {
    let names: Vec<String> = (0..100).map(|n| format!("server{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Duration::ZERO)).collect();
    let world = World::with_entries(&entries);
    world.disk.set_sync_time(Duration::from_millis(5));
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert_eq!(world.server.requests(), 100);
    assert!(life.report().entries.iter().all(|entry| entry.state == State::Fresh));
    let writes = life
        .disk
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Rename && call.to.as_deref() == Some(Path::new(STORE)))
        .count();
    assert!(writes <= 16, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn no_wake_up_happens_between_due_times() {
    let world = World::with_entries(&[("lab", 10 * HOUR), ("other", 9 * HOUR)]);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    life.disk.forget_calls();
    life.pass(6 * HOUR).await;
    assert_eq!(life.disk.calls(), [], "nothing is looked at before something is due");
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn i3_no_fsync_happens_under_the_storage_lock() {
    let names: Vec<String> = (0..20).map(|n| format!("server{n}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Duration::ZERO)).collect();
    let world = World::with_entries(&entries);
    world.disk.set_sync_time(Duration::from_millis(30));
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    assert_eq!(world.server.requests(), 20);
    let (mut held, mut taken) = (false, 0);
    for call in life.disk.calls() {
        let is_lock = call.path.ends_with(".storage-write.lock");
        match call.operation {
            Operation::CreateFolder if is_lock => (held, taken) = (true, taken + 1),
            Operation::RemoveFolder if is_lock => held = false,
            Operation::Sync | Operation::SyncFolder => assert!(!held, "{call:?} under the storage lock"),
            _ => {}
        }
    }
    assert!(taken > 0);
}

#[tokio::test(start_paused = true)]
async fn a_journalled_pair_wins_over_one_restored_by_a_power_cut() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let old = world.text();
    let process = world.disk.process();
    let life = world.live_as(process.clone(), Mode::Watch).await.unwrap();
    life.pass(SECOND).await;
    // The client's write is never synced; ours after it is under way when the power goes.
    refreshed_by_a_client(&world, HOUR);
    life.notice().await;
    life.pass(2 * SECOND).await;
    let dying = process.clone();
    process.on_call(move |call| {
        if call.operation == Operation::SyncFolder && call.path == Path::new("/home/u/.claude") {
            dying.kill();
        }
        None
    });
    let asked = life.keeper.clone();
    let _ = tokio::time::timeout(5 * SECOND, life.run(asked.refresh(&[], true))).await;
    assert!(!process.is_alive());
    drop(life);
    assert_eq!(world.server.requests(), 1);
    world.put_text(&old);
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!((world.server.requests(), world.server.reuses.get()), (1, 0));
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_lost_update_within_the_same_burst_is_healed() {
    let world = World::with_entries(&[("lab", HOUR)]);
    let old = world.text();
    let life = world.live().await;
    life.pass(SECOND).await;
    // A connect of an old client refreshes two servers at once; the second write does not know of the first.
    life.keeper.store_changed();
    life.pass(Duration::from_millis(20)).await;
    refreshed_by_a_client(&world, HOUR);
    life.keeper.store_changed();
    life.pass(Duration::from_millis(20)).await;
    let good = world.stored_refresh("lab");
    world.put_text(&old);
    life.notice().await;
    life.pass(SECOND).await;
    assert_eq!(world.stored_refresh("lab"), good);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_pairs_of_one_grant_are_settled_within_the_grace_period() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * SECOND);
    world.server.next([Answering::Slowly(3 * SECOND)]);
    let before = world.stored_refresh("lab");
    let life = world.live().await;
    life.pass(SECOND).await;
    // A client without the lock refreshes the same token, and is answered first.
    let (access, refresh) = world.server.refresh_as_client(&before).unwrap();
    let entry = world.entry_with("lab", &access, &refresh, HOUR);
    world.put_members(&[format!("{:?}:{entry}", key("lab"))]);
    life.notice().await;
    life.pass(20 * SECOND).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!((world.server.requests(), world.server.reuses.get()), (2, 0));
    life.pass(24 * HOUR).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!((world.server.reuses.get(), life.report().journal_open), (0, 0));
}
