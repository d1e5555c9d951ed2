//! Logins that move between the machines' vaults and the cluster.

use crate::Fallible;
use crate::agent::Agent;
use crate::findings::settled;
use scripted_server::{Site, TokenState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The lock of an agent that was killed goes stale after a minute without a heartbeat.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many are removed while all refresh them.
const REMOVED: usize = 20;
/// So many moves are cut off.
const CUT_OFF: usize = 30;

/// Two machines at once remove a login while all of them refresh it: it ends in exactly one vault, with the newest token, and nowhere
/// else. Then it comes back. Returns how many did.
pub(crate) fn while_all_refresh(agents: &[Agent], names: &[String], site: &Site) -> Fallible<usize> {
    let names: Vec<_> = names.iter().take(REMOVED).collect();
    let enough = AtomicBool::new(false);
    let removed: Fallible<Vec<_>> = thread::scope(|scope| {
        for agent in agents {
            let (names, enough) = (&names, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let some = names.get(fastrand::usize(..names.len())).map(|name| name.as_str());
                    // What the cluster lacks cannot be refreshed.
                    let _ = agent.refresh(&[some.unwrap_or_default()]);
                }
            });
        }
        let removed = names.iter().enumerate().map(|(number, name)| {
            let (one, other) = (neighbour(agents, number)?, neighbour(agents, number + 1)?);
            let other_moved = scope.spawn(move || moved(other, name, false));
            let one_moved = moved(one, name, false)?;
            match (one_moved, other_moved.join().map_err(|_| "panicked")??) {
                (true, false) => Ok(one),
                (false, true) => Ok(other),
                both => Err(format!("{name} was removed by both or none: {both:?}").into()),
            }
        });
        let removed = removed.collect();
        enough.store(true, Ordering::Relaxed);
        removed
    });
    for (name, holder) in names.iter().zip(removed?) {
        is_only_in_vault(agents, holder, name, site)?;
        if !moved(holder, name, true)? {
            return Err(format!("{name} was not added again").into());
        }
        let other = neighbour(agents, holder.number)?;
        is_refreshed(other, name)?;
    }
    Ok(names.len())
}

/// Agents are killed or cut off from etcd at random moments of a move. When they run and reach it again, each login is in exactly one place, where it can be refreshed.
/// Returns where they ended, in words.
pub(crate) fn cut_off(agents: &[Agent], names: &[String], site: &Site) -> Fallible<String> {
    let mut ends: BTreeMap<(bool, bool), usize> = BTreeMap::new();
    let mut usual = Duration::from_millis(20);
    for round in 0..CUT_OFF {
        let name = names.get((REMOVED + round / 2) % names.len()).ok_or("no names")?;
        let (holder, other) = (neighbour(agents, round / 2)?, neighbour(agents, round / 2 + 1)?);
        let add = round % 2 == 0;
        if add {
            moved(holder, name, false)?;
        }
        // Somewhat longer, so that some end in time.
        let moment = usual.mul_f64(fastrand::f64() * 1.2);
        let kill = round % 5 != 4;
        thread::scope(|scope| {
            scope.spawn(|| holder.ask(&request(name, add)));
            thread::sleep(moment);
            if kill {
                holder.kill();
            } else {
                holder.cut(true);
                // Longer than a request to etcd may take.
                thread::sleep(Duration::from_secs(6));
                holder.cut(false);
            }
        });
        if kill {
            holder.start()?;
        }
        let until = Instant::now() + PATIENCE;
        let in_vault = loop {
            let in_vault = holder.in_vault(name)?.is_some();
            // Not before its agent has settled what was cut off.
            let is_settled = holder.fingerprints().is_ok() && in_vault != is_listed(other, name)?;
            if is_settled {
                break in_vault;
            }
            if Instant::now() > until {
                return Err(format!("{name} is in both places or in none ({in_vault})").into());
            }
            thread::sleep(Duration::from_millis(50));
        };
        *ends.entry((add, in_vault)).or_default() += 1;
        if in_vault {
            is_only_in_vault(agents, holder, name, site)?;
            let began = Instant::now();
            moved(holder, name, true)?;
            usual = began.elapsed();
        }
        is_refreshed(other, name)?;
    }
    let ended = |add, in_vault| ends.get(&(add, in_vault)).copied().unwrap_or_default();
    Ok(format!(
        "of those into the cluster {} ended there and {} in the vault, of those out of it {} and {}; each could be refreshed there alone",
        ended(true, false),
        ended(true, true),
        ended(false, false),
        ended(false, true)
    ))
}

fn neighbour(agents: &[Agent], number: usize) -> Fallible<&Agent> {
    Ok(agents.get(number % agents.len()).ok_or("no agents")?)
}

fn request(name: &str, add: bool) -> Value {
    json!({"request": "cluster", "with": {"name": name, "add": add}})
}

/// Has a login moved by this machine. False if another one has taken it out of the cluster.
fn moved(agent: &Agent, name: &str, add: bool) -> Fallible<bool> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = agent.ask(&request(name, add));
        if answer.as_ref().is_ok_and(|answer| answer.get("reply").is_some_and(|reply| reply == "moved")) {
            return Ok(true);
        }
        if answer.as_ref().is_ok_and(|answer| answer.to_string().contains("the cluster has no login")) {
            return Ok(false);
        }
        // It is being refreshed or moved.
        if Instant::now() > until {
            return Err(format!("host{} did not move {name}: {answer:?}", agent.number).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The login is in this machine's vault with a good token, refreshed there, and nowhere else.
fn is_only_in_vault(agents: &[Agent], holder: &Agent, name: &str, site: &Site) -> Fallible<()> {
    for agent in agents {
        match (agent.in_vault(name)?, agent.number == holder.number) {
            (Some(token), true) if site.state_of(&token) == TokenState::Current => {}
            (None, false) => {}
            (token, _) => {
                let state = token.map(|token| site.state_of(&token));
                return Err(format!("{name} in the vault of host{}: {state:?}", agent.number).into());
            }
        }
        let until = Instant::now() + PATIENCE;
        while is_listed(agent, name)? {
            if Instant::now() > until {
                return Err(format!("host{} still sees {name} in the cluster", agent.number).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    is_refreshed(holder, name)
}

/// Whether this machine sees the login in the cluster.
fn is_listed(agent: &Agent, name: &str) -> Fallible<bool> {
    Ok(agent.fingerprints()?.iter().any(|(listed, _)| listed == name))
}

/// This machine can refresh the login, once what was cut off is settled.
fn is_refreshed(agent: &Agent, name: &str) -> Fallible<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match settled(agent, name) {
            Ok(None) => return Ok(()),
            _ if Instant::now() < until => thread::sleep(Duration::from_millis(50)),
            why => return Err(format!("host{} cannot refresh {name}: {why:?}", agent.number).into()),
        }
    }
}
