use crate::commands::doctor::facts::{Agent, Facts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::control::protocol::VERSION;
use crate::control::report::StoreStatus;
use crate::terminal::remedy::how_to_wake;

/// The daemon, its journal, and what it knows of the world.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &facts.agent {
        // What to do about it is the service's business.
        Agent::Stopped => findings.extend(without_socket(facts)),
        Agent::Silent { process, stopped } => findings.push(Finding::trouble(
            "agent-unreachable",
            Certain,
            format!(
                "the agent (process {process}{}) does not answer: nothing is refreshed before it expires",
                if *stopped { ", stopped by a signal" } else { "" }
            ),
            how_to_wake(*process, *stopped, Some(facts.service.is_some())).1,
        )),
        Agent::Unreachable(why) => findings.push(Finding::trouble(
            "agent-unreachable",
            Certain,
            format!("the agent does not answer: {why}"),
            facts.how_to_restart(),
        )),
        Agent::Runs(status, known) => {
            for store in status.stores.iter().filter(|store| !store.vanished.is_empty()) {
                let servers = store.vanished.clone();
                let finding = Finding::trouble(
                    "entries-vanished",
                    Likely,
                    format!(
                        "the logins of {} vanished from the store together, or with the login to Claude: you logged out of the \
                         account, or something replaced or emptied the document. The agent remembers them for a day",
                        servers.join(", ")
                    ),
                    "mcp-refreshd doctor --fix (it asks first); if you removed them yourself, do nothing",
                )
                .of_all(store.vanished.iter().map(String::as_str));
                let finding = Finding { path: Some(store.location.clone()), ..finding };
                findings.push(finding.fixed_by(Fix::Restore { store: store.location.clone(), servers }));
            }
            findings.extend(status.stores.iter().filter_map(gone));
            findings.extend(status.daemon.as_ref().and_then(|agent| other_version(&agent.version, facts)));
            findings.extend(known.as_ref().and_then(|known| proxies(facts, known)));
        }
    }
    findings.extend(journal(facts));
    findings
}

/// A folder in which no socket can be made has a finding of its own.
fn without_socket(facts: &Facts) -> Option<Finding> {
    let process = facts.unasked.filter(|_| facts.state_trouble.is_none())?;
    let means = format!(
        "the agent (process {process}) could make no control socket, as its log says: it refreshes, but cannot be asked"
    );
    let cure = format!("correct what its log says, then: {}", facts.how_to_restart());
    Some(Finding::trouble("agent-unreachable", Certain, means, cure))
}

/// The whole store was deleted while the agent watched it. Nothing can be restored before Claude Code writes another one.
fn gone(store: &StoreStatus) -> Option<Finding> {
    let names: Vec<_> = store.entries.iter().map(|entry| entry.name.as_str()).collect();
    if !store.absent || names.is_empty() {
        return None;
    }
    let means = "the store is gone, as after `claude auth logout`, and all logins with it; the agent remembers them for a day";
    let cure = "log in to Claude Code; then the agent offers to restore them (entries-vanished)";
    let finding = Finding::trouble("store-gone", Likely, means, cure).of_all(names);
    Some(Finding { path: Some(store.location.clone()), ..finding })
}

/// A journal that holds something is normal while a refresh runs, and while a pair that lost against another one is kept.
fn journal(facts: &Facts) -> Option<Finding> {
    let journal = facts.paths.state.join("journal");
    if facts.state_trouble.is_some() {
        // The folder has a finding of its own, with the same cause.
        return None;
    }
    if let Some(why) = &facts.journal_trouble {
        let means = format!("the journal cannot be read, so no refresh is started: {why}");
        let cure = "solve what the message names";
        return Some(Finding::trouble("journal-unreadable", Certain, means, cure));
    }
    let unsaved: Vec<_> = match &facts.agent {
        Agent::Runs(status, _) => status
            .stores
            .iter()
            .flat_map(|store| &store.entries)
            .filter_map(|entry| Some((entry.name.clone(), entry.unsaved.clone()?)))
            .collect(),
        _ => Vec::new(),
    };
    if let Some((server, why)) = unsaved.first() {
        let means = format!("a new token was obtained and cannot be written; the journal keeps it: {why}");
        let cure = "solve what the message names; the agent then writes it by itself";
        return Some(Finding::trouble("token-not-saved", Certain, means, cure).of(server));
    }
    (!facts.runs() && facts.journal_open > 0).then(|| {
        Finding::trouble(
            "journal-not-empty",
            Certain,
            format!(
                "{} interrupted; what was answered is safe in the journal",
                crate::terminal::wording::counted(facts.journal_open, "refresh was", "refreshes were")
            ),
            format!("{}; or once by hand: mcp-refreshd refresh", facts.how_to_start()),
        )
        .at(&journal)
    })
}

/// An upgrade puts the new program in its place and leaves the running one alone.
fn other_version(theirs: &str, facts: &Facts) -> Option<Finding> {
    (theirs != VERSION).then(|| {
        Finding::note(
            "agent-other-version",
            Certain,
            format!("the running agent is mcp-refreshd {theirs}, and this is {VERSION}: an upgrade does not restart it"),
            format!("{} (a refresh in flight finishes first)", facts.how_to_restart()),
        )
    })
}

fn proxies(facts: &Facts, known: &[String]) -> Option<Finding> {
    if facts.proxy_configured {
        return None;
    }
    let missing: Vec<_> =
        facts.proxies.iter().copied().filter(|name| !known.iter().any(|known| known == name)).collect();
    (!missing.is_empty()).then(|| {
        Finding::trouble(
            "proxy-unknown-to-agent",
            Likely,
            format!(
                "this shell sets a proxy ({}), and the running agent was started without it: its requests may not get out",
                missing.join(", ")
            ),
            "set `proxy` under [network] in the configuration; `mcp-refreshd install` takes the variables of this shell into it",
        )
        .at(&facts.paths.config)
    })
}
