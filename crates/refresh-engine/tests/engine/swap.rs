//! Two troubles in a row around the swap of the file: a kill or a refused call, and then a power cut.

use crate::healing::refreshed_by_a_client;
use crate::world::{Answering, HOUR, Life, MINUTE, SECOND, World};
use refresh_engine::{Event, Mode};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::{Operation, PowerCut, VirtualDisk};

/// A life that ends at a call to the disk, perhaps before it has begun.
async fn lives_until_it_dies(world: &World, process: VirtualDisk) {
    if let Some(life) = world.live_as(process, Mode::Watch).await {
        life.pass(20 * SECOND).await;
    }
}

/// The next life, on what the power cut left: the pair survived, and its token was presented once.
async fn goes_on(world: World, disk: VirtualDisk) {
    let world = World { disk, ..world };
    let life = world.live().await;
    life.pass(30 * MINUTE).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!(world.server.requests(), 1, "nothing was presented again");
    assert_eq!(life.report().journal_open, 0);
}

#[tokio::test(start_paused = true)]
async fn i2_a_replayed_answer_is_durable_before_the_store_changes() {
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
    lives_until_it_dies(&world, process.clone()).await;
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
    lives_until_it_dies(&world, process).await;

    goes_on(world, cut.take().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn i2_a_failed_folder_sync_is_repeated_before_the_journal_forgets_the_pair() {
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
    lives_until_it_dies(&world, process.clone()).await;
    assert!(!process.is_alive(), "the power went");
    goes_on(world, cut.take().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn i2_a_pair_waiting_for_a_group_commit_survives_a_power_cut() {
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

#[tokio::test(start_paused = true)]
async fn i1_after_a_power_cut_a_token_spent_according_to_the_journal_is_not_presented() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.server.grace.set(10 * SECOND);
    // All of it within the half second after which records are saved.
    world.server.next([Answering::Slowly(Duration::from_millis(1200))]);
    let (before, document) = (world.stored_refresh("lab"), world.text());
    let process = world.disk.process();
    let cut = Rc::new(Cell::new(None));
    process.on_call({
        let (cut, handle, whole, swapped) =
            (Rc::clone(&cut), process.clone(), world.disk.clone(), Cell::new(false));
        move |call| {
            if swapped.get() && handle.is_alive() {
                cut.set(Some(whole.power_cut(PowerCut::LoseAll)));
                handle.kill();
            }
            swapped.set(call.to.as_ref().is_some_and(|to| to.ends_with(".credentials.json")));
            None
        }
    });
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(SECOND).await;
    // Two pairs for one token: the client's is in the store, ours in the journal, and the agent settles which one counts.
    let (access, refresh) = world.server.refresh_as_client(&before).unwrap();
    let entry = world.entry_with("lab", &access, &refresh, HOUR);
    world.put_members(&[format!("{:?}:{entry}", crate::world::key("lab"))]);
    life.notice().await;
    life.pass(20 * SECOND).await;
    drop(life);
    // The power goes right after the swap, and takes what the client wrote and nobody synced, too.
    let world = World { disk: cut.take().unwrap(), ..world };
    world.put_text(document);
    let life = world.live().await;
    life.pass(30 * MINUTE).await;
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
    assert_eq!((world.server.reuses.get(), life.report().journal_open), (0, 0));
}

/// Once the new document is in place, its name does not become durable for so long; and the record neither, where it says so.
fn refuse_what_follows_the_swap(process: &VirtualDisk, records_too: bool, until: Duration) {
    let (swapped, began) = (Cell::new(false), tokio::time::Instant::now());
    process.on_call(move |call| {
        let swaps = call.to.as_ref().is_some_and(|to| to.ends_with(".credentials.json"));
        swapped.set(swapped.get() || swaps);
        let syncs_the_store =
            call.operation == Operation::SyncFolder && call.path.to_string_lossy().ends_with(".claude");
        let records = records_too && call.path.to_string_lossy().contains("records.jsonl");
        let refused = swapped.get() && (syncs_the_store || records) && began.elapsed() < until;
        refused.then(|| std::io::Error::from_raw_os_error(5)) // EIO
    });
}

#[tokio::test(start_paused = true)]
async fn i1_the_journal_keeps_what_is_not_durable_elsewhere() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let before = world.stored_refresh("lab");
    let process = world.disk.process();
    refuse_what_follows_the_swap(&process, true, MINUTE);
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(30 * SECOND).await;
    assert_ne!(world.stored_refresh("lab"), before, "the new pair is there for everybody");
    assert_eq!(life.report().journal_open, 1, "and in the journal");
    let disk = world.disk.power_cut(PowerCut::LoseNames);
    life.kill();
    let world = World { disk: disk.clone(), ..world };
    assert_eq!(world.stored_refresh("lab"), before, "the power cut brings the spent token back");
    goes_on(world, disk).await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_closed_once_the_disk_recovers() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let process = world.disk.process();
    refuse_what_follows_the_swap(&process, false, MINUTE);
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(50 * SECOND).await;
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 1));
    let told = world.log.count(|event| matches!(event, Event::StateTrouble { .. }));
    assert_eq!(told, 1, "however often it is tried");
    life.pass(MINUTE).await;
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
    let disk = world.disk.power_cut(PowerCut::LoseNames);
    let world = World { disk, ..world };
    assert!(world.server.is_good(&world.stored_refresh("lab")), "the swap is durable by now");
}

#[tokio::test(start_paused = true)]
async fn i1_a_token_spent_while_the_intent_was_saved_is_not_presented() {
    let world = Rc::new(World::with_entries(&[("lab", Duration::ZERO)]));
    let process = world.disk.process();
    process.on_call({
        let (world, refreshed, intended) = (Rc::clone(&world), Cell::new(false), Cell::new(0));
        move |call| {
            let journal = call.path.ends_with("journal");
            intended.set(intended.get() + u32::from(journal && call.operation == Operation::Append));
            // The header, and the intent that is about to become durable.
            if intended.get() == 2 && journal && call.operation == Operation::Sync && !refreshed.replace(true)
            {
                let (access, refresh) = world.server.refresh_as_client(&world.stored_refresh("lab")).unwrap();
                let entry = world.entry_with("lab", &access, &refresh, HOUR);
                world.put_members(&[format!("{:?}:{entry}", crate::world::key("lab"))]);
            }
            None
        }
    });
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(MINUTE).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (0, 0), "{:#?}", world.log.events());
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    assert_eq!(life.report().journal_open, 0);
}

