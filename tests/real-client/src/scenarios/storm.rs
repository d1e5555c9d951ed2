//! Many sessions start at once: the moment at which a single-use refresh token is lost without the agent.

use super::{Bench, replaced, stop};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::User;
use crate::{Fallible, until};
use scripted_server::{Answer, Script, Server};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SESSIONS: usize = 5;

struct Storm {
    /// What is left of the access token.
    left: Duration,
    /// How long the token endpoint takes.
    endpoint: Duration,
    /// When the sessions start.
    start: Start,
}

enum Start {
    /// When the agent has refreshed.
    Refreshed,
    /// When the agent's request is on the wire.
    Refreshing,
}

pub(super) async fn storm_six_minutes_left(bench: Rc<Bench>) -> Fallible<Report> {
    storm(&bench, Storm { left: Duration::from_secs(360), endpoint: Duration::ZERO, start: Start::Refreshed })
        .await
}

pub(super) async fn storm_expired(bench: Rc<Bench>) -> Fallible<Report> {
    storm(&bench, Storm { left: Duration::ZERO, endpoint: Duration::ZERO, start: Start::Refreshed }).await
}

pub(super) async fn storm_slow_endpoint_six_minutes(bench: Rc<Bench>) -> Fallible<Report> {
    let endpoint = Duration::from_secs(9);
    storm(&bench, Storm { left: Duration::from_secs(360), endpoint, start: Start::Refreshing }).await
}

/// With the agent 5 s: the sessions wait for its lock about 8 s and no longer. Without it 9 s, to show what breaks then.
pub(super) async fn storm_slow_endpoint_expired(bench: Rc<Bench>) -> Fallible<Report> {
    let is_agent = matches!(bench.refresher, crate::refresher::Choice::Agent(_));
    let endpoint = Duration::from_secs(if is_agent { 5 } else { 9 });
    storm(&bench, Storm { left: Duration::ZERO, endpoint, start: Start::Refreshing }).await
}

async fn storm(bench: &Bench, storm: Storm) -> Fallible<Report> {
    let script = Script { answer: Answer::default().before(storm.endpoint), ..Script::default() };
    let server = Server::start(script)?;
    let person = bench.person(&server).await?;
    let grant = server.grant(storm.left);
    person.store(&grant)?;

    let refresher = bench.start(&person)?;
    if refresher.is_somebody() {
        let patience = Duration::from_secs(20);
        let begun = match storm.start {
            Start::Refreshed => replaced(&person, &grant.refresh_token, patience).await.is_some(),
            Start::Refreshing => {
                until(patience, || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0).await
            }
        };
        if !begun {
            return Err(format!(
                "the agent does not begin:\n{}",
                crate::user::tail(&person.log("agent.log"))
            )
            .into());
        }
    }

    let began = Instant::now();
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        let person = Rc::clone(&person);
        sessions.spawn_local(async move { connect(&person).await.unwrap_or_else(|error| error.to_string()) });
    }
    let ends = sessions.join_all().await;
    let took = began.elapsed();
    // A slow refresh may outlive the sessions that did not need it.
    let settled = replaced(
        &person,
        &grant.refresh_token,
        Duration::from_secs(if refresher.is_somebody() { 20 } else { 0 }),
    )
    .await;

    let mut report = Report::default();
    report.demand_eq("connected", ends.iter().filter(|end| *end == "connected").count(), SESSIONS);
    if let Some(other) = ends.iter().find(|end| *end != "connected") {
        report.figure("another session ended", other);
    }
    Traffic::of(&server).demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    report.figure("all sessions over after", format_args!("{:.1} s", took.as_secs_f64()));
    report.demand(
        "the store holds a good pair",
        settled.is_some_and(|pair| server.accepts(&pair.access_token)),
    );
    stop(refresher, &mut report).await;
    Ok(report)
}

/// A session that calls the tool once as soon as it can; says what became of the server in it.
async fn connect(person: &User) -> Fallible<String> {
    let mut session = Session::start(person)?;
    let turn = session.connect().await?;
    session.end().await?;
    Ok(if turn.is_good(1) || turn.server != "connected" {
        turn.server
    } else {
        format!("with {}", turn.errors.join("; "))
    })
}
