//! A document that the client has divided between two items of the Keychain.

use crate::world::{Answering, HOUR, Life, MINUTE, Moment, SECOND, VirtualKeychain, World, key};
use claude_store::{FileSystem, LargeItems};
use refresh_engine::{Event, State};
use scripted_security::overflow::{divided, merged, slot};
use std::time::Duration;

fn keychain(world: &World) -> &VirtualKeychain {
    world.keychain.as_ref().unwrap()
}

/// Moves the entry of this name to the other item, as a client that writes.
fn overflow(world: &World, names: &[&str], into: &str) {
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let both = divided(&keychain(world).text(), &keys, into);
    keychain(world).put_two(both, into, world.disk.now());
}

fn is_good(world: &World, name: &str) -> bool {
    world.server.is_good(&world.stored_refresh(name))
}

fn removals(world: &World) -> usize {
    world.log.count(|event| matches!(event, Event::Removed | Event::VanishedTogether { .. }))
}

/// A life in the middle of its request for `lab`.
async fn in_the_middle_of_a_request(world: &World) -> Life {
    world.server.next([Answering::Slowly(5 * SECOND)]);
    world.server.lifetime.set(10 * HOUR);
    let life = world.live().await;
    life.pass(2 * SECOND).await;
    assert_eq!(world.server.requests(), 1);
    life
}

