//! Every step of every story.

use crate::crash::{Death, Found, Story, die, reference};
use crate::disk::{Disk, Kind};
use crate::{Fallible, Tally};
use scripted_server::{Script, Server};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

const AT_ONCE: usize = 4;
const WAITING_AT_ONCE: usize = 6;
/// Threads sometimes run in another order, so that a crash happens elsewhere or not at all.
const TRIES: usize = 8;
/// The steps at which the dead process's locks are waited for instead of removed.
const WAITED_FOR: [&str; 3] =
    ["write intent to journal", "write POST to the network", "rename credentials.json.tmp"];

pub(crate) struct Point {
    pub(crate) story: Story,
    pub(crate) death: Death,
    pub(crate) keep_locks: bool,
    /// The power fails as well, and this file system loses unsynced data.
    pub(crate) disk: Option<Kind>,
}

/// Crashes `times` times at each step of each story.
pub(crate) fn run(program: &Path, times: usize, tally: &mut Tally) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    let mut points = Vec::new();
    for story in Story::ALL {
        let trace = reference(program, &server, "reference", story)?;
        let steps = trace.steps();
        // The steps before the first request are the same in each story.
        let sent = steps.iter().position(|step| step.label.starts_with("write POST")).unwrap_or(0);
        let first = if story == Story::Plain { 0 } else { sent };
        let steps: Vec<_> = steps.into_iter().skip(first).collect();
        let waits = steps.iter().filter(|step| {
            story == Story::Plain && WAITED_FOR.iter().any(|prefix| step.label.starts_with(prefix))
        });
        let waiting: Vec<_> = waits.map(|step| Death::Before(step.clone())).collect();
        let fsyncs = trace.calls.iter().filter(|call| call.name.contains("sync")).count();
        let during = (1..=fsyncs).map(Death::DuringFsync).filter(|_| story == Story::Plain);
        let deaths = steps.into_iter().map(Death::Before).chain(during);
        let waited_for = waiting.into_iter().map(|death| (death, true));
        let all: Vec<_> = waited_for.chain(deaths.map(|death| (death, false))).collect();
        for (death, keep_locks) in all.iter().cycle().take(all.len() * times) {
            points.push(Point { story, death: death.clone(), keep_locks: *keep_locks, disk: None });
        }
    }
    println!("{} deaths", points.len());
    judge(program, &server, &points, tally);
    Ok(())
}

/// Crashes at every point, and reports the results.
pub(crate) fn judge(program: &Path, server: &Server, points: &[Point], tally: &mut Tally) {
    let found = die_everywhere(program, server, points);
    let mut ends = BTreeMap::<String, usize>::new();
    for (point, found) in points.iter().zip(found) {
        let how = point.disk.map_or("killed".to_owned(), |disk| format!("power of {} cut", disk.name()));
        let what = format!("[{}] {how} before: {}", point.story.wording(), point.death.label());
        match found {
            Ok(Some(found)) => {
                *ends.entry(found.end.split(',').next().unwrap_or_default().to_owned()).or_default() += 1;
                let kept = if point.keep_locks { ", locks of the dead waited for" } else { "" };
                tally.note(&format!("{what} | {}{kept} | {}", found.at_death, found.end), &found.unmet);
            }
            // Records are saved half a second after a change, so close changes are saved together.
            Ok(None) if point.death.label().contains("records.jsonl") => {
                println!("- {what}: the records were saved together with others");
            }
            // A thread that still waits for work takes the next fsync, and a busy machine has more or fewer of them waiting.
            Ok(None) if point.death.label().starts_with("start a thread #") => {
                println!("- {what}: a thread that was waiting took the work");
            }
            Ok(None) => tally.note(&what, &["the daemon never came by there".to_owned()]),
            Err(error) => tally.note(&what, &[error.to_string()]),
        }
    }
    let ends: Vec<_> = ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
    println!("ends: {}", ends.join(", "));
}

fn die_everywhere(program: &Path, server: &Server, points: &[Point]) -> Vec<Fallible<Option<Found>>> {
    let found: Vec<_> = points.iter().map(|_| Mutex::new(Ok(None))).collect();
    let of = |keep_locks| points.iter().enumerate().filter(move |(_, point)| point.keep_locks == keep_locks);
    let (patient, others) = (Mutex::new(of(true)), Mutex::new(of(false)));
    let work_through = |queue: &Mutex<_>| {
        while let Some((number, point)) = next_of(queue) {
            let result = tries(program, server, number, point);
            if let Some(Ok(mut place)) = found.get(number).map(Mutex::lock) {
                *place = result;
            }
        }
    };
    std::thread::scope(|scope| {
        // Mostly waiting crashes get their own threads.
        for _ in 0..WAITING_AT_ONCE {
            scope.spawn(|| work_through(&patient));
        }
        for _ in 0..AT_ONCE {
            scope.spawn(|| work_through(&others));
        }
    });
    found.into_iter().map(|place| place.into_inner().unwrap_or_else(|_| Err("a panic".into()))).collect()
}

/// The next point, for whichever thread asks.
pub(crate) fn next_of<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().ok()?.next()
}

/// Retries until the daemon crashes at the right point.
fn tries(program: &Path, server: &Server, number: usize, point: &Point) -> Fallible<Option<Found>> {
    let (mut elsewhere, mut death) = (None, point.death.clone());
    for attempt in 0..TRIES {
        let name = format!("point-{number}-{attempt}");
        let disk = point.disk.map(Disk::new).transpose()?;
        let story = point.story;
        if attempt > 0 {
            // The number of steps up to it varies.
            let steps = reference(program, server, &format!("{name}-reference"), story)?.steps();
            let place = steps.into_iter().find(|step| step.label == point.death.label());
            death = place.map_or(death, Death::Before);
        }
        let death = &death;
        let Some(found) = die(program, server, &name, story, death, point.keep_locks, disk.as_ref())? else {
            continue;
        };
        let there = match death {
            Death::Before(step) => found.died_before == step.plain,
            Death::DuringFsync(_) => true,
        };
        // Results at another point count as well if they are bad.
        if there || !found.unmet.is_empty() {
            return Ok(Some(found));
        }
        elsewhere = Some(found.died_before);
    }
    match elsewhere {
        Some(place) => Err(format!("each time the daemon died elsewhere, at last before: {place}").into()),
        None => Ok(None),
    }
}
