//! The agent ended as the Task Manager ends it (`TerminateProcess`), at moments spread over a refresh, and started again.

use super::{ensure, is_refresh, logged_in};
use crate::Fallible;
use crate::profile::{Machine, PATIENCE, until};
use scripted_server::{Answer, Reuse, Script, TokenState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KILLS: u32 = 20;
const KILLS_WITH_GRACE: u32 = 8;

/// A login may be lost only where the journal has the intent and no answer: the request was on the wire, and the answer came to a process that no longer was.
pub(super) fn without_grace(machine: &Machine) -> Fallible<String> {
    let (mut held, mut behind_lock, mut waiting) = (0, 0, 0);
    // How long after its arrival at the server the request lost its sender, in milliseconds.
    let mut lost = Vec::new();
    for kill in 0..KILLS {
        let script =
            Script { answer: Answer::default().before(Duration::from_millis(100)), ..Script::default() };
        let (server, profile, grant) = logged_in(machine, Duration::ZERO, script)?;
        let mut agent = profile.agent()?;
        // The request is on the wire at once; the answer comes after 100 ms, and is stored some milliseconds later.
        std::thread::sleep(Duration::from_millis(u64::from(kill) * 12));
        agent.kill()?;
        let killed_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let journal = profile.journal();
        let (intent, answer) = (journal.contains("{\"intent\":"), journal.contains("{\"answer\":"));
        let again = profile.agent()?;
        let good = || profile.stored("accessToken").is_ok_and(|token| server.accepts(&token));
        until(Duration::from_secs(8), || good() || server.families_revoked() > 0);
        let noted = journal.contains("{\"writing\":");
        if !good() && answer && !noted && profile.storage.join(".storage-write.lock").exists() {
            // It had made the lock and not noted it yet: the pair is written as soon as the lock is stale to everybody.
            behind_lock += 1;
            until(PATIENCE, good);
        }
        if good() {
            held += 1;
        } else if server.count(is_refresh) == 0
            && server.state_of(&grant.refresh_token) == TokenState::Current
        {
            // It had taken the lock and asked nobody: the next one waits for 60 s, as Claude Code does.
            waiting += 1;
        } else {
            let on_the_wire = intent && !answer && server.count(is_refresh) > 0;
            ensure(on_the_wire, || format!("kill {kill}: lost; the journal: {journal}; {}", again.log()))?;
            let arrived_us =
                server.log().iter().find(|entry| is_refresh(entry)).map(|entry| entry.received_us);
            lost.push(killed_us.saturating_sub(arrived_us.unwrap_or_default().into()) / 1000);
        }
    }
    Ok(format!(
        "{KILLS} kills: {held} logins held, {behind_lock} of them once the dead agent's storage lock was stale, {waiting} untouched behind the lock of the killed agent, {} lost with the answer on the \
         wire, as the journal shows for each: gone {lost:?} ms after the request, which is answered after 100",
        lost.len()
    ))
}

/// The server forgives the reuse of a refresh token for 30 s: the next agent asks again at once, and no login is lost.
pub(super) fn with_grace(machine: &Machine) -> Fallible<String> {
    for kill in 0..KILLS_WITH_GRACE {
        let script = Script {
            answer: Answer::default().before(Duration::from_millis(100)),
            reuse: Reuse::Revoke { grace: Duration::from_secs(30) },
            ..Script::default()
        };
        let (server, profile, grant) = logged_in(machine, Duration::ZERO, script)?;
        let mut agent = profile.agent()?;
        ensure(until(PATIENCE, || server.count(is_refresh) > 0), || "the agent does not begin".to_owned())?;
        std::thread::sleep(Duration::from_millis(u64::from(kill) * 12));
        agent.kill()?;
        let again = profile.agent()?;
        let replaced = || {
            profile.stored("refreshToken").is_ok_and(|token| token != grant.refresh_token)
                && profile.stored("accessToken").is_ok_and(|token| server.accepts(&token))
        };
        ensure(until(Duration::from_secs(8), replaced), || format!("kill {kill}: lost; {}", again.log()))?;
    }
    Ok(format!("{KILLS_WITH_GRACE} kills: every login held"))
}
