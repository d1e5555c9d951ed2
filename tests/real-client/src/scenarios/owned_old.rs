//! Owned servers with several versions of the client at once: a version without locks, or without most of them, can lose no login that it
//! does not hold.

use super::owned::{expire, started};
use super::{Bench, stop};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::{SECOND, SERVER, User};
use crate::{Fallible, until};
use scripted_server::{Answer, Entry, Script, Server, Site};
use serde_json::json;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);
/// Sessions at once; two waves of them.
const SESSIONS: usize = 5;

/// A person with two owned servers.
async fn owner(bench: &Bench, lab: &Site, second: &Site, report: &mut Report) -> Fallible<Rc<User>> {
    let person = Rc::new(User::with_servers(&bench.machine, &[(SERVER, lab), (SECOND, second)]).await?);
    let (one, other) = (lab.grant(HOUR), second.grant(HOUR));
    person.write(
        &json!({"mcpOAuth": {one.key(SERVER): one.entry(SERVER), other.key(SECOND): other.entry(SECOND)}}),
    )?;
    let refresher = started(bench, &person).await?;
    refresher.run(&["own", "--all"]).await?;
    stop(refresher, report).await;
    Ok(person)
}

/// The client under test and the older ones, in turn.
fn clients(bench: &Bench) -> impl Iterator<Item = PathBuf> {
    let mut all = bench.old_clients.clone();
    all.push(bench.machine.client.clone());
    all.into_iter().cycle()
}

pub(super) async fn owned_beside_old_clients(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script::default())?;
    let second = server.add(SECOND, Script::default());
    let mut report = Report::default();
    let person = owner(&bench, &server, &second, &mut report).await?;
    let mut ends = Vec::new();
    let mut turn = clients(&bench);
    for wave in 1..=2_usize {
        expire(&person)?;
        for site in [&*server, &second] {
            site.set(|script| script.answer = Answer::default().before(Duration::from_secs(3)));
        }
        let refresher = bench.start(&person)?;
        // It paces itself: ten seconds after the last.
        let of_lab = |entry: &Entry| entry.site.is_empty() && is_refresh(entry) && is_by_agent(entry);
        let asked = || server.count(of_lab) >= wave;
        if !until(PATIENCE, asked).await {
            return Err("the agent does not begin".into());
        }
        let mut sessions = JoinSet::new();
        for client in turn.by_ref().take(SESSIONS) {
            let person = Rc::clone(&person);
            sessions.spawn_local(async move {
                connect(&person, client).await.unwrap_or_else(|error| error.to_string())
            });
        }
        // Killed while it waits for its headers.
        let mut killed = Session::start_other(&person, &turn.next().ok_or("there is no client")?)?;
        let _ =
            tokio::time::timeout(Duration::from_millis(700 * u64::try_from(wave)?), killed.connect()).await;
        drop(killed);
        ends.extend(sessions.join_all().await);
        stop(refresher, &mut report).await;
    }
    report.figure("versions", bench.old_clients.len() + 1);
    report.demand_eq("connected", ends.iter().filter(|end| *end == "connected").count(), 2 * SESSIONS);
    if let Some(other) = ends.iter().find(|end| *end != "connected") {
        report.figure("another session ended", other);
    }
    for site in [&*server, &second] {
        // One in each wave.
        Traffic::of(site).demand(&mut report, 0, 2);
    }
    report.demand_eq("families revoked", server.families_revoked() + second.families_revoked(), 0);
    report.demand("Claude Code's store holds no refresh token", !has_refresh_token(&person));
    Ok(report)
}

/// A session that calls the tools of both servers as soon as it can.
async fn connect(person: &User, client: PathBuf) -> Fallible<String> {
    let mut session = Session::start_other(person, &client)?;
    session.connect().await?;
    let mut turn = session.call(2, Duration::ZERO).await?;
    if turn.server == "pending" {
        turn = session.call(2, Duration::ZERO).await?;
    }
    session.end().await?;
    Ok(if turn.is_good(2) {
        "connected".to_owned()
    } else {
        format!("{}: {} with {}", client.display(), turn.server, turn.errors.join("; "))
    })
}

pub(super) async fn owned_over_a_rotation(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script { old_access_dies: true, ..Script::default() })?;
    let second = server.add(SECOND, Script::default());
    let mut report = Report::default();
    let person = owner(&bench, &server, &second, &mut report).await?;
    let refresher = started(&bench, &person).await?;
    let number = bench.old_clients.len() + 1;
    for (index, client) in clients(&bench).take(number).enumerate() {
        let mut session = Session::start_other(&person, &client)?;
        report.demand(&format!("client {index} connects"), session.connect().await?.is_good(1));
        refresher.force(&person).await?;
        let turn = session.call(2, Duration::ZERO).await?;
        let (goes_on, newest) = (turn.is_good(2), index + 1 == number);
        if newest {
            report.demand("the newest goes on", goes_on);
        } else {
            report.figure(
                &format!("client {index} then"),
                if goes_on { "goes on" } else { "has to reconnect" },
            );
        }
        session.end().await?;
        let again = connect(&person, client).await?;
        report.demand(&format!("client {index} connects again: {again}"), again == "connected");
    }
    Traffic::of(&server).demand(&mut report, 0, number);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    report.demand("Claude Code's store holds no refresh token", !has_refresh_token(&person));
    stop(refresher, &mut report).await;
    Ok(report)
}

fn has_refresh_token(person: &User) -> bool {
    person.document().is_some_and(|document| document.to_string().contains("refreshToken"))
}
