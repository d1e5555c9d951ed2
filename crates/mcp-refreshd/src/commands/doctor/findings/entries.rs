use super::logins;
use crate::commands::doctor::facts::{Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely, Possible};
use crate::commands::doctor::finding::Finding;
use crate::settings::config::HowToIgnore;
use crate::terminal::remedy::login;
use crate::terminal::wording::length;
use claude_store::ExpiresAt;
use compact::Map;
use oauth_secret::TokenDigest;
use refresh_engine::{EntryReport, Expiry, ObservedEntry, SHORT_LIFE, State};

/// The logins: each by itself, and all beside each other.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for store in &facts.stores {
        for (seen, report) in &store.entries {
            let of_entry = one(seen, report.as_ref(), store, facts);
            findings.extend(of_entry.into_iter().map(|f| f.of(&seen.entry.server_name).at(&store.path)));
        }
    }
    findings.extend(twins(facts));
    findings.extend(disagreeing(facts));
    findings
}

fn one(
    seen: &ObservedEntry,
    report: Option<&EntryReport>,
    store: &StoreFacts,
    facts: &Facts,
) -> Vec<Finding> {
    let name = &seen.entry.server_name;
    let place = store.path.to_string_lossy();
    let mut findings = Vec::new();
    if let Some(kind) = seen.entry.stub_kind() {
        findings.push(logins::stub(kind, seen, store, facts));
    } else if seen.refresh.is_none() {
        findings.push(logins::no_refresh_token(seen, store, facts));
    } else if let Some(need) = report.and_then(|report| report.need.as_ref()) {
        findings.push(logins::needs_login(need, name, &place));
    } else if seen.expiry.moment().is_some_and(|end| end <= facts.now)
        && !facts.waits_to_be_saved(seen)
        && store.is_writable()
        && !(facts.runs() && report.is_some_and(|report| report.state == State::Resting))
    {
        findings.push(logins::expired(seen, store, facts));
    }
    if store.refused.contains(name) {
        findings.push(logins::refused(seen, &place));
    }
    if !seen.entry.is_stub() {
        findings.extend(lifetime(seen, report));
        findings.extend(report.and_then(|report| report.narrowing.as_ref()).map(logins::narrowed));
        findings.extend(not_configured(seen, facts));
    }
    findings
}

fn lifetime(seen: &ObservedEntry, report: Option<&EntryReport>) -> Option<Finding> {
    seen.refresh?;
    if seen.expiry == Expiry::Unknown && seen.entry.expires_at == ExpiresAt::Absent {
        let means = "the server does not say how long its access tokens live, so Claude Code refreshes only after a refusal";
        let cure =
            "nothing; `keep_alive` in the configuration sets how often the agent refreshes such a login";
        return Some(Finding::note("unknown-expiry", Certain, means, cure).together(means, cure));
    }
    let report = report.filter(|report| report.lifetime_answered)?;
    let life = report.lifetime.filter(|life| *life < SHORT_LIFE)?;
    let follows = "and Claude Code itself refreshes 5 min before the expiry; the agent refreshes them while Claude Code is in use";
    let cure = "nothing; if you run the server, let its tokens live for an hour";
    let means = format!("its access tokens live only {}, {follows}", length(life));
    let together = format!("their access tokens live less than {}, {follows}", length(SHORT_LIFE));
    Some(Finding::note("short-lived-token", Certain, means, cure).together(together, cure))
}

fn not_configured(seen: &ObservedEntry, facts: &Facts) -> Option<Finding> {
    let name = &seen.entry.server_name;
    // What is ignored is ignored in every store: one configuration that names the server, or that is not known, is enough.
    let gone = |store: &StoreFacts| store.configs.as_ref().is_some_and(|configs| !configs.knows(name));
    // Servers of plugins stand in no configuration file.
    if !facts.stores.iter().all(gone) || name.starts_with("plugin:") {
        return None;
    }
    let file = facts.paths.config.display();
    // Where it can be pasted: below another table's head it would belong to that table.
    let (how, is_usual) = match facts.ignoring.of(name) {
        HowToIgnore::IsIgnored => return None,
        HowToIgnore::AtTheTop(line) => (format!("at the top of {file} add: `{line}`"), true),
        HowToIgnore::Below { head, line } => (format!("below {head} in {file} add: `{line}`"), false),
        HowToIgnore::Within { key, line } => {
            (format!("between the braces of {key} in {file} add: `{line}`"), false)
        }
        HowToIgnore::Instead { key, line } => (format!("set {key} in {file} to `{line}`"), false),
    };
    let finding = Finding::note(
        "server-not-configured",
        Possible,
        "no configuration of Claude Code names this server any more, though its login is kept fresh",
        format!("{IF_REMOVED}{how}"),
    );
    if !is_usual {
        return Some(finding);
    }
    Some(finding.together(
        "no configuration of Claude Code names these servers any more, though their logins are kept fresh",
        format!("{IF_REMOVED}at the top of {file} add: `servers.\"NAME\".ignore = true` (for each)"),
    ))
}

/// How the cure begins: they may be wanted.
const IF_REMOVED: &str = "if you removed it, let the agent ignore it; ";

/// Two entries with one refresh token: the first refresh of one spends the other's.
fn twins(facts: &Facts) -> Vec<Finding> {
    let mut holders: Map<TokenDigest, Vec<(&StoreFacts, &ObservedEntry)>> = Map::new();
    for store in &facts.stores {
        for (seen, _) in &store.entries {
            if let Some(refresh) = seen.refresh {
                holders.entry(refresh).or_default().push((store, seen));
            }
        }
    }
    let twins = holders.into_iter().filter_map(|(refresh, holders)| {
        let [(_, first), (store, second), ..] = holders.as_slice() else { return None };
        let (one, other) = (&first.entry.key, &second.entry.key);
        let name = &second.entry.server_name;
        let mut both = vec![first.entry.server_name.as_str(), name];
        both.dedup();
        Some(
            Finding::trouble(
                "same-refresh-token",
                Certain,
                format!(
                    "the entries {one} and {other} hold the same refresh token ({}): if the server rotates it, the first \
                     refresh of one ends the other",
                    refresh.fingerprint()
                ),
                login(name, &store.path.to_string_lossy()),
            )
            .of_all(both)
            .at(&store.path),
        )
    });
    twins.collect()
}

/// The same entry with a login in one store and without one in another.
fn disagreeing(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, store) in facts.stores.iter().enumerate() {
        for (seen, _) in store.entries.iter().filter(|(seen, _)| seen.entry.is_stub()) {
            let elsewhere =
                facts.stores.iter().enumerate().filter(|(other, _)| *other != number).find(|(_, other)| {
                    other
                        .entries
                        .iter()
                        .any(|(other, _)| other.entry.key == seen.entry.key && !other.entry.is_stub())
                });
            if let Some((_, other)) = elsewhere {
                findings.push(
                    Finding::note(
                        "stores-disagree",
                        Likely,
                        format!(
                            "this store holds no login for the server, and {} does: a login counts only for the store it \
                             was made in",
                            other.path.display()
                        ),
                        format!(
                            "{}, or use the other store",
                            login(&seen.entry.server_name, &store.path.to_string_lossy())
                        ),
                    )
                    .of(&seen.entry.server_name)
                    .at(&store.path),
                );
            }
        }
    }
    findings
}