#[tokio::test(start_paused = true)]
async fn an_entry_in_the_overflow_item_is_refreshed_there_and_nothing_else_changes() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    world.server.lifetime.set(10 * HOUR);
    overflow(&world, &["lab"], "a");
    let (main, sealed) = (keychain(&world).main(), keychain(&world).overflow("a"));
    let before = keychain(&world).text();
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!(is_good(&world, "lab"), "{}", keychain(&world).main());
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
    assert_eq!(life.entry("lab").state, State::Fresh);
    // By the rules of the client: the other slot, and a new key.
    assert_eq!(slot(&keychain(&world).main()).as_deref(), Some("b"));
    assert_eq!(
        keychain(&world).overflow("a"),
        sealed,
        "whoever read the main item before still opens this one"
    );
    assert!(merged(&keychain(&world).main(), &sealed).is_none(), "the key is another one");
    let entry = |text: &str| world.raw("other", text);
    assert_eq!(entry(&keychain(&world).main()), entry(&main));
    assert!(
        keychain(&world).main().contains("1e400") && keychain(&world).text().contains("9007199254740993")
    );
    assert_eq!(world.raw("lab", &before).len(), world.raw("lab", &keychain(&world).text()).len());
    // Nothing secret stood among arguments: what is sealed there needs the key, which went another way.
    let pointer: serde_json::Value =
        serde_json::from_str(&keychain(&world).main().replace("1e400", "0")).unwrap();
    let key = pointer["keychainOverflow"]["key"].as_str().unwrap().to_owned();
    for word in keychain(&world).calls().into_iter().flatten() {
        assert!(!word.contains(&key) && !word.contains("7b22"), "{word}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_moves_to_the_overflow_item_during_its_request_is_saved_there() {
    let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
    let life = in_the_middle_of_a_request(&world).await;
    overflow(&world, &["lab"], "a");
    life.pass(MINUTE).await;
    assert!(is_good(&world, "lab") && is_good(&world, "other"));
    assert_eq!((world.server.requests(), life.report().journal_open, removals(&world)), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_pair_of_an_entry_in_a_locked_item_stays_in_the_journal_until_it_unlocks() {
    for killed in [false, true] {
        let world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
        let mut life = in_the_middle_of_a_request(&world).await;
        overflow(&world, &["lab"], "a");
        let sealed = keychain(&world).overflow("a");
        keychain(&world).put_overflow("a", "AAAA".repeat(20), world.disk.now());
        life.pass(HOUR).await;
        if killed {
            life.kill();
            life = world.live().await;
            life.pass(HOUR).await;
        }
        assert_eq!((world.server.requests(), life.report().journal_open, removals(&world)), (1, 1, 0));
        let odd = life.report().odd;
        assert!(
            odd.iter().any(|(_, why)| why.contains("-overflow-a") && why.contains("does not decrypt")),
            "{odd:?}"
        );
        // What came back opens: the pair is written into it.
        keychain(&world).put_overflow("a", sealed, world.disk.now());
        life.pass(6 * MINUTE).await;
        assert!(is_good(&world, "lab"), "killed: {killed}");
        assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
        assert!(life.report().odd.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_missing_item_are_left_alone_and_the_others_are_kept() {
    let world = World::with_entries(&[("lab", 10 * HOUR), ("away", 10 * HOUR), ("other", HOUR)]);
    world.server.lifetime.set(HOUR);
    let life = world.live().await;
    life.pass(MINUTE).await;
    overflow(&world, &["lab", "away"], "b");
    let sealed = keychain(&world).overflow("b");
    keychain(&world).remove_overflow("b");
    life.pass(3 * HOUR).await;
    assert!(is_good(&world, "other") && world.server.requests() >= 3);
    assert_eq!(removals(&world), 0);
    assert_eq!(slot(&keychain(&world).main()).as_deref(), Some("b"), "the pointer stays");
    for name in ["lab", "away"] {
        let odd = life.report().odd;
        assert!(
            odd.iter().any(|(odd, why)| *odd == key(name) && why.contains("no longer exists")),
            "{odd:?}"
        );
    }
    keychain(&world).put_overflow("b", sealed, world.disk.now());
    life.pass(6 * MINUTE).await;
    assert_eq!(life.entry("lab").state, State::Fresh);
    assert!(life.report().odd.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stub_in_the_main_item_is_ignored_while_the_overflow_item_may_hold_the_login() {
    let world = World::with_entries(&[("lab", HOUR), ("other", 10 * HOUR)]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    let (main, sealed) = divided(&keychain(&world).text(), &[&key("lab")], "a");
    let stub = format!(r#""mcpOAuth":{{"{}":{{"serverName":"lab","accessToken":""}},"#, key("lab"));
    let main = main.replacen(r#""mcpOAuth":{"#, &stub, 1);
    keychain(&world).put_two((main, "AAAA".into()), "a", world.disk.now());
    life.pass(10 * MINUTE).await;
    assert_eq!((world.server.requests(), removals(&world)), (0, 0), "neither a logout nor a failed refresh");
    assert!(
        life.report().entries.iter().all(|entry| entry.name != "lab"),
        "it is no stub that needs a login"
    );
    assert!(life.report().odd.iter().any(|(odd, _)| *odd == key("lab")));
    keychain(&world).put_overflow("a", sealed, world.disk.now());
    life.pass(2 * HOUR).await;
    assert!(is_good(&world, "lab"));
}

#[tokio::test(start_paused = true)]
async fn a_main_item_that_would_exceed_one_line_moves_its_largest_entry_out() {
    // Two entries, one of them with short tokens, and a filling that leaves no room for anything.
    let world = World::new();
    let (_, refresh) = world.server.grant("lab");
    let lab = world.entry_with("lab", "a", &refresh, Duration::ZERO);
    let member = |name: &str, entry: &str| format!("{:?}:{entry}", key(name));
    world.put_members(&[member("lab", &lab), member("moved", &world.entry("moved", 10 * HOUR))]);
    world.server.lifetime.set(10 * HOUR);
    overflow(&world, &["moved"], "a");
    let main = keychain(&world).main();
    // `add-generic-password -U -a "u" -s "Claude Code-credentials" -X `, twice the document, and a line break.
    let room = (4032 - 64) / 2 - main.len();
    let filled = main.replacen("sk-made-up", &format!("sk-made-up{}", "x".repeat(room)), 1);
    keychain(&world).put_two((filled, keychain(&world).overflow("a")), "a", world.disk.now());
    world.server.next([Answering::Claims(10 * HOUR)]);
    let life = world.live().await;
    life.pass(MINUTE).await;
    assert!(is_good(&world, "lab") && is_good(&world, "moved"));
    assert_eq!((world.server.requests(), life.report().journal_open), (1, 0));
    assert!(!keychain(&world).main().contains("cl_lab"), "it moved");
    assert!(keychain(&world).main().len() * 2 + 64 <= 4032);
    assert!(keychain(&world).calls().iter().flatten().all(|word| !word.contains("7b22")), "by a line alone");
}

#[tokio::test(start_paused = true)]
async fn no_interrupted_write_of_two_items_loses_a_pair() {
    let mut cuts = 0;
    for moment in [Moment::Before, Moment::After] {
        for call in 1.. {
            let mut world = World::with_entries(&[("lab", Duration::ZERO), ("other", 10 * HOUR)]);
            world.large = LargeItems::Refuse;
            world.server.lifetime.set(10 * HOUR);
            overflow(&world, &["lab", "other"], "b");
            keychain(&world).kill_at(call, moment);
            let process = world.disk.process();
            if let Some(life) = world.live_as(process.clone(), refresh_engine::Mode::Watch).await {
                life.pass(MINUTE).await;
                if process.is_alive() {
                    assert!(call > 8, "{call}");
                    break;
                }
                cuts += 1;
                drop(life);
            }
            let life = world.live().await;
            life.pass(10 * MINUTE).await;
            assert!(is_good(&world, "lab") && is_good(&world, "other"), "killed {moment:?} call {call}");
            assert_eq!((world.server.requests(), world.server.reuses.get()), (1, 0));
            assert_eq!(life.report().journal_open, 0);
        }
    }
    assert!(cuts > 16, "{cuts}");
}
