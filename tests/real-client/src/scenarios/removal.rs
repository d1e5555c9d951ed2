//! What the user removed.

use super::{Bench, stop};
use crate::report::Report;
use crate::traffic::{Traffic, is_by_agent, is_refresh};
use crate::{Fallible, until};
use scripted_server::{Answer, Outcome, Script, Server};
use serde_json::Value;
use std::rc::Rc;
use std::time::Duration;

/// The user logs out while the agent's request is under way, and the client's next look leaves a stub.
pub(super) async fn logout_during_refresh(bench: Rc<Bench>) -> Fallible<Report> {
    // A logout and a list of the client must find room in it, also on a busy machine; the agent waits for 30 s.
    let endpoint = Duration::from_secs(15);
    let server = Server::start(Script { answer: Answer::default().before(endpoint), ..Script::default() })?;
    let person = bench.person(&server).await?;
    person.store(&server.grant(Duration::from_secs(360)))?;
    let refresher = bench.start(&person)?;
    let asked = || server.count(|entry| is_refresh(entry) && is_by_agent(entry)) > 0;
    let mut report = Report::default();
    if refresher.is_somebody() {
        until(Duration::from_secs(20), asked).await;
    }
    report.demand("the agent's request is under way", asked());

    let said = person.claude(&["mcp", "logout", "lab"]).await?;
    let tokens = |entry: &serde_json::Map<String, Value>| entry.get("refreshToken").is_some();
    report.demand(
        &format!("the logout removes the tokens (it said: {})", said.trim()),
        !person.entry().as_ref().is_some_and(tokens),
    );
    person.claude(&["mcp", "list"]).await?;
    let stub = person.entry();
    report.figure(
        "stub",
        stub.as_ref()
            .map_or_else(|| "none".to_owned(), |stub| stub.keys().cloned().collect::<Vec<_>>().join(" ")),
    );
    let under_way = server.count(|entry| is_refresh(entry) && entry.outcome == Outcome::Pending);
    report.demand_eq("still under way after logout and stub", under_way, 1);

    // Long enough for the answer, the write, and every second thought.
    let came_back =
        until(endpoint + Duration::from_secs(10), || person.entry().as_ref().is_some_and(tokens)).await;
    report.demand("the entry stays removed", !came_back);
    report.demand("nothing touches the stub", person.entry() == stub);
    Traffic::of(&server).demand(&mut report, 0, 1);
    stop(refresher, &mut report).await;
    Ok(report)
}
