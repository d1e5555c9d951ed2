//! A person logs in again at a server with a revocation endpoint (RFC 7009): the client revokes the tokens that the new login replaces, and
//! with an old refresh token goes whatever was obtained from it meanwhile.

use super::login::{PATIENCE, explain, judge, landing};
use super::menu::{Menu, get_used_to_it};
use super::{Bench, stop, tries};
use crate::refresher::Refresher;
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::{Pair, User};
use crate::{Fallible, plain_http, until};
use scripted_server::{Answer, Kind, Outcome, Script, Server};
use std::fs;
use std::rc::Rc;
use std::time::Duration;

/// How long the person takes in the browser.
const DWELL: Duration = Duration::from_secs(2);
/// How long a new login is looked at afterwards.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// How the person asks for the login.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// `claude mcp login`, which revokes first.
    Command,
    /// `/mcp`, Re-authenticate, which revokes when the new login is connected.
    Menu,
}

/// What the agent has on the wire meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Request {
    Nothing,
    /// The server looks at the token at the end.
    RotatesLast(Duration),
    /// It rotates at once and answers late.
    RotatesFirst(Duration),
}

pub(super) async fn login_that_revokes(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| {
        let slow = Duration::from_secs(if number < 6 { 9 } else { 15 });
        let (way, request) = match number % 6 {
            0 => (Way::Command, Request::RotatesFirst(slow)),
            1 => (Way::Menu, Request::RotatesFirst(slow)),
            2 => (Way::Command, Request::RotatesLast(slow)),
            3 => (Way::Menu, Request::RotatesLast(slow)),
            4 => (Way::Command, Request::Nothing),
            _ => (Way::Menu, Request::Nothing),
        };
        Box::pin(revokes(bench, way, request))
    })
    .await
}

async fn revokes(bench: Rc<Bench>, way: Way, request: Request) -> Fallible<Report> {
    let answer = match request {
        Request::Nothing => Answer::default(),
        Request::RotatesLast(slow) => Answer::default().before(slow),
        Request::RotatesFirst(slow) => Answer::default().after(slow),
    };
    let server = Server::start(Script { revocation: true, next: [answer].into(), ..Script::default() })?;
    let person = bench.person(&server).await?;
    // A client does not refresh it by itself; the agent does at once, or has no reason to.
    let left = Duration::from_secs(if request == Request::Nothing { 3600 } else { 400 });
    let grant = server.grant(left);
    person.store_with_own_port(&grant)?;
    get_used_to_it(&person)?;
    let mut other = Session::start(&person)?;
    if !other.connect().await?.is_good(1) {
        return Err("the other session does not connect".into());
    }
    let menu = if way == Way::Menu { Some(Menu::open(&person).await?) } else { None };
    let refresher = bench.start(&person)?;
    let mut report = Report::default();
    if request != Request::Nothing && refresher.is_somebody() {
        let asked = || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0;
        report.demand("the agent's request is under way", until(PATIENCE, asked).await);
    } else if refresher.is_somebody() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    let landed = match log_in(&person, &server, &grant.refresh_token, menu.as_ref()).await {
        Ok(landed) => landed,
        Err(error) => {
            report.demand(&format!("the login ends well: {error}"), false);
            None
        }
    };
    let answered = || server.count(|entry| is_refresh(entry) && entry.finished_us.is_none()) == 0;
    until(PATIENCE, answered).await;
    tokio::time::sleep(AFTERWARDS).await;
    // The other session takes the new login up.
    let turn = other.call(1, Duration::ZERO).await?;
    report.figure("the other session's next call", if turn.is_good(1) { "answered" } else { "not answered" });
    tokio::time::sleep(DWELL).await;

    judge(&mut report, &server, &person, landed.as_ref());
    judge_revocation(&mut report, &server, &person, &refresher, request).await?;
    if let Some(menu) = menu {
        menu.close().await?;
    }
    stop(refresher, &mut report).await;
    explain(report, &server, &person)
}

async fn log_in(
    person: &User,
    server: &Server,
    old: &str,
    menu: Option<&Menu<'_>>,
) -> Fallible<Option<Pair>> {
    match menu {
        None => {
            let (said, landed) = tokio::join!(person.login(), landing(person, server, old));
            said.map(|()| landed)
        }
        Some(menu) => {
            let page = menu.reauthenticate(person).await?;
            tokio::time::sleep(DWELL).await;
            plain_http::browse(&page).await?;
            let landed = landing(person, server, old).await;
            // It is said on the screen, and then the old tokens are revoked.
            until(PATIENCE, || revocations(server) > 0).await;
            Ok(landed)
        }
    }
}

fn revocations(server: &Server) -> usize {
    server.count(|entry| entry.kind == Kind::Revoke && entry.outcome == Outcome::Revoked)
}

async fn judge_revocation(
    report: &mut Report,
    server: &Server,
    person: &User,
    refresher: &Refresher,
    request: Request,
) -> Fallible<()> {
    report.figure("revocations", revocations(server));
    report.demand("the client revokes what it replaces", revocations(server) > 0);
    let traffic = Traffic::of(server);
    report.figure("refreshes by the client", traffic.by_client);
    if !refresher.is_somebody() {
        return Ok(());
    }
    report.demand_eq("by the agent", traffic.by_agent, usize::from(request != Request::Nothing));
    let log = server.log();
    let revoked = log.iter().filter(|entry| entry.outcome == Outcome::Revoked);
    let revoked = revoked.filter_map(|entry| entry.decided_us).min().unwrap_or(u64::MAX);
    let late = log.iter().filter(|entry| is_refresh(entry) && is_by_agent(entry));
    report.demand_eq("after the revocation", late.filter(|entry| entry.received_us > revoked).count(), 0);
    if let Some(state) = refresher.state().await? {
        report.demand_eq("state", state.as_str(), "fresh");
    }
    let said = fs::read_to_string(person.log("agent.log")).unwrap_or_default();
    report.demand("nobody is called for the old login", !said.contains("the login has ended"));
    Ok(())
}
