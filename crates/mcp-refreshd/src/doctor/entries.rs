use super::Finding;
use super::facts::{Facts, StoreFacts};
use super::finding::Sure::{Certain, Likely, Possible};
use super::finding::Weight;
use crate::action;
use crate::words::{length, quoted};
use claude_store::{ExpiresAt, StubKind};
use jiff::Timestamp;
use oauth_secret::TokenDigest;
use refresh_engine::{EntryReport, Expiry, Need, SHORT_LIFE, Seen};
use std::collections::BTreeMap;
use std::time::Duration;

/// A login that nobody can refresh is trouble when it has no longer than this to live.
const FORETOLD: Duration = Duration::from_secs(24 * 60 * 60);

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

fn one(seen: &Seen, report: Option<&EntryReport>, store: &StoreFacts, facts: &Facts) -> Vec<Finding> {
    let name = &seen.entry.server_name;
    let login = format!("claude mcp login {}", quoted(name));
    let mut findings = Vec::new();
    if let Some(kind) = seen.entry.stub_kind() {
        findings.push(stub(kind, seen, store, facts.now, login));
    } else if seen.refresh.is_none() {
        findings.push(no_refresh_token(seen, facts.now, login));
    } else if let Some(need) = report.and_then(|report| report.need.as_ref()) {
        findings.push(needs_login(need, name));
    } else if seen.expiry.moment().is_some_and(|end| end <= facts.now) && !facts.waits_to_be_saved(seen) {
        findings.push(expired(seen, facts, name));
    }
    if store.refused.contains(name) {
        findings.push(refused(seen, name));
    }
    if !seen.entry.is_stub() {
        findings.extend(lifetime(seen, report));
        findings.extend(not_configured(seen, store));
    }
    findings
}

/// A login that is gone, told apart by what it left behind.
fn stub(kind: StubKind, seen: &Seen, store: &StoreFacts, now: Timestamp, login: String) -> Finding {
    let refused = seen.entry.discovery.tokenless_rejected_at;
    let refused = refused.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let written = store.stamp.and_then(|stamp| Timestamp::try_from(stamp.modified).ok());
    let since = match refused.or(written) {
        Some(at) => format!("{} ago or earlier", ago(at, now)),
        None => "at an unknown time".to_owned(),
    };
    match kind {
        StubKind::FailedRefresh => Finding::trouble(
            "login-wiped",
            Certain,
            format!(
                "a refresh by Claude Code failed for good and it threw the tokens away, {since}: the refresh token was dead, \
                 spent by another session, or the server forgot the registration"
            ),
            login,
        ),
        StubKind::LoggedOut => Finding::trouble(
            "not-logged-in",
            Certain,
            format!("there is no login: none was made yet, or a logout ended it, {since}"),
            login,
        ),
    }
}

fn no_refresh_token(seen: &Seen, now: Timestamp, login: String) -> Finding {
    let left = seen.expiry.moment().map(|end| Duration::try_from(end.duration_since(now)).ok());
    match left {
        None => Finding::note(
            "no-refresh-token",
            Certain,
            "the server gave an access token without an end and no refresh token; there is nothing to refresh",
            "nothing, unless the server refuses it; mcp-refreshd check --live asks",
        ),
        Some(left) => {
            let weight = match left {
                Some(left) if left > FORETOLD => Weight::Note,
                _ => Weight::Trouble,
            };
            let when = left.map_or("has ended".to_owned(), |left| format!("ends in {}", length(left)));
            Finding::weighing(
                weight,
                "no-refresh-token",
                Certain,
                format!(
                    "the server gave no refresh token, so nobody can refresh this login, which {when}. Some servers never give \
                     one; others do where the scope `offline_access` is asked for"
                ),
                format!("{login} (each time it ends)"),
            )
        }
    }
}

/// What only a new login mends, each cause by its own name: they are easily confused.
fn needs_login(need: &Need, name: &str) -> Finding {
    let (finding, more) = match need {
        Need::Dead { .. } => {
            ("login-ended", "the server says that the stored refresh token will never work again")
        }
        Need::ClientDead { .. } => {
            ("registration-gone", "the login failed because of the registration, not because of the token")
        }
        Need::Refused { .. } => ("refresh-refused", "the server does not say that the login has ended"),
        Need::Spent => (
            "token-spent",
            "sessions that refreshed at the same time overwrote each other, or a backup was restored",
        ),
        Need::EndpointMoved { .. } => ("endpoint-moved", "nothing was sent to the new place"),
        Need::NoEndpoint { .. } => ("no-token-endpoint", "so there is nowhere to refresh"),
        Need::NoServerUrl => ("entry-without-server", "so there is nowhere to refresh"),
        Need::NoRefreshToken => ("no-refresh-token", "so nobody can refresh it"),
        Need::Stub => ("not-logged-in", "the entry holds no token"),
    };
    Finding::trouble(
        finding,
        Certain,
        format!("{}; {more}", action::why(need)),
        action::what_to_type(need, name),
    )
}

