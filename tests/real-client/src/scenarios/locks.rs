//! Client and agent on the same entry at the same time.

use super::{Bench, replaced, stop};
use crate::refresher::{Choice, Refresher};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_refresh};
use crate::user::User;
use crate::{Fallible, until};
use scripted_server::{Answer, Script, Server};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The client is in the middle of a slow refresh when the agent starts.
pub(super) async fn client_holds_the_lock(bench: Rc<Bench>) -> Fallible<Report> {
    let endpoint = Duration::from_secs(6);
    let server = Server::start(Script { answer: Answer::default().before(endpoint), ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::ZERO);
    person.store(&grant)?;

    let (connects, refresher) = tokio::join!(person.connects(), async {
        let asked = until(Duration::from_secs(20), || server.count(is_refresh) > 0).await;
        if asked { bench.start(&person) } else { Err("the client does not refresh".into()) }
    });
    let (connects, refresher) = (connects?, refresher?);
    // Time enough for the agent to do something that it should not.
    tokio::time::sleep(Duration::from_secs(8)).await;

    let mut report = Report::default();
    report.demand("the client connects", connects);
    Traffic::of(&server).demand(&mut report, 1, 0);
    let adopted = replaced(&person, &grant.refresh_token, Duration::ZERO).await;
    report.demand(
        "the store holds the client's pair",
        adopted.is_some_and(|pair| server.accepts(&pair.access_token)),
    );
    if let Some(state) = refresher.state().await? {
        report.demand_eq("state", state.as_str(), "fresh");
    }
    stop(refresher, &mut report).await;
    Ok(report)
}

/// How long the tokens of `both_act` live: every use by the client spends the refresh token.
const LIFETIME: Duration = Duration::from_secs(20);
/// How many sessions work at a time.
const SESSIONS: usize = 3;
/// Calls of a session.
const CALLS: usize = 5;
/// The pause between the calls of a session.
const PAUSE: Duration = Duration::from_secs(3);
/// While sessions work, the clients' own refreshes leave the agent nothing to do. So it is told to refresh as well, that often.
const FORCED: Duration = Duration::from_secs(2);
/// Then nobody works for half the lifetime, and the next sessions start when the agent acts by itself.
const BREAK: Duration = Duration::from_secs(10);

/// Two persons side by side with the same habits, one with the agent and one without it.
pub(super) async fn both_act(bench: Rc<Bench>) -> Fallible<Report> {
    let (with, without) = tokio::join!(
        habits(&bench, &bench.refresher, bench.both_act),
        habits(&bench, &Choice::Nobody, bench.both_act)
    );
    let (with, without) = (with?, without?);
    let mut report = Report::default();
    report.demand_eq("reuses by the agent", with.traffic.reuses_by_agent, 0);
    report.demand("no more grants are lost than without the agent", with.lost <= without.lost);
    report.figure("grants lost", format_args!("{}, without the agent {}", with.lost, without.lost));
    report.figure(
        "calls answered",
        format_args!(
            "{} of {}, without the agent {} of {}",
            with.answered, with.calls, without.answered, without.calls
        ),
    );
    report.figure(
        "requests by the client",
        format_args!("{}, without the agent {}", with.traffic.by_client, without.traffic.by_client),
    );
    report.figure("by the agent", with.traffic.by_agent);
    let enough = usize::try_from(bench.both_act.as_secs() / 10)?;
    report.demand("both acted", with.traffic.by_agent.min(with.traffic.by_client) >= enough);
    Ok(report)
}

#[derive(Default)]
struct Outcome {
    traffic: Traffic,
    /// Logins that became necessary.
    lost: usize,
    calls: usize,
    answered: usize,
}

/// A working day in short: sessions that call the tool every few seconds and end after a while; who is logged out logs in again.
async fn habits(bench: &Bench, choice: &Choice, length: Duration) -> Fallible<Outcome> {
    let server = Server::start(Script {
        lifetime: LIFETIME,
        answer: Answer::default().before(Duration::from_millis(300)),
        ..Script::default()
    })?;
    let person = bench.person(&server).await?;
    person.login().await?;
    let refresher = Refresher::start(choice, &person)?;
    let end = Instant::now() + length;
    let mut outcome = Outcome::default();
    while Instant::now() < end {
        let mut sessions = JoinSet::new();
        for _ in 0..SESSIONS {
            let person = Rc::clone(&person);
            sessions.spawn_local(async move { working(&person).await.unwrap_or(0) });
        }
        while !sessions.is_empty() {
            match tokio::time::timeout(FORCED, sessions.join_next()).await {
                Ok(Some(answered)) => {
                    outcome.calls += CALLS;
                    outcome.answered += answered?;
                }
                Ok(None) => {}
                // It may say that the client is at it.
                Err(_) => drop(refresher.force(&person).await),
            }
        }
        tokio::time::sleep(BREAK).await;
        if person.pair().is_none() {
            outcome.lost += 1;
            person.login().await?;
        }
    }
    outcome.traffic = Traffic::of(&server);
    refresher.stop().await?;
    Ok(outcome)
}

/// One session's work; says how many of its calls were answered.
async fn working(person: &User) -> Fallible<usize> {
    let mut session = Session::start(person)?;
    let first = session.connect().await?;
    let turn = session.call(CALLS - 1, PAUSE).await?;
    session.end().await?;
    Ok(first.answered + turn.answered)
}
