//! One login in two storage folders, as a copied or restored home has it.

use super::{Bench, stop, tries};
use crate::report::Report;
use crate::traffic::Traffic;
use crate::user::Pair;
use crate::{Fallible, until};
use scripted_server::{Script, Server};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

pub(super) async fn copied_store(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| Box::pin(copied(bench, number))).await
}

async fn copied(bench: Rc<Bench>, number: usize) -> Fallible<Report> {
    // Expired, or only due.
    let left = Duration::from_secs(if number.is_multiple_of(2) { 0 } else { 360 });
    let server = Server::start(Script { old_access_dies: true, ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(left);
    person.store(&grant)?;
    let (first, second) = (person.home().join(".claude"), person.home().join("copy"));
    fs::create_dir(&second)?;
    fs::copy(person.credentials(), second.join(".credentials.json"))?;
    fs::copy(person.home().join(".claude.json"), second.join(".claude.json"))?;
    let configuration = person.home().join(".config/mcp-refreshd");
    fs::create_dir_all(&configuration)?;
    let stores = format!("stores = [\"{}\", \"{}\"]\n", first.display(), second.display());
    fs::write(configuration.join("config.toml"), stores)?;

    let refresher = bench.start(&person)?;
    let is_fresh = |folder: &Path| {
        pair_in(folder).is_some_and(|pair| {
            server.accepts(&pair.access_token) && pair.refresh_token != grant.refresh_token
        })
    };
    let patience = Duration::from_secs(if refresher.is_somebody() { 15 } else { 0 });
    until(patience, || is_fresh(&first) && is_fresh(&second)).await;
    // Long enough for a second request that nobody needs.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let mut report = Report::default();
    for (folder, name) in [(&first, "first"), (&second, "second")] {
        report.demand(&format!("the {name} folder is fresh"), is_fresh(folder));
        let mut command = person.client(&["mcp", "get", crate::user::SERVER]);
        if name == "second" {
            command.env("CLAUDE_CONFIG_DIR", folder);
        }
        // It would refresh what is not fresh, and spoil the count.
        if is_fresh(folder) {
            let said = crate::user::finish(command, "claude mcp get").await?;
            report.demand(&format!("a client of the {name} folder connects"), said.contains("✔ Connected"));
        }
    }
    report.demand("both hold one pair", pair_in(&first) == pair_in(&second));
    Traffic::of(&server).demand(&mut report, 0, 1);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    let status = refresher.status().await?;
    let servers = status.get("servers").and_then(Value::as_array).cloned().unwrap_or_default();
    if refresher.is_somebody() && !status.is_null() {
        report.demand_eq("servers in the status", servers.len(), 2);
    }
    for server in &servers {
        let text = |member: &str| server.get(member).and_then(Value::as_str).unwrap_or("none").to_owned();
        let fresh = text("store").contains("/copy") && is_fresh(&second)
            || text("store").contains("/.claude") && is_fresh(&first);
        report.demand(
            &format!("the status of {} is true ({})", text("store"), text("state")),
            fresh == (text("state") == "fresh"),
        );
    }
    stop(refresher, &mut report).await;
    Ok(report)
}

fn pair_in(folder: &Path) -> Option<Pair> {
    let document: Value = serde_json::from_slice(&fs::read(folder.join(".credentials.json")).ok()?).ok()?;
    Pair::of(document.get("mcpOAuth")?.as_object()?.values().next()?.as_object()?)
}