/// The look-alike: Claude Code may call this "Token expired without refresh token".
fn expired(seen: &Seen, facts: &Facts, name: &str) -> Finding {
    let refresh = seen.refresh.map(|refresh| refresh.fingerprint().to_string()).unwrap_or_default();
    let why = if facts.runs() {
        "the agent has not been able to refresh it yet; `mcp-refreshd status` says why"
    } else {
        "nobody refreshed it, because the agent does not run"
    };
    Finding::trouble(
        "expired-but-refreshable",
        Certain,
        format!(
            "the access token has ended, and a refresh token is stored (fingerprint {refresh}), whatever Claude Code says \
             (\"Token expired without refresh token\", \"Needs authentication\"): {why}"
        ),
        format!("mcp-refreshd refresh {}", quoted(name)),
    )
}

/// The look-alike: `/mcp` and Reconnect says success then, and refreshes nothing.
fn refused(seen: &Seen, name: &str) -> Finding {
    let cure = match seen.refresh {
        Some(_) => format!("mcp-refreshd refresh {} --force", quoted(name)),
        None => format!("claude mcp login {}", quoted(name)),
    };
    Finding::trouble(
        "refused-though-good",
        Certain,
        "the server answers 401 to a token that the store calls good: it was revoked there. `/mcp` and Reconnect may say \
         success all the same; it refreshes nothing",
        cure,
    )
}

fn lifetime(seen: &Seen, report: Option<&EntryReport>) -> Option<Finding> {
    seen.refresh?;
    if seen.expiry == Expiry::Unknown && seen.entry.expires_at == ExpiresAt::Absent {
        return Some(Finding::note(
            "unknown-expiry",
            Certain,
            "the server does not say how long its access tokens live, so Claude Code refreshes only after a refusal",
            "nothing; `keep_alive` in the configuration sets how often the agent refreshes such a login",
        ));
    }
    let life = report?.lifetime.filter(|life| *life < SHORT_LIFE)?;
    Some(Finding::note(
        "short-lived-token",
        Certain,
        format!(
            "its access tokens live {} only, near the 5 min before the end at which Claude Code refreshes by itself; the \
             agent refreshes them while Claude Code is in use",
            length(life)
        ),
        "nothing; if you run the server, let its tokens live for an hour",
    ))
}

fn not_configured(seen: &Seen, store: &StoreFacts) -> Option<Finding> {
    let name = &seen.entry.server_name;
    let configs = store.configs.as_ref()?;
    // Servers of plugins stand in no configuration file.
    if configs.knows(name) || name.starts_with("plugin:") {
        return None;
    }
    Some(Finding::note(
        "server-not-configured",
        Possible,
        "no configuration of Claude Code names this server any more, though its login is kept fresh",
        format!(
            "if you removed the server, tell the agent to leave it alone: [servers.{}] ignore = true",
            toml::Value::String(name.clone())
        ),
    ))
}

/// Two entries with one refresh token: the first refresh of one spends the other's.
fn twins(facts: &Facts) -> Vec<Finding> {
    let mut holders: BTreeMap<TokenDigest, Vec<(&StoreFacts, &Seen)>> = BTreeMap::new();
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
        Some(
            Finding::trouble(
                "same-refresh-token",
                Certain,
                format!(
                    "the entries {one} and {other} hold the same refresh token ({}): where the server gives a new one at \
                     each refresh, the first refresh of one ends the other",
                    refresh.fingerprint()
                ),
                format!("claude mcp login {} (in the second place)", quoted(name)),
            )
            .of(name)
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
                        "log in with CLAUDE_CONFIG_DIR set to this store's folder, or use the other store",
                    )
                    .of(&seen.entry.server_name)
                    .at(&store.path),
                );
            }
        }
    }
    findings
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(at).try_into().unwrap_or_default())
}
