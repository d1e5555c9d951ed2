//! Logins that are gone, ended, or cannot be refreshed: Claude Code shows them all as "Needs authentication".

use crate::commands::doctor::facts::{Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::finding::Severity;
use crate::terminal::remedy::{self, refresh_by_force};
use crate::terminal::wording::{length, visible};
use claude_store::StubKind;
use jiff::Timestamp;
use refresh_engine::{Narrowing, Need, ObservedEntry};
use std::time::Duration;
use token_endpoint::RefreshOffer;

/// A login that nobody can refresh is trouble when it has no longer than this to live.
const FORETOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// The scope that asks for a refresh token (OpenID Connect Core, section 11).
const OFFLINE_ACCESS: &str = "offline_access";

fn login(seen: &ObservedEntry, store: &StoreFacts) -> String {
    remedy::login(&seen.entry.server_name, &store.path.to_string_lossy())
}

/// A login that is gone, told apart by what it left behind.
pub(super) fn stub(kind: StubKind, seen: &ObservedEntry, store: &StoreFacts, facts: &Facts) -> Finding {
    let now = facts.now;
    let past = facts.past_of(store, seen);
    let refused = seen.entry.discovery.tokenless_rejected_at;
    let refused = refused.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let written = store.stamp.and_then(|stamp| Timestamp::try_from(stamp.modified).ok());
    let since = match (past.ended_at, refused.or(written)) {
        (Some(at), _) => format!("{} ago", ago(at, now)),
        (None, Some(at)) => format!("{} ago or earlier", ago(at, now)),
        (None, None) => "at an unknown time".to_owned(),
    };
    let (name, sure, means) = match kind {
        StubKind::FailedRefresh if past.collided.is_some() => (
            "sessions-collided",
            Likely,
            format!(
                "sessions refreshed at the same time and overwrote each other: new tokens were written, and {} later another \
                 session, whose refresh had failed, threw them away, {since}",
                length(past.collided.unwrap_or_default())
            ),
        ),
        // The client takes the registration out with the tokens when it was refused, and only then (measured).
        StubKind::FailedRefresh if seen.entry.client_id.is_none() => (
            "registration-gone",
            Likely,
            format!(
                "a refresh by Claude Code failed because the server no longer knew its registration, and it threw that away \
                 with the tokens, {since}"
            ),
        ),
        StubKind::FailedRefresh => (
            "login-wiped",
            Certain,
            format!(
                "a refresh by Claude Code failed for good and it threw the tokens away, {since}: the refresh token was dead, \
                 or spent by another session"
            ),
        ),
        StubKind::LoggedOut if past.had_login => {
            ("not-logged-in", Certain, format!("there is no login: a logout ended it, {since}"))
        }
        StubKind::LoggedOut => (
            "not-logged-in",
            Certain,
            format!("there is no login: none was made yet, or a logout ended it, {since}"),
        ),
    };
    Finding::trouble(name, sure, means, login(seen, store))
}

pub(super) fn no_refresh_token(seen: &ObservedEntry, store: &StoreFacts, facts: &Facts) -> Finding {
    let left = seen.expiry.moment().map(|end| Duration::try_from(end.duration_since(facts.now)).ok());
    let Some(left) = left else {
        let means = "the server issued an access token of unknown expiry and no refresh token; there is nothing to refresh";
        let cure = "nothing, unless the server refuses it: mcp-refreshd check --live asks";
        return Finding::note("no-refresh-token", Certain, means, cure).together(means, cure);
    };
    let severity = match left {
        Some(left) if left > FORETOLD => Severity::Note,
        _ => Severity::Trouble,
    };
    let when = left.map_or("has expired".to_owned(), |left| format!("expires in {}", length(left)));
    let issued_none =
        format!("the server issued no refresh token, so this login cannot be refreshed; it {when}");
    let offer = seen.entry.server_url.as_ref().and_then(|url| facts.offers.get(url));
    let scoped = seen.entry.scope.iter().any(|scope| scope.split(' ').any(|scope| scope == OFFLINE_ACCESS));
    let (name, means) = match offer {
        Some(RefreshOffer { refresh_token: Some(false), .. }) => (
            "server-without-refresh",
            format!(
                "{issued_none}. Its metadata says that it issues none at all: each login ends with its access token"
            ),
        ),
        Some(RefreshOffer { offline_access: true, .. }) if !scoped => (
            "no-refresh-token",
            format!(
                "{issued_none}. Its metadata offers the scope `{OFFLINE_ACCESS}`, which this login does not have: servers that \
                 offer it issue refresh tokens to clients that ask for it"
            ),
        ),
        Some(RefreshOffer { refresh_token: Some(true), .. }) => (
            "no-refresh-token",
            format!("{issued_none}. Its metadata says that it issues them, though not for this login"),
        ),
        _ => (
            "no-refresh-token",
            format!(
                "{issued_none}. Some servers never issue one; others do if the scope `{OFFLINE_ACCESS}` is requested"
            ),
        ),
    };
    Finding::new(severity, name, Certain, means, format!("{} (each time it expires)", login(seen, store)))
}

/// What only a new login solves, each cause by its own name: they are easily confused.
pub(super) fn needs_login(need: &Need, name: &str, store: &str) -> Finding {
    let (finding, more) = match need {
        Need::Dead { .. } => (
            "login-ended",
            "the server says that the stored refresh token will never work again. Some servers say the same when they have \
                 forgotten the client: if the next login ends like this, run `claude mcp logout` before it",
        ),
        Need::ClientDead { .. } => (
            "registration-gone",
            "the login failed because of the registration, not because of the token. If it comes back after logout and login, \
                 the server lets no client of this kind refresh: only its operator can change that",
        ),
        Need::Refused { .. } => ("refresh-refused", "the server does not say that the login has ended"),
        Need::ServerFails { .. } => ("server-fails", "nothing on this machine can solve that"),
        Need::Spent => (
            "token-spent",
            "sessions that refreshed at the same time overwrote each other, or a backup was restored",
        ),
        Need::EndpointMoved { .. } => ("endpoint-moved", "nothing was sent to the new endpoint"),
        Need::NoEndpoint { .. } => ("no-token-endpoint", "so there is nowhere to refresh"),
        Need::NoServerUrl => ("entry-without-server", "so there is nowhere to refresh"),
        Need::NoRefreshToken => ("no-refresh-token", "it cannot be refreshed"),
        Need::Stub => ("not-logged-in", "the entry holds no token"),
    };
    Finding::trouble(
        finding,
        Certain,
        format!("{}; {more}", remedy::why(need)),
        remedy::what_to_type(need, name, store),
    )
}

/// Tools that need what is missing fail, and Claude Code then asks for a new login.
pub(super) fn narrowed(narrowing: &Narrowing) -> Finding {
    let cure = if narrowing.in_vain {
        "a new login, if something of the server no longer works"
    } else {
        "nothing yet: the next refresh asks for what the login had"
    };
    Finding::note("scope-narrowed", Certain, visible(&narrowing.wording()), cure)
}

/// The look-alike: Claude Code may call this "Token expired without refresh token".
pub(super) fn expired(seen: &ObservedEntry, store: &StoreFacts, facts: &Facts) -> Finding {
    const NAME: &str = "expired-but-refreshable";
    let refresh = seen.refresh.map(|refresh| refresh.fingerprint().to_string()).unwrap_or_default();
    if let Some(detail) = facts.tried_again(store, seen) {
        let means = format!(
            "the access token has expired, and its refresh failed ({}); the refresh token is kept (fingerprint {refresh}), and the agent tries \
             again by itself",
            visible(detail)
        );
        let cure = "nothing to type: it is refreshed soon after the server answers again";
        let together = "the access tokens have expired, and their refreshes failed; the refresh tokens are kept, and the agent tries again by \
                        itself (`mcp-refreshd status` says why they failed)";
        let cures = "nothing to type: they are refreshed soon after the servers answer again";
        return Finding::note(NAME, Certain, means, cure).together(together, cures);
    }
    let why = if facts.runs() {
        "the agent has not been able to refresh it yet; `mcp-refreshd status` says why"
    } else {
        "nobody refreshed it, because the agent is not running"
    };
    let says =
        "whatever Claude Code says (\"Token expired without refresh token\", \"Needs authentication\")";
    Finding::trouble(
        NAME,
        Certain,
        format!("the access token has expired, and a refresh token is stored (fingerprint {refresh}), {says}: {why}"),
        remedy::refresh(&seen.entry.server_name),
    )
    .together(
        format!("the access tokens have expired, and refresh tokens are stored, {says}: {}", why.replace(" it", " them")),
        "mcp-refreshd refresh",
    )
}

/// The look-alike: `/mcp` and Reconnect says success then, and refreshes nothing.
pub(super) fn refused(seen: &ObservedEntry, store: &str) -> Finding {
    let name = &seen.entry.server_name;
    let cure = match seen.refresh {
        Some(_) => refresh_by_force(name),
        None => remedy::login(name, store),
    };
    Finding::trouble(
        "refused-though-good",
        Certain,
        "the server answers 401 to a token that should be valid: it was revoked there. `/mcp` and Reconnect may report \
         success; that refreshes nothing",
        cure,
    )
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(at).try_into().unwrap_or_default())
}
