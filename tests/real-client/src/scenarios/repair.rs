//! What the client broke and the agent mends.

use super::{Bench, replaced, stop};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::Traffic;
use crate::{Fallible, until, user::SERVER};
use scripted_server::{Answer, ExpiresIn, Script, Server, Shape};
use serde_json::Value;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

/// A session met an endpoint that was down, and the client flagged the server: no new session would look at it for a while.
pub(super) async fn needs_auth_flag(bench: Rc<Bench>) -> Fallible<Report> {
    let server = Server::start(Script { answer: Answer::html(503), ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::ZERO);
    person.store(&grant)?;
    let mut session = Session::start(&person)?;
    let turned_away = session.connect().await?;
    session.end().await?;
    let flagged = || fs::read_to_string(person.needs_auth_cache()).is_ok_and(|flags| flags.contains(SERVER));
    if turned_away.is_good(1) || !flagged() {
        return Err(format!("the client did not flag the server: {turned_away:?}").into());
    }
    let by_client = Traffic::of(&server).by_client;

    server.answer_always(Answer::default());
    let refresher = bench.start(&person)?;
    if refresher.is_somebody() {
        replaced(&person, &grant.refresh_token, Duration::from_secs(20))
            .await
            .ok_or("the agent does not refresh")?;
        until(Duration::from_secs(2), || !flagged()).await;
    }
    let mut report = Report::default();
    report.demand("the flag is gone", !flagged());
    let mut session = Session::start(&person)?;
    let welcomed = session.connect().await?;
    session.end().await?;
    report.demand("the next session uses the server", welcomed.is_good(1));
    report.figure("the session before was", format_args!("{} ({} requests)", turned_away.server, by_client));
    report.figure("the next one is", &welcomed.server);
    let traffic = Traffic::of(&server);
    report.demand_eq("further requests by the client", traffic.by_client - by_client, 0);
    report.demand_eq("by the agent", traffic.by_agent, 1);
    stop(refresher, &mut report).await;
    Ok(report)
}

/// The client was told that a refresh token is dead which is not, and wiped the entry.
pub(super) async fn wipe_is_healed(bench: Rc<Bench>) -> Fallible<Report> {
    // The server's tokens die early, so that the client meets a 401 with a token that its store calls good for an hour.
    let lifetime = Duration::from_secs(8);
    let shape = Shape { expires_in: ExpiresIn::Exactly(3600.into()), ..Shape::default() };
    let server = Server::start(Script { lifetime, answer: Answer::shaped(shape), ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::ZERO);
    person.store(&grant)?;
    let refresher = bench.start(&person)?;
    let pair = if refresher.is_somebody() {
        replaced(&person, &grant.refresh_token, Duration::from_secs(20))
            .await
            .ok_or("the agent does not refresh")?
    } else {
        person.expire_in(Duration::from_secs(3600))?;
        person.pair().ok_or("no pair")?
    };
    let before = person.entry().ok_or("no entry")?;
    until(Duration::from_secs(20), || !server.accepts(&pair.access_token)).await;

    server.answer_next(Answer::error(400, "invalid_grant", "somebody was faster"));
    server.set(|script| script.lifetime = Duration::from_secs(3600));
    let wiped = || person.entry().filter(|entry| entry.get("expiresAt") == Some(&Value::from(0)));
    let (listed, wiped) = tokio::join!(person.claude(&["mcp", "list"]), async {
        until(Duration::from_secs(20), || wiped().is_some()).await;
        wiped()
    });
    listed?;
    let wiped = wiped.ok_or("the client wiped nothing")?;

    let patience = Duration::from_secs(if refresher.is_somebody() { 20 } else { 0 });
    until(patience, || person.pair().is_some()).await;
    let after = person.entry().unwrap_or_default();
    let mut report = Report::default();
    report.figure("the stub had", wiped.keys().map(String::as_str).collect::<Vec<_>>().join(" "));
    report.demand(
        "the entry has tokens again",
        person.pair().is_some_and(|pair| server.accepts(&pair.access_token)),
    );
    for member in ["clientId", "issuer", "redirectUri", "scope"] {
        report.demand(&format!("{member} is what it was"), after.get(member) == before.get(member));
    }
    report.demand("a client connects", person.connects().await?);
    let traffic = Traffic::of(&server);
    traffic.demand(&mut report, 1, 2);
    stop(refresher, &mut report).await;
    Ok(report)
}
