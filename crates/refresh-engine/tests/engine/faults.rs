//! Each call to the disk fails in each way that disks have, once or for a minute; afterwards the grant lives, and its refresh token was
//! presented once.

use crate::world::{HOUR, MINUTE, World};
use refresh_engine::{Mode, State};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// ENOSPC, EIO, EROFS, EACCES, EBUSY, EMFILE: their numbers are the same on Linux and macOS.
const ERRORS: [(&str, i32); 6] =
    [("ENOSPC", 28), ("EIO", 5), ("EROFS", 30), ("EACCES", 13), ("EBUSY", 16), ("EMFILE", 24)];

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Once,
    ForAMinute,
}

/// Lets the `point`-th call of a life fail. Returns false when the life had no such call any more.
async fn survives(point: u64, (name, error): (&str, i32), trouble: Trouble) -> bool {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    world.disk.set_sync_time(Duration::from_millis(5));
    let before = world.stored_refresh("lab");
    let process = world.disk.process();
    let calls = Rc::new(Cell::new(0));
    let began = tokio::time::Instant::now();
    process.on_call({
        let (calls, until) = (Rc::clone(&calls), Cell::new(None));
        move |_| {
            calls.set(calls.get() + 1);
            let now = tokio::time::Instant::now();
            if calls.get() == point {
                until.set(Some(now + MINUTE));
            }
            let fails = match trouble {
                Trouble::Once => calls.get() == point,
                Trouble::ForAMinute => until.get().is_some_and(|until| now < until),
            };
            fails.then(|| io::Error::from_raw_os_error(error))
        }
    });
    // An agent that cannot start says why and is started again by its service manager.
    let life = match world.live_as(process.clone(), Mode::Watch).await {
        Some(life) => life,
        None => world.live().await,
    };
    life.pass(30 * MINUTE).await;
    let reached = calls.get() >= point;
    let stored = world.stored_refresh("lab");
    let context = format!(
        "{name} {trouble:?} at call {point}, {} requests, {:?}: {:#?}",
        world.server.requests(),
        began.elapsed(),
        world.log.events()
    );
    assert_ne!(stored, before, "refreshed in the end: {context}");
    assert!(world.server.is_good(&stored), "the grant lives: {context}");
    assert_eq!(world.server.requests(), 1, "{context}");
    assert_eq!(life.entry("lab").state, State::Fresh, "{context}");
    assert!(life.entry("lab").unsaved.is_none(), "{context}");
    assert_eq!(life.report().journal_open, 0, "{context}");
    assert!(world.text().contains("1e400") && world.text().ends_with(r#""later":[1.10,{}]}"#), "{context}");
    let left = |world: &World| {
        let mut names = world.disk.names_in("/home/u/.claude");
        names.retain(|name| name != ".credentials.json");
        names
    };
    match trouble {
        Trouble::Once => assert!(left(&world).is_empty(), "left behind: {:?}, {context}", left(&world)),
        // What could not be removed is removed by the next start, and a lock by whoever wants it.
        Trouble::ForAMinute => {
            drop(life);
            let life = world.live().await;
            life.pass(2 * HOUR).await;
            assert!(left(&world).is_empty(), "left behind: {:?}, {context}", left(&world));
        }
    }
    reached
}

async fn at_every_call(trouble: Trouble) -> u64 {
    let mut faults = 0;
    for error in ERRORS {
        let mut point = 1;
        while survives(point, error, trouble).await {
            point += 1;
        }
        faults += point - 1;
    }
    faults
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_once_loses_no_grant() {
    let faults = at_every_call(Trouble::Once).await;
    println!("{faults} faults of one call, no grant lost");
    assert!(faults > 200, "{faults}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_for_a_minute_loses_no_grant() {
    let faults = at_every_call(Trouble::ForAMinute).await;
    println!("{faults} faults of a minute, no grant lost");
    assert!(faults > 200, "{faults}");
}
