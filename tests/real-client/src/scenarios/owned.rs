//! A server whose grant is in the agent's vault: `mcp-refreshd own`.

use super::{Bench, stop};
use crate::refresher::Refresher;
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::{SERVER, User};
use crate::{Fallible, until};
use scripted_server::{Answer, Script, Server, TokenState};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

const SESSIONS: usize = 5;
const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);

/// Five sessions start while the expired token of an owned server is being refreshed, and a sixth is killed in the middle of its start. Then the server is
/// given back.
pub(super) async fn owned_storm_expired(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script::default())?;
    let person = bench.person(&server).await?;
    person.store(&server.grant(HOUR))?;
    let refresher = started(&bench, &person).await?;
    let configuration = fs::read_to_string(configuration(&person))?;
    let mut report = Report::default();
    refresher.run(&["own", SERVER]).await?;
    report.demand("Claude Code's store holds no refresh token", person.pair().is_none());
    stop(refresher, &mut report).await;

    expire(&person)?;
    server.set(|script| script.answer = Answer::default().before(Duration::from_secs(3)));
    let refresher = bench.start(&person)?;
    until(PATIENCE, || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0).await;
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        let person = Rc::clone(&person);
        sessions.spawn_local(async move { connect(&person).await.unwrap_or_else(|error| error.to_string()) });
    }
    let mut killed = Session::start(&person)?;
    // Killed while it waits for its headers.
    let _ = tokio::time::timeout(Duration::from_millis(1500), killed.connect()).await;
    drop(killed);
    let ends = sessions.join_all().await;
    report.demand_eq("connected", ends.iter().filter(|end| *end == "connected").count(), SESSIONS);
    if let Some(other) = ends.iter().find(|end| *end != "connected") {
        report.figure("another session ended", other);
    }
    report.demand("claude mcp get connects", person.connects().await?);
    Traffic::of(&server).demand(&mut report, 0, 1);

    server.set(|script| script.answer = Answer::default());
    refresher.run(&["disown", SERVER]).await?;
    report.demand(
        "the configuration is as it was",
        servers(&fs::read_to_string(self::configuration(&person))?) == servers(&configuration),
    );
    report.demand("its login is back", person.pair().is_some_and(|pair| server.accepts(&pair.access_token)));
    report.demand("claude mcp get connects without the helper", person.connects().await?);
    Traffic::of(&server).demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// A session that began before the server was owned, by a server that kills the old token at each rotation.
pub(super) async fn owned_under_a_session(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script { old_access_dies: true, ..Script::default() })?;
    let person = bench.person(&server).await?;
    person.store(&server.grant(HOUR))?;
    let refresher = started(&bench, &person).await?;
    let mut report = Report::default();
    let mut session = Session::start(&person)?;
    report.demand("the session connects", session.connect().await?.is_good(1));
    refresher.run(&["own", SERVER]).await?;
    let turn = session.call(1, Duration::ZERO).await?;
    report.figure("its next call", if turn.is_good(1) { "succeeds" } else { "fails" });
    refresher.force(&person).await?;
    let turn = session.call(1, Duration::ZERO).await?;
    report.figure("its call after a rotation", if turn.is_good(1) { "succeeds" } else { "fails" });
    report.figure("its server then", &turn.server);
    session.end().await?;
    report.demand("another session connects", connect(&person).await? == "connected");
    let stub = person.entry().is_some();
    report.figure("Claude Code's store holds an entry again", if stub { "yes" } else { "no" });
    report.demand("no refresh token is in it", person.pair().is_none());
    report.figure("status", refresher.status().await?.pointer("/servers").cloned().unwrap_or_default());
    Traffic::of(&server).demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// A server is owned while a client's refresh is on the wire: a 401 makes it refresh without a lock, so that `own` cannot know. The
/// server has spent the refresh token that moves into the vault, and only the client gets the new one.
pub(super) async fn owned_while_a_client_refreshes(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script::default())?;
    let person = bench.person(&server).await?;
    let grant = server.grant(HOUR);
    let mut forgotten = grant.clone();
    forgotten.access_token = "at_forgotten".to_owned();
    person.store(&forgotten)?;
    let refresher = started(&bench, &person).await?;
    server.set(|script| script.answer = Answer::default().after(Duration::from_secs(4)));
    let client = {
        let person = Rc::clone(&person);
        tokio::task::spawn_local(async move {
            person.claude(&["mcp", "get", SERVER]).await.unwrap_or_else(|error| error.to_string())
        })
    };
    let by_client = || server.count(|entry| is_refresh(entry) && !is_by_agent(entry));
    if !until(PATIENCE, || by_client() > 0).await {
        return Err("the client does not refresh".into());
    }
    let mut report = Report::default();
    refresher.run(&["own", SERVER]).await?;
    report.demand_eq("requests by the client while it moved", by_client(), 1);
    report.demand("the vault holds the spent token", vaulted(&person)? == Some(grant.refresh_token.clone()));
    let said = client.await?;
    report.figure(
        "the client said",
        said.lines().find(|line| line.contains("Status")).unwrap_or("nothing").trim(),
    );
    server.set(|script| script.answer = Answer::default());
    let taken = || {
        vaulted(&person).ok().flatten().is_some_and(|token| server.state_of(&token) == TokenState::Current)
    };
    report.demand("the vault holds the client's new token", until(PATIENCE, taken).await);
    report.demand(
        "Claude Code's store holds no refresh token",
        until(PATIENCE, || person.pair().is_none()).await,
    );
    report.demand("it is refreshed from there", refresher.force(&person).await.is_ok());
    report.demand("a session connects", connect(&person).await? == "connected");
    Traffic::of(&server).demand(&mut report, 1, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// The refresh token in the vault.
fn vaulted(person: &User) -> Fallible<Option<String>> {
    let path = person.home().join(".local/state/mcp-refreshd/vault/.credentials.json");
    let document: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let entries = document.get("mcpOAuth").and_then(Value::as_object).ok_or("there is no vault")?;
    let token = entries.values().find_map(|entry| entry.get("refreshToken")?.as_str());
    Ok(token.map(str::to_owned))
}

/// The agent, once it can be asked.
pub(super) async fn started(bench: &Bench, person: &Rc<User>) -> Fallible<Refresher> {
    let refresher = bench.start(person)?;
    for _ in 0..100 {
        if refresher.status().await?.pointer("/daemon/running") == Some(&json!(true)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(refresher)
}

fn configuration(person: &User) -> PathBuf {
    person.home().join(".claude.json")
}

/// The client rewrites the rest of the file with every session.
fn servers(configuration: &str) -> Option<Value> {
    serde_json::from_str::<Value>(configuration).ok()?.get("mcpServers").cloned()
}

/// Lets the token in the vault expire while no agent runs.
pub(super) fn expire(person: &User) -> Fallible<()> {
    let path = person.home().join(".local/state/mcp-refreshd/vault/.credentials.json");
    let mut document: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let entries = document.get_mut("mcpOAuth").and_then(Value::as_object_mut).ok_or("the vault is empty")?;
    for entry in entries.values_mut().filter_map(Value::as_object_mut) {
        entry.insert("expiresAt".to_owned(), json!(1));
    }
    Ok(fs::write(path, document.to_string())?)
}

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
