//! Two folders, one a copy of the other, with one agent for both: the same grant is in two documents. Their clients do not see
//! each other's locks; only the agent can see that both hold one grant.

use crate::daemon::{self, Daemon};
use crate::entry::{entry, fresh, key};
use crate::fault_schedule::{FaultSchedule, HOUR, MINUTE, SECOND, Weather, label};
use crate::kind::{Kind, Rotation};
use crate::seeded_rng::SeededRng;
use crate::server::Server;
use crate::world::{STORE, World};
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::Duration;

/// The other folder, and its document.
const OTHER: &str = "/d";
const COPY: &str = "/d/.credentials.json";

/// What happens to the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// Nothing.
    Calm,
    /// The copy is restored from a backup, while the other lives on.
    Backup,
    /// The agent is killed this long after a request starts, and restarts after 2 s.
    Kill(u64),
    /// An answer is lost.
    LostAnswer,
}

/// Runs one pair of folders through some refreshes; returns what went wrong, in words.
pub fn examine_copies(seed: u64, number: u64, verbose: bool) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be made");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, live(seed, number, verbose))
}

async fn live(seed: u64, number: u64, verbose: bool) -> Result<(), String> {
    let rng = &mut SeededRng::of(seed, &[label::COPIES, number]);
    let grace = *rng.pick(&[0, 30 * SECOND, 30 * MINUTE]);
    let rotation = Rotation::Replaces { grace, revokes: rng.chance(0.7) };
    let kind = Kind {
        rotation,
        lifetime: *rng.pick(&[HOUR, 8 * HOUR]),
        idle: None,
        refuses: None,
        ..Kind::of(seed, number)
    };
    let kind = Kind { names_lifetime: true, kills_access: false, ..kind };
    let story = match rng.below(4) {
        0 => Story::Calm,
        1 => Story::Backup,
        2 => Story::Kill(rng.below(kind.latency)),
        _ => Story::LostAnswer,
    };
    let world = World::with(seed, vec![Server::of(kind, FaultSchedule::calm())], true, verbose);
    world.add_folder(OTHER);
    let pair = world.servers[0].login(0);
    let document = json!({"mcpOAuth": {key(0): fresh(0, &pair, world.wall())}}).to_string();
    for store in [STORE, COPY] {
        world.disk.borrow().put(store, &document);
    }
    *world.daemon.borrow_mut() = Daemon::start(&world).await;
    pass(&world, kind.lifetime * 2).await;
    match story {
        Story::Calm => {}
        Story::Backup => {
            world.disk.borrow().put(COPY, &document);
            world.store_changed();
        }
        Story::Kill(after) => {
            let _ =
                tokio::time::timeout(Duration::from_millis(kind.lifetime), world.daemon_requested.notified())
                    .await;
            pass(&world, after).await;
            daemon::kill(&world);
            pass(&world, 2 * SECOND).await;
            *world.daemon.borrow_mut() = Daemon::start(&world).await;
        }
        Story::LostAnswer => world.servers[0].next.set(Some(Weather::LosesAnswers)),
    }
    pass(&world, kind.lifetime * 2).await;
    let told = judge(&world, story, grace);
    daemon::kill(&world);
    told.map_err(|what| format!("seed {seed} number {number}: {story:?}, grace {} s: {what}", grace / SECOND))
}

/// Both hold the grant, and it is good. Where an answer was lost, only a grace can save it.
fn judge(world: &World, story: Story, grace: u64) -> Result<(), String> {
    let here = &world.servers[0];
    let lost = grace == 0 && matches!(story, Story::Kill(_) | Story::LostAnswer);
    if lost {
        return Ok(());
    }
    for store in [STORE, COPY] {
        let text = world.disk.borrow().text(store).unwrap_or_default();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let held = entry(&document, 0);
        let good = held
            .as_ref()
            .and_then(|held| held.refresh.as_ref())
            .is_some_and(|refresh| here.is_good(refresh, world.now()));
        if !good {
            let end = here.grants.borrow().last().and_then(|grant| grant.end);
            return Err(format!("{store} does not hold the grant any more: {end:?}"));
        }
        if held.is_none_or(|held| held.left(world.wall()) < 300_000) {
            return Err(format!("{store} is not fresh"));
        }
    }
    Ok(())
}

/// Lets time pass, and notifies the daemon of its own writes.
async fn pass(world: &Rc<World>, time: u64) {
    let until = world.now() + time;
    while world.now() < until {
        tokio::select! {
            biased;
            () = world.watch.strike.notified() => {
                if world.watch.wrote() {
                    world.folder_changed();
                }
            }
            () = tokio::time::sleep(Duration::from_millis((until - world.now()).min(MINUTE))) => world.folder_changed(),
        }
    }
}

const HELP: &str = "\
Lives pairs of folders of which one is a copy of the other, with one daemon for both.

  --seed N     which ones (1)
  --count N    how many (1000)
  --only N     this one alone
  --verbose    prints everything that happens
";

/// The subcommand `copies`.
#[must_use]
pub fn run_copies(mut arguments: impl Iterator<Item = String>) -> std::process::ExitCode {
    let (mut seed, mut count, mut only, mut verbose) = (1, 1000, None, false);
    while let Some(name) = arguments.next() {
        let mut number = || arguments.next().and_then(|value| value.parse::<u64>().ok());
        let known = match name.as_str() {
            "--seed" => number().map(|given| seed = given),
            "--count" => number().map(|given| count = given),
            "--only" => number().map(|given| only = Some(given)),
            "--verbose" => {
                verbose = true;
                Some(())
            }
            _ => None,
        };
        if known.is_none() {
            eprintln!("{HELP}");
            return std::process::ExitCode::from(2);
        }
    }
    let numbers = only.map_or(0..count, |only| only..only + 1);
    let failures: Vec<String> =
        numbers.clone().filter_map(|number| examine_copies(seed, number, verbose).err()).collect();
    failures.iter().take(20).for_each(|failure| println!("FAILURE {failure}"));
    println!("pairs of folders: {}, failures: {}", numbers.end - numbers.start, failures.len());
    if failures.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
