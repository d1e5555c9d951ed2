//! What only a Keychain does: it is locked, it asks, it hangs, it cuts, and it tells nobody of a change.

use crate::world::{Answering, HOUR, Life, MINUTE, Moment, SECOND, STATE, VirtualKeychain, World, key};
use claude_store::{FileSystem, LargeItems};
use refresh_engine::{Event, Mode, State};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;
use virtual_disk::Operation;

const STORAGE_LOCK: &str = "/home/u/.claude/.storage-write.lock";

fn keychain(world: &World) -> &VirtualKeychain {
    world.keychain.as_ref().unwrap()
}

/// A world whose document has about this many bytes.
fn of_size(bytes: usize) -> World {
    let world = World::new();
    let lab = format!("{:?}:{}", key("lab"), world.entry("lab", Duration::ZERO));
    let filling = bytes.saturating_sub(lab.len() + 120);
    world.put_text(format!(
        r#"{{"claudeAiOauth":{{"accessToken":"sk-{}"}},"mcpOAuth":{{{lab}}}}}"#,
        "x".repeat(filling)
    ));
    world
}

/// A life in the middle of its request for `lab`.
async fn in_the_middle_of_a_request() -> (World, Life) {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    world.server.next([Answering::Slowly(5 * SECOND)]);
    world.server.lifetime.set(10 * HOUR);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    (world, life)
}

fn is_saved(world: &World) -> bool {
    world.server.is_good(&world.stored_refresh("lab")) && world.server.is_good(&world.stored_refresh("other"))
}

#[tokio::test(start_paused = true)]
async fn a_pair_obtained_for_a_locked_keychain_is_written_when_it_unlocks() {
    for killed in [false, true] {
        let (world, mut life) = in_the_middle_of_a_request().await;
        let before = world.text();
        keychain(&world).behave(|keychain| keychain.locked = true);
        life.pass(HOUR / 2).await;
        if killed {
            life.kill();
            life = world.live().await;
        }
        life.pass(HOUR / 2).await;
        assert_eq!(world.text(), before);
        assert_eq!((world.server.requests(), life.report().journal_open), (1, 1));
        assert!(life.report().unreadable.unwrap().contains("locked"), "never taken for empty");
        assert_eq!(world.log.count(|event| matches!(event, Event::Removed)), 0);
        keychain(&world).behave(|keychain| keychain.locked = false);
        life.pass(MINUTE).await;
        assert!(is_saved(&world), "within a minute, killed: {killed}");
        life.pass(5 * MINUTE).await;
        assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
        assert_eq!(life.entry("lab").state, State::Fresh);
    }
}

