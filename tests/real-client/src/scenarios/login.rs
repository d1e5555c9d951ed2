//! A person logs in again while the old login is still good: the new one stands, and nobody uses up the old one meanwhile.

use super::menu::{Menu, get_used_to_it};
use super::{Bench, stop, tries};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::user::{Pair, User, tail};
use crate::{Fallible, plain_http, until};
use scripted_server::{Answer, Outcome, Script, Server, TokenState};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How long the persons take in their browsers, one after the other, in seconds.
const IN_THE_BROWSER: [u64; 10] = [1, 4, 2, 7, 3, 12, 20, 30, 45, 60];
/// The pause between two calls of the busy terminal.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a new login is looked at afterwards.
const AFTERWARDS: Duration = Duration::from_secs(8);
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How a person asks for the login.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// The control request of the SDK and of VS Code.
    Request,
    /// `/mcp`, Re-authenticate.
    Menu,
}

pub(super) async fn reauthenticate_by_request(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| Box::pin(reauthenticate(bench, number, Way::Request))).await
}

pub(super) async fn reauthenticate_by_menu(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| Box::pin(reauthenticate(bench, number, Way::Menu))).await
}

async fn reauthenticate(bench: Rc<Bench>, number: usize, way: Way) -> Fallible<Report> {
    let dwell = Duration::from_secs(IN_THE_BROWSER.get(number % IN_THE_BROWSER.len()).copied().unwrap_or(1));
    // A login may land while a request is under way; and a rotation is told late, so that a busy terminal meets a dead access token.
    let answer =
        Answer { after: Duration::from_millis(1500), ..Answer::default() }.before(Duration::from_millis(700));
    let server = Server::start(Script { old_access_dies: true, answer, ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::from_secs(3600));
    person.store_with_own_port(&grant)?;
    get_used_to_it(&person)?;
    let refresher = bench.start(&person)?;
    let mut busy = Session::start(&person)?;
    let first = busy.connect().await?;
    if !first.is_good(1) {
        return Err(format!("the busy terminal does not connect: {first:?}").into());
    }

    let over = Cell::new(false);
    let (calls, login) = tokio::join!(keep_busy(&mut busy, &over), async {
        let login = log_in(&person, &server, &grant.refresh_token, way, dwell).await;
        over.set(true);
        login
    });
    let mut report = Report::default();
    let login = login.unwrap_or_else(|error| {
        report.demand(&format!("the login ends well: {error}"), false);
        None
    });
    report.figure("calls", calls?);
    judge(&mut report, &server, &person, login.as_ref());
    report.demand_eq("by the agent", Traffic::of(&server).by_agent, 0);
    stop(refresher, &mut report).await;
    explain(report, &server, &person)
}

/// Calls the tool all the time, whatever comes back. Says how many calls were answered, and of how many.
async fn keep_busy(busy: &mut Session, over: &Cell<bool>) -> Fallible<String> {
    let (mut answered, mut made) = (0, 0);
    while !over.get() {
        let turn = busy.call(4, PAUSE).await?;
        answered += turn.answered;
        made += turn.answered + turn.errors.len();
        tokio::time::sleep(PAUSE).await;
    }
    Ok(format!("{answered} of {made} answered"))
}

/// The whole login; gives back the pair that landed in the store.
async fn log_in(
    person: &User,
    server: &Server,
    old: &str,
    way: Way,
    dwell: Duration,
) -> Fallible<Option<Pair>> {
    match way {
        Way::Request => {
            let mut editor = Session::start(person)?;
            let page = editor.authenticate().await?;
            demand_stub(person, old)?;
            tokio::time::sleep(dwell).await;
            plain_http::browse(&page).await?;
            let landed = landing(person, server, old).await;
            tokio::time::sleep(AFTERWARDS).await;
            drop(editor);
            Ok(landed)
        }
        Way::Menu => {
            let menu = Menu::open(person).await?;
            let page = menu.reauthenticate(person).await?;
            demand_stub(person, old)?;
            tokio::time::sleep(dwell).await;
            plain_http::browse(&page).await?;
            let landed = landing(person, server, old).await;
            tokio::time::sleep(AFTERWARDS).await;
            menu.close().await?;
            Ok(landed)
        }
    }
}

/// What the client leaves while the person is away; it is what the scenario is about. Mostly `expiresAt` 0 and the registration; where the
/// client takes its callback port for taken, as on a busy machine, it deletes the entry and begins with a new registration.
fn demand_stub(person: &User, old: &str) -> Fallible<()> {
    // Somebody who cannot leave it alone may have been here already.
    match person.pair() {
        Some(pair) if pair.refresh_token == old => {
            Err("the old login is still there when the new one begins".into())
        }
        _ => Ok(()),
    }
}

/// The first pair in the store that does not descend from the old login.
pub(super) async fn landing(person: &User, server: &Server, old: &str) -> Option<Pair> {
    let landed = || {
        person.pair().filter(|pair| {
            server.state_of(&pair.refresh_token) != TokenState::Unknown
                && !server.is_same_grant(&pair.refresh_token, old)
        })
    };
    until(PATIENCE, || landed().is_some()).await;
    landed()
}

/// The new login has landed, stands in the store, and lives at the server.
pub(super) fn judge(report: &mut Report, server: &Server, person: &User, login: Option<&Pair>) {
    let exchanged = server.count(|entry| entry.outcome == Outcome::Exchanged);
    report.demand_eq("logins", exchanged, 1);
    report.demand("the new login landed in the store", login.is_some());
    let stored = person.pair();
    let stands = |login: &Pair| {
        stored
            .as_ref()
            .is_some_and(|stored| server.is_same_grant(&stored.refresh_token, &login.refresh_token))
    };
    report.demand("the store holds the new login", login.is_some_and(stands));
    let lives = |pair: &Pair| {
        server.state_of(&pair.refresh_token) == TokenState::Current && server.accepts(&pair.access_token)
    };
    report.demand("what the store holds lives at the server", stored.as_ref().is_some_and(lives));
    report.demand_eq("families revoked", server.families_revoked(), 0);
}

/// With the traffic and the agent's words where something is not as it should be.
pub(super) fn explain(mut report: Report, server: &Server, person: &User) -> Fallible<Report> {
    if !report.unmet().is_empty() {
        let log = server.log();
        let began = log.first().map_or(0, |entry| entry.received_us);
        let lines =
            log.iter().filter(|entry| is_refresh(entry) || matches!(entry.outcome, Outcome::Exchanged));
        let lines: Vec<String> = lines
            .map(|entry| {
                let who = if is_by_agent(entry) { "agent" } else { "client" };
                let at = |us: u64| us.saturating_sub(began) as f64 / 1e6;
                format!(
                    "{who} {:.2} to {:.2} s {:?}",
                    at(entry.received_us),
                    at(entry.decided_us.unwrap_or(0)),
                    entry.outcome
                )
            })
            .collect();
        report.demand(&format!("\n  {}\n{}", lines.join("\n  "), tail(&person.log("agent.log"))), false);
    }
    Ok(report)
}

pub(super) async fn login_during_refresh(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| Box::pin(login_during(bench, number))).await
}