/// A client gets a pair for the same token just before our request arrives, within the server's grace, and stores it.
async fn contested(world: &World, answering: Answering, at: Duration) -> Life {
    world.server.grace.set(10 * SECOND);
    world.server.next([answering]);
    let life = world.live().await;
    life.pass(at).await;
    refreshed_by_a_client(world, HOUR);
    life.keeper.store_changed();
    life
}

#[tokio::test(start_paused = true)]
async fn a_clients_winning_pair_is_healed_if_an_old_document_overwrites_it_before_the_next_scan() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let old = world.text();
    let life = contested(&world, Answering::Slowly(SECOND), SECOND).await;
    life.pass(Duration::from_millis(200)).await;
    let superseded = |event: &Event| matches!(event, Event::Ended { .. });
    assert_eq!((world.server.requests(), world.log.count(superseded)), (1, 0), "the burst is not over");
    world.put_text(&old);
    life.notice().await;
    life.pass(5 * SECOND).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (2, 0), "{:#?}", world.log.events());
    assert!(world.server.is_good(&world.stored_refresh("lab")), "{:#?}", world.log.events());
}

#[tokio::test(start_paused = true)]
async fn a_clients_pair_is_settled_at_once_if_our_answer_was_lost_on_the_wire() {
    for answering in [Answering::LostAfterSlowRotation(SECOND), Answering::LostAfterRotation] {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        let life = contested(&world, answering.clone(), SECOND / 2).await;
        life.pass(5 * SECOND).await;
        assert_eq!(
            (world.server.requests(), world.server.reuses.get()),
            (2, 0),
            "{answering:?} {:#?}",
            world.log.events()
        );
        assert!(world.server.is_good(&world.stored_refresh("lab")), "{answering:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clients_pair_is_settled_at_once_if_a_kill_lost_our_answer() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    // So that it is known whose login it is.
    world.server.lifetime.set(MINUTE);
    let life = world.live().await;
    life.pass(SECOND).await;
    assert_eq!(world.server.requests(), 1);
    life.kill();
    world.clock.suspend(HOUR);
    let life = contested(&world, Answering::LostAfterSlowRotation(SECOND), SECOND / 2).await;
    life.pass(Duration::from_millis(700)).await;
    life.kill();
    let life = world.live().await;
    life.pass(5 * SECOND).await;
    assert_eq!((world.server.requests(), world.server.reuses.get()), (3, 0), "{:#?}", world.log.events());
    assert!(world.server.is_good(&world.stored_refresh("lab")));
}

#[tokio::test(start_paused = true)]
async fn a_clients_pair_is_settled_at_once_if_a_kill_followed_our_answer() {
    for later in 0..20 {
        let world = World::with_entries(&[("lab", Duration::ZERO)]);
        world.server.lifetime.set(MINUTE);
        let life = world.live().await;
        life.pass(SECOND).await;
        life.kill();
        world.clock.suspend(HOUR);
        let life = contested(&world, Answering::Slowly(SECOND), SECOND / 2).await;
        life.pass(SECOND / 2 + Duration::from_millis(20) * later).await;
        life.kill();
        let life = world.live().await;
        life.pass(5 * SECOND).await;
        let stored = world.stored_refresh("lab");
        assert!(world.server.is_good(&stored), "killed {later}: {:#?}", world.log.events());
        assert_eq!(world.server.reuses.get(), 0, "killed {later}: {:#?}", world.log.events());
    }
}

#[tokio::test(start_paused = true)]
async fn our_pair_seen_before_it_is_durable_is_not_reported_as_another_programs() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    world.disk.set_sync_time(5 * SECOND);
    let life = world.live().await;
    for _ in 0..60 {
        life.notice().await;
    }
    assert!(world.server.is_good(&world.stored_refresh("lab")));
    let of_others = world.log.count(|event| matches!(event, Event::Adopted { .. }));
    assert_eq!(of_others, 1, "the first look, and no other: {:#?}", world.log.events());
}
