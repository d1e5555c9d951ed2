//! A session that lives through a refresh.

use super::{Bench, stop};
use crate::Fallible;
use crate::report::Report;
use crate::session::Session;
use crate::traffic::Traffic;
use scripted_server::{Script, Server};
use std::rc::Rc;
use std::time::Duration;

/// The login is a real one: what the client stores is what the agent finds in the field.
pub(super) async fn running_session_goes_on(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script::default())?;
    let person = bench.person(&server).await?;
    person.login().await?;
    let before = person.pair().ok_or("no pair after the login")?;
    let refresher = bench.start(&person)?;

    let mut session = Session::start(&person)?;
    let first = session.call(1, Duration::ZERO).await?;
    refresher.force(&person).await?;
    let after = person.pair().ok_or("no pair after the refresh")?;
    let second = session.call(1, Duration::ZERO).await?;
    session.end().await?;

    let traffic = Traffic::of(&server);
    let mut report = Report::default();
    report.demand("the call before the refresh is answered", first.is_good(1));
    report.demand("the call after the refresh is answered", second.is_good(1));
    report.demand("the pair was replaced", after.refresh_token != before.refresh_token);
    let used =
        |token: &str| server.count(|entry| entry.detail == "tools/call" && entry.bearer() == Some(token));
    report.demand_eq("calls with the old token", used(&before.access_token), 1);
    report.demand_eq("with the new one", used(&after.access_token), 1);
    traffic.demand(&mut report, 0, 1);
    report.demand_eq("401s", traffic.refused_calls, 0);
    stop(refresher, &mut report).await;
    Ok(report)
}
