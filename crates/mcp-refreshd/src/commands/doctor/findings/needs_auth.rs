use crate::commands::doctor::facts::{Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::terminal::wording::{length, quoted};
use jiff::Timestamp;
use std::time::Duration;

/// How long a flag keeps new sessions from a server (measured: after 14 min no request, after 16 min a connection).
const FLAG_KEPT: Duration = Duration::from_secs(15 * 60);

/// Servers that new sessions skip though their tokens are good.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    facts.concerned().flat_map(|store| of_store(store, facts.now)).collect()
}

fn of_store(store: &StoreFacts, now: Timestamp) -> Vec<Finding> {
    let cache = store.folder.needs_auth_path();
    let mut findings = Vec::new();
    if let Some(why) = &store.flags_trouble {
        let means = format!("Claude Code's list of servers to skip cannot be read: {why}");
        findings.push(
            Finding::trouble(
                "skip-list-unreadable",
                Certain,
                means,
                format!("rm {} (a cache that Claude Code makes anew)", quoted(&cache.display().to_string())),
            )
            .at(&cache),
        );
    }
    for (server, at) in &store.flagged {
        let since = Duration::try_from(now.duration_since(*at)).unwrap_or_default();
        let good = store.entries.iter().any(|(seen, _)| {
            seen.entry.server_name == *server
                && seen.access.is_some()
                && seen.expiry.moment().is_none_or(|end| end > now)
        });
        if since >= FLAG_KEPT || !good {
            continue;
        }
        let finding = Finding::trouble(
            "skipped-though-good",
            Certain,
            format!(
                "new sessions say \"Needs authentication\" for another {} without asking the server, because of a failure \
                 {} ago; the token is good",
                length(FLAG_KEPT.saturating_sub(since)),
                length(since)
            ),
            "mcp-refreshd doctor --fix; in a session that is already running: /mcp, Reconnect",
        );
        let fix = Fix::Unflag { cache: cache.clone(), server: server.clone() };
        findings.push(finding.of(server).at(&cache).fixed_by(fix));
    }
    findings
}
