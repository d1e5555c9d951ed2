//! Two troubles in a row around the swap of the file: a kill or a refused call, and then a power cut.

use crate::world::{Answering, MINUTE, SECOND, World};
use refresh_engine::Mode;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::{Operation, PowerCut};

#[tokio::test(start_paused = true)]
async fn i2_an_answer_that_a_kill_left_in_the_journal_is_durable_before_the_next_life_changes_the_store() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let is = |call: &virtual_disk::Call, operation, path: &str| {
        call.operation == operation && call.path.to_string_lossy().ends_with(path)
    };
    // Killed when the answer is in the journal, and before anything made it durable.
    let process = world.disk.process();
    process.on_call({
        let (handle, appended) = (process.clone(), Cell::new(0));
        move |call| {
            appended.set(appended.get() + u32::from(is(call, Operation::Append, "journal")));
            // The header, the intent, the answer.
            if appended.get() == 3 && !is(call, Operation::Append, "journal") {
                handle.kill();
            }
            None
        }
    });
    let life = world.live_as(process.clone(), Mode::Watch).await;
    if let Some(life) = &life {
        life.pass(20 * SECOND).await;
    }
    drop(life);
    assert!(!process.is_alive() && world.server.requests() == 1);

    // The power goes when the next life swaps the new document in.
    let process = world.disk.process();
    let cut = Rc::new(Cell::new(None));
    process.on_call({
        let (cut, handle, whole) = (Rc::clone(&cut), process.clone(), world.disk.clone());
        move |call| {
            let swaps = call.to.as_ref().is_some_and(|to| to.ends_with(".credentials.json"));
            if swaps && handle.is_alive() {
                cut.set(Some(whole.power_cut(PowerCut::LoseAll)));
                handle.kill();
            }
            None
        }
    });
    let life = world.live_as(process, Mode::Watch).await;
    if let Some(life) = &life {
        life.pass(20 * SECOND).await;
    }
    drop(life);

    let World { disk, .. } = world;
    drop(disk);
    let world = World { disk: cut.take().unwrap(), ..world };
    let life = world.live().await;
    life.pass(30 * MINUTE).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "the answer survived");
    assert_eq!(world.server.requests(), 1, "and nothing was presented again");
}

#[tokio::test(start_paused = true)]
async fn i2_a_folder_that_refuses_to_be_synced_once_is_synced_before_the_journal_forgets_the_pair() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let process = world.disk.process();
    let cut = Rc::new(Cell::new(None));
    process.on_call({
        let (cut, handle, whole) = (Rc::clone(&cut), process.clone(), world.disk.clone());
        let (swapped, refused, forgets) = (Cell::new(false), Cell::new(false), Cell::new(0));
        move |call| {
            let swaps = call.to.as_ref().is_some_and(|to| to.ends_with(".credentials.json"));
            swapped.set(swapped.get() || swaps);
            let settles =
                call.operation == Operation::SyncFolder && call.path.to_string_lossy().ends_with(".claude");
            if swapped.get() && settles && !refused.replace(true) {
                return Some(std::io::Error::from_raw_os_error(24)); // EMFILE
            }
            let cuts_back = call.operation == Operation::Truncate && call.path.ends_with("journal");
            forgets.set(forgets.get() + u32::from(swapped.get() && cuts_back));
            // The call after the one that takes the answer out of the journal.
            if forgets.get() > 0 && !cuts_back && handle.is_alive() {
                cut.set(Some(whole.power_cut(PowerCut::LoseNames)));
                handle.kill();
            }
            None
        }
    });
    let life = world.live_as(process.clone(), Mode::Watch).await;
    if let Some(life) = &life {
        life.pass(20 * SECOND).await;
    }
    drop(life);
    assert!(!process.is_alive(), "the power went");
    let World { disk, .. } = world;
    drop(disk);
    let world = World { disk: cut.take().unwrap(), ..world };
    let life = world.live().await;
    life.pass(30 * MINUTE).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "the swap survived");
    assert_eq!(world.server.requests(), 1, "and nothing was presented again");
}

#[tokio::test(start_paused = true)]
async fn i2_a_pair_that_waits_for_others_to_be_written_with_survives_a_power_cut() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", Duration::ZERO)]);
    let names = ["lab", "other"];
    let before = names.map(|name| world.stored_refresh(name));
    world.disk.set_sync_time(Duration::from_millis(1));
    world.server.next([Answering::Properly, Answering::Slowly(Duration::from_millis(40))]);
    let life = world.live().await;
    while before.iter().all(|token| world.server.is_good(token)) {
        life.pass(Duration::from_millis(1)).await;
    }
    life.pass(Duration::from_millis(10)).await;
    assert_eq!(names.map(|name| world.stored_refresh(name)), before, "one waits, and one is on the wire");
    let disk = world.disk.power_cut(PowerCut::LoseAll);
    life.kill();
    let world = World { disk, ..world };
    let life = world.live().await;
    life.pass(30 * MINUTE).await;
    assert!(
        names.iter().all(|name| world.server.is_good(&world.stored_refresh(name))),
        "{:#?}",
        world.log.events()
    );
}
