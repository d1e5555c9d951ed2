//! The daemon is killed with a request in flight and restarted at once; the server forgives reuse for a while.
//!
//! The response is lost. Within the grace period, the old refresh token still gets the new pair; after it, the login is lost. So the next
//! daemon has to ask soon: services are killed by memory pressure, upgrades and shutdowns, and are restarted at once.

use crate::{Fallible, Tally};
use harness::Home;
use rustix::process::Signal;
use scripted_server::{Answer, Outcome, Reuse, Script, Server, TokenState};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// This many daemons are killed, each at another moment of a slow refresh.
const KILLS: u32 = 25;
/// How long the server takes for the first refresh; concurrent requests are answered at once.
const SLOW: Duration = Duration::from_secs(6);
/// The server's grace period, starting at the rotation.
const GRACE: Duration = Duration::from_secs(30);
/// A service manager's restart delay.
const RESTART: Duration = Duration::from_millis(200);
/// The store has to be fresh this soon after the restart.
const SOON: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(program: &Path, tally: &mut Tally) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    let found: Vec<_> = std::thread::scope(|scope| {
        let kills = (0..KILLS).map(|number| {
            let server = &server;
            scope.spawn(move || kill(program, server, number))
        });
        let running: Vec<_> = kills.collect();
        running.into_iter().map(|kill| kill.join().unwrap_or_else(|_| Err("a panic".into()))).collect()
    });
    let mut kept = 0;
    for (number, found) in (0..KILLS).zip(found) {
        let what =
            format!("killed {:.2} s into a refresh of {} s", moment(number).as_secs_f64(), SLOW.as_secs());
        match found {
            Ok(Found { words, unmet }) => {
                kept += usize::from(unmet.is_empty());
                tally.note(&format!("{what}, {words}"), &unmet);
            }
            Err(error) => tally.note(&what, &[error.to_string()]),
        }
    }
    println!("kept and soon fresh: {kept} of {KILLS}, with a grace of {} s", GRACE.as_secs());
    Ok(())
}

struct Found {
    words: String,
    unmet: Vec<String>,
}

/// When to kill the daemon, counted from the arrival of its request.
fn moment(number: u32) -> Duration {
    SLOW * number / KILLS
}

fn kill(program: &Path, server: &Server, number: u32) -> Fallible<Found> {
    // Some servers rotate before the delay, others after it.
    let rotates_first = number.is_multiple_of(2);
    let slow = if rotates_first {
        Answer { after: SLOW, ..Answer::default() }
    } else {
        Answer::default().before(SLOW)
    };
    let site = server.add(
        &format!("grace-{number}"),
        Script { reuse: Reuse::Revoke { grace: GRACE }, next: [slow].into(), ..Script::default() },
    );
    let grant = site.grant(Duration::ZERO);
    let home = Home::with(program, &scripted_server::credentials_json([("lab", &grant)]))?;
    let token = |member: &str| {
        let document: Value = serde_json::from_str(&home.stored().unwrap_or_default()).unwrap_or_default();
        let entry = document.get("mcpOAuth").and_then(|entries| entries.get(grant.key("lab")));
        let text = entry.and_then(|entry| entry.get(member)?.as_str().map(str::to_owned));
        text.unwrap_or_default()
    };
    let presented = || site.count(|entry| entry.field("refresh_token") == Some(&grant.refresh_token));

    let mut first = home.daemon()?;
    if !first.wait(PATIENCE, || presented() == 1) {
        return Err(format!("the daemon does not ask; its log:\n{}", home.log()).into());
    }
    std::thread::sleep(moment(number));
    first.signal(Signal::KILL);
    first.wait(PATIENCE, || false);
    std::thread::sleep(RESTART);

    // The locks of the dead daemon stay: the next one has to recognize them as its own.
    let mut second = home.daemon()?;
    let restarted = Instant::now();
    let is_fresh = || {
        let refresh = token("refreshToken");
        refresh != grant.refresh_token
            && site.state_of(&refresh) == TokenState::Current
            && site.accepts(&token("accessToken"))
    };
    let fresh = second.wait(SOON, is_fresh);
    let took = restarted.elapsed();
    let again = presented();
    let ended_well = second.ends_well(PATIENCE);

    let mut unmet = Vec::new();
    let mut demand = |what: &str, holds: bool| {
        if !holds {
            unmet.push(format!("not so: {what}"));
        }
    };
    demand(&format!("it is fresh within {} s of the restart", SOON.as_secs()), fresh);
    demand(&format!("the old refresh token is presented twice ({again} times)"), again == 2);
    demand("no family is revoked", site.families_revoked() == 0);
    demand("the daemon ends well", ended_well);
    demand("the journal is settled", !home.journal().contains("\"intent\""));
    let left = home.names()?.into_iter().filter(|name| name.ends_with(".lock") || name.contains(".tmp."));
    let left: Vec<_> = left.collect();
    demand(&format!("nothing is left behind ({left:?})"), left.is_empty());
    if !unmet.is_empty() {
        unmet.push(format!("the log:\n{}", home.log()));
    }
    let replayed = site.count(|entry| entry.outcome == Outcome::Replayed);
    let order = if rotates_first { "rotated at once" } else { "not rotated before its end" };
    let words = format!("{order}: fresh after {:.1} s, {replayed} forgiven", took.as_secs_f64());
    Ok(Found { words, unmet })
}