async fn login_during(bench: Rc<Bench>, number: usize) -> Fallible<Report> {
    // A login waits 5 s for the refresh lock and goes on without it: it lands before the answer, just before it, or after it.
    let endpoint = Duration::from_secs([12, 8, 5].get(number % 3).copied().unwrap_or(8));
    let next = [Answer::default().before(endpoint)].into();
    // A further one would show: the old access token dies long before the new one is known.
    let answer = Answer { after: Duration::from_secs(4), ..Answer::default() };
    // Where the answer comes before the login, the busy terminal could meet the moment between the rotation and the write, which is another
    // scenario's affair.
    let old_access_dies = endpoint > Duration::from_secs(5);
    let server = Server::start(Script { old_access_dies, next, answer, ..Script::default() })?;
    let person = bench.person(&server).await?;
    // A client does not refresh it by itself, the agent does at once.
    let grant = server.grant(Duration::from_secs(400));
    person.store_with_own_port(&grant)?;
    let mut busy = Session::start(&person)?;
    let first = busy.connect().await?;
    if !first.is_good(1) {
        return Err(format!("the busy terminal does not connect: {first:?}").into());
    }
    let refresher = bench.start(&person)?;
    let asked = || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0;
    let mut report = Report::default();
    if refresher.is_somebody() {
        until(PATIENCE, asked).await;
    }
    report.demand("the agent's request is under way", asked() || !refresher.is_somebody());

    let under_way = || server.count(|entry| is_refresh(entry) && entry.outcome == Outcome::Pending) > 0;
    let over = Cell::new(false);
    let (calls, (said, landed, when)) = tokio::join!(keep_busy(&mut busy, &over), async {
        let landing = async {
            let landed = landing(&person, &server, &grant.refresh_token).await;
            (landed, if under_way() { "before the answer" } else { "after the answer" })
        };
        let (said, (landed, when)) = tokio::join!(person.login(), landing);
        until(endpoint, || !under_way()).await;
        tokio::time::sleep(AFTERWARDS).await;
        over.set(true);
        (said, landed, when)
    });
    if let Err(error) = said {
        report.demand(&format!("the login ends well: {error}"), false);
    }
    report.figure("calls", calls?);
    report.figure("landed", when);
    judge(&mut report, &server, &person, landed.as_ref());
    report.demand_eq("by the agent", Traffic::of(&server).by_agent, usize::from(refresher.is_somebody()));
    stop(refresher, &mut report).await;
    explain(report, &server, &person)
}