#[tokio::test(start_paused = true)]
async fn a_locked_keychain_causes_no_requests() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    keychain(&world).behave(|keychain| keychain.locked = true);
    let life = world.live().await;
    life.pass(3 * HOUR).await;
    assert_eq!(world.server.requests(), 0);
    assert_eq!(world.log.count(|event| matches!(event, Event::StoreUnreadable { .. })), 1, "said once");
    keychain(&world).behave(|keychain| keychain.locked = false);
    life.pass(5 * MINUTE + SECOND).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_prompt_is_repeated_a_few_times_an_hour_and_blocks_nothing() {
    let (world, life) = in_the_middle_of_a_request().await;
    keychain(&world).behave(|keychain| keychain.hangs = true);
    life.pass(10 * SECOND).await;
    keychain(&world).forget_calls();
    life.pass(HOUR).await;
    // The loop goes on turning.
    tokio::time::timeout(MINUTE, life.run(life.keeper.ping())).await.unwrap();
    let questions =
        keychain(&world).calls().iter().filter(|call| call.iter().any(|word| word == "-w")).count();
    assert!((3..=10).contains(&questions), "{questions} windows in an hour");
    assert_eq!(life.report().journal_open, 1);
    keychain(&world).behave(|keychain| keychain.hangs = false);
    life.pass(12 * MINUTE).await;
    assert!(is_saved(&world));
    assert_eq!(world.server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_denied_prompt_is_not_repeated_for_an_hour() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    keychain(&world).behave(|keychain| keychain.refuses = Some(128));
    let life = world.live().await;
    life.pass(3 * HOUR + MINUTE).await;
    let questions =
        keychain(&world).calls().iter().filter(|call| call.iter().any(|word| word == "-w")).count();
    assert!(questions <= 4, "{questions}");
    assert!(life.report().unreadable.unwrap().contains("Always Allow"));
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_write_is_detected_by_reading_back_and_repeated() {
    // Once: mended under the same lock. Three times: in the next rounds, and said.
    for damages in [1, 3] {
        let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
        keychain(&world).behave(|keychain| keychain.damages = damages);
        let life = world.live().await;
        life.pass(2 * MINUTE).await;
        assert!(is_saved(&world), "{damages}: {}", world.text());
        assert!(world.text().contains("1e400") && world.text().ends_with(r#""later":[1.10,{}]}"#));
        let told = world.log.count(|event| matches!(event, Event::Unsaved { .. }));
        assert_eq!(told > 0, damages > 1);
        assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_without_effect_is_repeated() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    keychain(&world).behave(|keychain| keychain.swallows = 2);
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!(is_saved(&world));
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_overwrites_ours_without_locking_does_not_win() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    let old = world.text();
    keychain(&world).behave(|keychain| keychain.overwritten_with = Some(old.into_bytes()));
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!(is_saved(&world));
    assert_eq!(world.server.requests(), 1);
    drop(life);
}

#[tokio::test(start_paused = true)]
async fn a_clients_write_during_our_wait_for_its_lock_is_kept() {
    let (world, life) = in_the_middle_of_a_request().await;
    let client = world.disk.process();
    client.create_folder(Path::new(STORAGE_LOCK), 0o755).unwrap();
    life.pass(6 * SECOND).await;
    // Ours is ready and waits. The client logs in anew to the other server.
    let lab = world.text();
    let (access, refresh) = world.server.grant("other");
    let old = world.stored_refresh("other");
    let old_access = world.stored("other", "accessToken");
    world.put_text(lab.replace(&old, &refresh).replace(old_access.as_str().unwrap(), &access));
    client.remove_folder(Path::new(STORAGE_LOCK)).unwrap();
    life.pass(20 * SECOND).await;
    assert!(is_saved(&world));
    assert_eq!(world.stored_refresh("other"), refresh);
}

#[tokio::test(start_paused = true)]
async fn without_the_storage_lock_nothing_is_written() {
    let (world, life) = in_the_middle_of_a_request().await;
    let before = world.text();
    let disk = world.disk.process();
    let written_without = Rc::new(RefCell::new(None));
    keychain(&world).on_call({
        let (written_without, mut taken) = (Rc::clone(&written_without), false);
        move |arguments| {
            let is_write = arguments[0] == "-i" || arguments[0] == "add-generic-password";
            if !disk.exists(STORAGE_LOCK) {
                if is_write {
                    written_without.replace(Some(arguments.to_vec()));
                }
            } else if !taken {
                // Somebody takes it for dead in the middle of the comparison.
                taken = true;
                disk.remove_folder(Path::new(STORAGE_LOCK)).unwrap();
            }
        }
    });
    life.pass(3 * SECOND + Duration::from_millis(500)).await;
    assert_eq!(world.text(), before);
    life.pass(MINUTE).await;
    assert!(is_saved(&world));
    assert_eq!(*written_without.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn no_write_near_the_line_limit_is_truncated() {
    let (mut lines, mut arguments) = (0, 0);
    for size in 2_000..2_160 {
        let world = of_size(size);
        let life = world.live().await;
        life.pass(SECOND).await;
        assert!(is_fresh(&life), "{size}");
        assert_eq!(world.log.count(|event| matches!(event, Event::Unsaved { .. })), 0, "{size}");
        let calls = keychain(&world).calls();
        let in_lines = calls.iter().filter(|call| call[0] == "-i").count();
        let as_arguments = calls.iter().filter(|call| call[0] == "add-generic-password").count();
        assert_eq!(in_lines + as_arguments, 1, "{size}: written once");
        lines += in_lines;
        arguments += as_arguments;
    }
    assert!(lines > 20 && arguments > 20, "{lines} {arguments}");
}

#[tokio::test(start_paused = true)]
async fn an_item_removed_during_the_refresh_is_not_recreated() {
    let (world, life) = in_the_middle_of_a_request().await;
    keychain(&world).remove();
    life.pass(HOUR).await;
    assert_eq!(keychain(&world).items(), 0);
    assert_eq!((life.keeper.running(), life.report().journal_open), (0, 0));
    // As `claude auth logout` does it; the pair is kept for a day, for a person to ask for it.
    world.put_members(&[]);
    life.pass(10 * MINUTE).await;
    assert_eq!(life.report().vanished, ["lab", "other"]);
}

#[tokio::test(start_paused = true)]
async fn no_token_is_in_any_argument_unless_the_document_is_too_large_for_a_line() {
    for (size, as_argument) in [(1_000, false), (6_000, true), (60_000, true)] {
        let world = of_size(size);
        let tokens =
            [world.stored_refresh("lab"), world.stored("lab", "accessToken").as_str().unwrap().to_owned()];
        let life = world.live().await;
        life.pass(SECOND * 5).await;
        assert_eq!(life.entry("lab").state, State::Fresh, "{size}");
        let written: Vec<_> = keychain(&world)
            .calls()
            .into_iter()
            .filter(|call| call.iter().any(|word| word == "-X"))
            .collect();
        assert_eq!(written.len(), usize::from(as_argument), "{size}");
        for call in keychain(&world).calls().iter().filter(|call| !call.iter().any(|word| word == "-X")) {
            assert!(call.iter().all(|word| word.len() < 40), "{call:?}");
            assert!(tokens.iter().all(|token| !call.contains(token)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_arguments_refused_a_large_document_is_detected_before_the_request() {
    for (size, requests) in [(1_000, 1), (6_000, 0)] {
        let world = World { large: LargeItems::Refuse, ..of_size(size) };
        let life = world.live().await;
        life.pass(HOUR / 4).await;
        assert_eq!(world.server.requests(), requests, "{size}");
        assert!(keychain(&world).calls().iter().flatten().all(|word| word.len() < 40));
        let said = |event: &Event| matches!(event, Event::NotSavable { why } if why.contains("keychain_large_items"));
        assert_eq!(world.log.events().iter().any(said), requests == 0);
        drop(life);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unannounced_change_is_seen_within_five_minutes_at_little_cost() {
    let world = World::with_entries(&[("lab", 100 * HOUR)]);
    let life = world.live().await;
    life.pass(HOUR).await;
    keychain(&world).forget_calls();
    life.pass(24 * HOUR).await;
    let calls = keychain(&world).calls();
    assert!(calls.len() <= 24 * 12 + 2, "{} looks in a day", calls.len());
    assert!(calls.iter().flatten().all(|word| word != "-w"), "the secret is not read while nothing changes");
    world.put_members(&[
        format!("{:?}:{}", key("lab"), world.entry("lab", 100 * HOUR)),
        format!("{:?}:{}", key("new"), world.entry("new", Duration::ZERO)),
    ]);
    life.pass(5 * MINUTE + SECOND).await;
    assert_eq!(life.entry("new").state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn two_changes_within_one_second_are_both_seen() {
    let world = World::with_entries(&[("lab", 10 * HOUR)]);
    let life = world.live().await;
    life.pass(10 * SECOND).await;
    world.put_members(&[format!("{:?}:{}", key("one"), world.entry("one", 10 * HOUR))]);
    life.pass(Duration::from_millis(100)).await;
    life.notice().await;
    world.put_members(&[format!("{:?}:{}", key("two"), world.entry("two", 10 * HOUR))]);
    life.pass(31 * SECOND).await;
    assert_eq!(life.entry("two").state, State::Fresh);
}

/// When the storage lock was taken and given back.
fn watch_the_lock(life_disk: &virtual_disk::VirtualDisk) -> Rc<RefCell<Vec<Duration>>> {
    let held = Rc::new(RefCell::new(Vec::new()));
    let mut since = None;
    life_disk.on_call({
        let held = Rc::clone(&held);
        move |call| {
            if call.path.ends_with(".storage-write.lock") {
                match call.operation {
                    Operation::CreateFolder => since = Some(Instant::now()),
                    Operation::RemoveFolder => {
                        held.borrow_mut().extend(since.take().map(|since: Instant| since.elapsed()));
                    }
                    _ => {}
                }
            }
            None
        }
    });
    held
}

#[tokio::test(start_paused = true)]
async fn the_storage_lock_is_held_for_three_calls_and_never_longer_than_a_client_waits() {
    for (delay, most) in [
        (Duration::ZERO, Duration::from_millis(60)),
        (Duration::from_millis(900), Duration::from_millis(2_800)),
        (Duration::from_millis(1_900), Duration::from_millis(7_400)),
        (3 * SECOND, Duration::from_millis(7_400)),
        (30 * SECOND, Duration::from_millis(7_400)),
    ] {
        for damages in [0, 9] {
            let (world, life) = in_the_middle_of_a_request().await;
            let held = watch_the_lock(&life.disk);
            keychain(&world).behave(|keychain| {
                keychain.delay = delay;
                keychain.damages = damages;
            });
            life.pass(10 * MINUTE).await;
            keychain(&world).behave(|keychain| keychain.delay = Duration::ZERO);
            life.pass(20 * MINUTE).await;
            assert!(is_saved(&world));
            let longest = held.borrow().iter().max().copied().unwrap();
            let most = if damages > 0 { Duration::from_millis(7_400) } else { most };
            assert!(longest <= most, "{delay:?} {damages}: held for {longest:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i2_the_answer_is_durable_in_the_journal_before_the_item_changes() {
    let world = World::with_entries(&[("lab", Duration::ZERO)]);
    let before = world.text();
    let process = world.disk.process();
    let journal = Path::new(STATE).join("journal");
    let synced_before_change = Rc::new(RefCell::new(0));
    process.on_call({
        let (keychain, count) = (keychain(&world).clone(), Rc::clone(&synced_before_change));
        move |call| {
            if call.operation == Operation::Sync && call.path == journal && keychain.text() == before {
                *count.borrow_mut() += 1;
            }
            None
        }
    });
    let life = world.live_as(process, Mode::Watch).await.unwrap();
    life.pass(10 * SECOND).await;
    assert!(is_fresh(&life));
    assert!(*synced_before_change.borrow() >= 2, "the intent, and the answer");
}

fn is_fresh(life: &Life) -> bool {
    life.entry("lab").state == State::Fresh
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_of_the_tool_loses_no_grant() {
    for moment in [Moment::Before, Moment::After] {
        for call in 1.. {
            let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
            let before = world.stored_refresh("lab");
            keychain(&world).kill_at(call, moment);
            let life = world.live().await;
            life.pass(20 * SECOND).await;
            let reached = !life.disk.is_alive();
            life.kill();
            keychain(&world).kill_at(0, moment);
            let life = world.live().await;
            life.pass(30 * MINUTE).await;
            let stored = world.stored_refresh("lab");
            assert!(world.server.is_good(&stored), "call {call}, {moment:?}: {stored}, before {before}");
            assert_eq!(world.server.reuses.get(), 0);
            assert_eq!(
                (world.server.requests(), life.report().journal_open),
                (1, 0),
                "call {call}, {moment:?}"
            );
            if !reached {
                assert!(call > 10, "{call}");
                break;
            }
        }
    }
}
