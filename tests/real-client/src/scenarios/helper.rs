//! Sessions that never see a refresh token: Claude Code's `headersHelper` is `mcp-refreshd headers`.

use super::{Bench, replaced, stop};
use crate::refresher::Choice;
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::{SERVER, User};
use crate::{Fallible, until};
use scripted_server::{Answer, Script, Server};
use serde_json::{Value, json};
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SESSIONS: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);

/// Configures the helper; without an agent there is none, and the client is on its own.
fn configure(bench: &Bench, person: &User) -> Fallible<()> {
    let Choice::Agent(program) = &bench.refresher else { return Ok(()) };
    let path = person.home().join(".claude.json");
    let mut configuration: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let server = configuration.pointer_mut(&format!("/mcpServers/{SERVER}")).and_then(Value::as_object_mut);
    let server = server.ok_or("the client did not add the server")?;
    server.insert("headersHelper".to_owned(), json!(format!("'{}' headers", program.display())));
    Ok(fs::write(path, configuration.to_string())?)
}

pub(super) async fn helper_storm_expired(bench: Rc<Bench>) -> Fallible<Report> {
    storm(bench, Duration::from_secs(3), &[]).await
}

/// Longer than the helper waits: it hands out the old token, the server refuses that, and the session's second question waits for the new one.
pub(super) async fn helper_storm_slow_endpoint(bench: Rc<Bench>) -> Fallible<Report> {
    storm(bench, Duration::from_secs(9), &[]).await
}

/// Beside them sessions that are killed while they start, at every step of it.
pub(super) async fn helper_sessions_killed(bench: Rc<Bench>) -> Fallible<Report> {
    storm(bench, Duration::from_secs(3), &[300, 700, 1100, 1500, 1900, 2300, 2700, 3100, 3500, 3900]).await
}

/// The sessions start when the agent's request is on the wire; others are killed after so many milliseconds.
async fn storm(bench: Rc<Bench>, endpoint: Duration, killed: &[u64]) -> Fallible<Report> {
    let answer = Answer::default().before(endpoint);
    let server = Server::start(Script { answer, ..Script::default() })?;
    let person = bench.person(&server).await?;
    configure(&bench, &person)?;
    let grant = server.grant(Duration::ZERO);
    person.store(&grant)?;
    let refresher = bench.start(&person)?;
    let patience = Duration::from_secs(if refresher.is_somebody() { 20 } else { 0 });
    until(patience, || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0).await;

    let began = Instant::now();
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        let person = Rc::clone(&person);
        sessions.spawn_local(async move { connect(&person).await.unwrap_or_else(|error| error.to_string()) });
    }
    let mut doomed = JoinSet::new();
    for after in killed.iter().copied().map(Duration::from_millis) {
        let person = Rc::clone(&person);
        doomed.spawn_local(async move {
            let session = Session::start(&person).map_err(|error| error.to_string());
            tokio::time::sleep(after).await;
            // Dropping it kills it.
            drop(session);
        });
    }
    let ends = sessions.join_all().await;
    doomed.join_all().await;
    let took = began.elapsed();
    let settled = replaced(&person, &grant.refresh_token, patience).await;

    let mut report = Report::default();
    report.demand_eq("connected", ends.iter().filter(|end| *end == "connected").count(), SESSIONS);
    if let Some(other) = ends.iter().find(|end| *end != "connected") {
        report.figure("another session ended", other);
    }
    let traffic = Traffic::of(&server);
    traffic.demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    report.figure("401s", traffic.refused_calls);
    report.figure("all sessions over after", format_args!("{:.1} s", took.as_secs_f64()));
    report.demand(
        "the store holds a good pair",
        settled.is_some_and(|pair| server.accepts(&pair.access_token)),
    );
    stop(refresher, &mut report).await;
    Ok(report)
}

/// The server kills the old access token at each rotation, and the session learns of it by a 401.
pub(super) async fn helper_over_three_rotations(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script { old_access_dies: true, ..Script::default() })?;
    let person = bench.person(&server).await?;
    configure(&bench, &person)?;
    person.store(&server.grant(HOUR))?;
    let refresher = bench.start(&person)?;
    let mut session = Session::start(&person)?;
    let first = session.connect().await?;
    let mut report = Report::default();
    report.demand("the session connects", first.is_good(1));
    for rotation in 1..=3_usize {
        // Without an agent nobody rotates: the token is replaced by a server that forgets it.
        if refresher.is_somebody() {
            refresher.force(&person).await?;
        } else {
            person.store(&server.grant(Duration::ZERO))?;
        }
        let refused = Traffic::of(&server).refused_calls;
        let turn = session.call(1, Duration::ZERO).await?;
        report.demand(&format!("rotation {rotation}: the session goes on"), turn.is_good(1));
        let now = Traffic::of(&server).refused_calls;
        report.demand_eq(&format!("rotation {rotation}: 401s"), now - refused, 1);
    }
    session.end().await?;
    Traffic::of(&server).demand(&mut report, 0, 3);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// The server forgets the access token long before its end. The agent cannot know; the session's second question tells it.
pub(super) async fn helper_token_refused(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script::default())?;
    let person = bench.person(&server).await?;
    configure(&bench, &person)?;
    let grant = server.grant(HOUR);
    let mut forgotten = grant.clone();
    forgotten.access_token = "at_forgotten".to_owned();
    person.store(&forgotten)?;
    let refresher = bench.start(&person)?;
    let mut session = Session::start(&person)?;
    let began = Instant::now();
    let mut turn = session.connect().await?;
    while !turn.is_good(1) && began.elapsed() < Duration::from_secs(20) {
        turn = session.call(1, Duration::ZERO).await?;
    }
    let took = began.elapsed();
    session.end().await?;
    let traffic = Traffic::of(&server);
    let mut report = Report::default();
    report.demand("the session connects", turn.is_good(1));
    report.figure("after", format_args!("{:.1} s", took.as_secs_f64()));
    report.figure("401s", traffic.refused_calls);
    traffic.demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// A session that calls the tool once as soon as it can; says what became of the server in it.
async fn connect(person: &User) -> Fallible<String> {
    let mut session = Session::start(person)?;
    let began = Instant::now();
    let mut turn = session.connect().await?;
    // After a refused connect the client runs the helper again by itself, and says "failed" meanwhile.
    while turn.server == "failed" && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        turn = session.connect().await?;
    }
    session.end().await?;
    Ok(if turn.is_good(1) || turn.server != "connected" {
        turn.server
    } else {
        format!("with {}", turn.errors.join("; "))
    })
}
