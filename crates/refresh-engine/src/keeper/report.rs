//! What `status` shows, derived without changing anything.

use crate::decide::need::Need;
use crate::decide::plan::plan;
use crate::decide::planned::{Ignored, Plan, Until};
use crate::records::obstacle::{Hindrance, Obstacle};
use crate::records::outcome::LastRefresh;
use crate::store_access::reading::{Unreadable, document, read};
use crate::{
    Activity, Client, Clock, MarginRule, Narrowing, Now, ObservedEntry, Partners, Policy, Record, Records,
    Verdict,
};
use claude_store::{KEYCHAIN_OVERFLOW, Store};
use jiff::{SignedDuration, Timestamp};
use oauth_secret::Fingerprint;
use std::time::Duration;

/// The state of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// Where the document is.
    pub location: String,
    /// Why it cannot be read: path, cause, cure.
    pub unreadable: Option<String>,
    /// True if there is no document yet, which is not an error.
    pub absent: bool,
    /// Its entries, in the document's order.
    pub entries: Vec<EntryReport>,
    /// Malformed entries: key, and why.
    pub odd: Vec<(String, String)>,
    /// Names of servers whose entries vanished together.
    pub vanished: Vec<String>,
    /// Open transactions in the journal.
    pub journal_open: usize,
    /// When the keeper will act next.
    pub next_wake: Option<Timestamp>,
}

/// The state of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryReport {
    /// Its key in the document.
    pub key: String,
    /// Its server's name.
    pub name: String,
    /// Its server's URL.
    pub url: Option<String>,
    /// In one word.
    pub state: State,
    /// When its access token ends, if known.
    pub expires_at: Option<Timestamp>,
    /// When it will be refreshed next.
    pub next_refresh_at: Option<Timestamp>,
    /// How long before its end it is refreshed.
    pub margin: Option<Duration>,
    /// Lifetime of its access token, if known.
    pub lifetime: Option<Duration>,
    /// True if the server's answer named that lifetime; else it is what was left when the token was first seen.
    pub lifetime_answered: bool,
    /// Which access token it holds.
    pub access: Option<Fingerprint>,
    /// Which refresh token it holds.
    pub refresh: Option<Fingerprint>,
    /// How the last attempt ended.
    pub last: Option<LastRefresh>,
    /// What only the user can do.
    pub need: Option<Need>,
    /// Why an obtained pair is not in the store yet.
    pub unsaved: Option<String>,
    /// Why the refresh that is due was not started.
    pub obstacle: Option<Obstacle>,
    /// What the next refresh waits for.
    pub waits_for: Option<Until>,
    /// Which rule determined the margin.
    pub margin_rule: Option<MarginRule>,
    /// The grant's issuer, if the entry or the metadata names it.
    pub issuer: Option<String>,
    /// The token endpoint, as last looked up.
    pub token_endpoint: Option<String>,
    /// The part of the login's scope that the last answer lacked.
    pub narrowing: Option<Narrowing>,
    /// When its refresh token ends, if an answer named it.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// Consecutive failures.
    pub failures: u32,
    /// No request before this moment, which is in the future.
    pub retry_at: Option<Timestamp>,
}

/// An entry's state in one word; the words of `status --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Only the user can fix it.
    NeedsPerson,
    /// Its access token has ended.
    Expired,
    /// The last attempt failed; it is tried again.
    Retrying,
    /// The server refused the refresh while the access token is still good; to be rechecked shortly before that expires.
    Refused,
    /// It has no refresh token: it is good until its access token expires.
    Ending,
    /// A refresh is running.
    Refreshing,
    /// Inside its margin.
    Due,
    /// No session is expected to use it now: its access token may expire, its refresh token is kept alive.
    Resting,
    /// All is well.
    Fresh,
    /// Left alone.
    Ignored,
}

impl State {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NeedsPerson => "needs_person",
            Self::Expired => "expired",
            Self::Retrying => "retrying",
            Self::Refused => "refused",
            Self::Ending => "ending",
            Self::Refreshing => "refreshing",
            Self::Due => "due",
            Self::Resting => "resting",
            Self::Fresh => "fresh",
            Self::Ignored => "ignored",
        }
    }
}

/// What a report uses besides the entry and its record.
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Now,
    pub(crate) policy: &'a Policy,
    pub(crate) activity: &'a dyn Fn() -> Activity,
    pub(crate) running: bool,
    pub(crate) unsaved: Option<String>,
    pub(crate) obstacle: Option<Obstacle>,
}

/// The state of a store, read from disk without a keeper. Takes no lock and changes nothing.
pub async fn inspect<P: Partners>(
    store: &P::Store,
    records: &Records<P::Files>,
    clock: &P::Clock,
    client: &P::Client,
    policy: &Policy,
    journal_open: usize,
) -> StoreReport {
    let location = store.location().to_owned();
    let empty = StoreReport { location, journal_open, ..StoreReport::default() };
    let unreadable = |error: Unreadable| StoreReport {
        unreadable: Some(error.to_string()),
        absent: error.is_absent(),
        ..empty.clone()
    };
    let snapshot = match read(store).await {
        Ok(snapshot) => snapshot,
        Err(error) => return unreadable(error),
    };
    let document = match document(store, &snapshot) {
        Ok(document) => document,
        Err(error) => return unreadable(error),
    };
    let now = clock.now();
    let activity = std::cell::OnceCell::new();
    let activity = || *activity.get_or_init(|| client.activity());
    let circumstances =
        Circumstances { now, policy, activity: &activity, running: false, unsaved: None, obstacle: None };
    let odd = (document.incomplete().map(|why| (KEYCHAIN_OVERFLOW.to_owned(), why.to_string())).into_iter())
        .chain(document.problems().iter().map(|odd| (odd.key.to_string(), odd.why.to_string())))
        .collect();
    let entries = document.into_entries().map(|entry| {
        let seen = ObservedEntry::new(entry);
        // What the agent would note at its first scan, on a copy.
        let mut record = records.read(store.location(), &seen.entry.key, Record::clone);
        record.observe(now, &seen);
        report_entry(&seen, &record, &circumstances)
    });
    StoreReport { entries: entries.collect(), odd, ..empty }
}

pub(crate) fn report_entry(
    seen: &ObservedEntry,
    record: &Record,
    circumstances: &Circumstances<'_>,
) -> EntryReport {
    let Circumstances { now, policy, activity, running, unsaved, obstacle } = circumstances;
    let left = seen.left(*now, record);
    let planned = plan(*now, seen, record, activity, policy);
    let next = match &planned {
        Plan::Sleep { wait, until } => Some((*wait, Some(*until))),
        Plan::Refresh(_) => Some((Duration::ZERO, None)),
        Plan::NeedsPerson(_) | Plan::Ignore(_) => None,
    };
    let name = &seen.entry.server_name;
    let obstacle = obstacle.as_ref().filter(|obstacle| obstacle.stands(seen, record)).cloned();
    let state = if *running { State::Refreshing } else { state(&planned, record, left, obstacle.as_ref()) };
    EntryReport {
        key: seen.entry.key.to_string(),
        name: name.clone(),
        url: seen.entry.server_url.as_deref().map(discreet),
        obstacle: obstacle
            .filter(|_| matches!(state, State::Due | State::Retrying | State::Expired | State::Refused)),
        state,
        expires_at: seen.expiry.moment().filter(|_| !seen.entry.is_stub() && left.is_some()),
        next_refresh_at: next
            .filter(|(_, until)| *until != Some(Until::Expiry))
            .map(|(wait, _)| now.after(wait).wall)
            .filter(|at| *at != Timestamp::MAX),
        margin: record.lifetime().map(|life| policy.margin_of(name, life)),
        lifetime: record.lifetime(),
        lifetime_answered: record.lifetime_answered,
        access: seen.access.map(|access| access.fingerprint()),
        refresh: seen.refresh.map(|refresh| refresh.fingerprint()),
        last: record.last.clone(),
        need: match planned {
            Plan::NeedsPerson(need) => Some(need),
            _ => None,
        },
        unsaved: unsaved.clone(),
        waits_for: next.and_then(|(_, until)| until),
        margin_rule: record.lifetime().map(|life| policy.margin_rule(name, life)),
        issuer: issuer(seen, record),
        token_endpoint: record
            .metadata
            .as_ref()
            .map(|cached| discreet(cached.metadata.token_endpoint.as_str())),
        narrowing: record.narrowing.clone(),
        refresh_token_expires_at: record
            .refresh_token_expires_at
            .filter(|_| seen.refresh.is_some() && record.refresh == seen.refresh),
        failures: record.failures,
        retry_at: record.retry.filter(|retry| !retry.left(*now).is_zero()).map(|retry| retry.not_before),
    }
}

/// As the client wrote it at the login, else from the metadata.
fn issuer(seen: &ObservedEntry, record: &Record) -> Option<String> {
    let published = || record.metadata.as_ref()?.metadata.issuer.as_deref();
    let entry = &seen.entry;
    let found = entry.issuer.as_deref().or_else(published);
    found.or(entry.discovery.authorization_server_url.as_deref()).map(discreet)
}

/// A URL without parts that may be secret: user, password, query and fragment (some servers take an API key in the query).
fn discreet(url: &str) -> String {
    // Most have none of these, and a report of hundreds of entries need not parse each one.
    if !url.bytes().any(|byte| matches!(byte, b'@' | b'?' | b'#')) {
        return url.to_owned();
    }
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
    let secret = !parsed.username().is_empty() || parsed.password().is_some();
    if !secret && parsed.query().is_none() && parsed.fragment().is_none() {
        return url.to_owned();
    }
    // It fails only for URLs that cannot have them.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.into()
}

fn state(
    planned: &Plan,
    record: &Record,
    left: Option<SignedDuration>,
    obstacle: Option<&Obstacle>,
) -> State {
    let failing = record.failures > 0 || !matches!(record.verdict, Verdict::Good);
    let blocked = obstacle.is_some_and(|obstacle| !matches!(obstacle.what, Hindrance::Locked));
    match planned {
        Plan::NeedsPerson(_) => State::NeedsPerson,
        Plan::Ignore(Ignored::Configured) => State::Ignored,
        Plan::Ignore(Ignored::NothingToDo) => State::Fresh,
        Plan::Sleep { until: Until::Use, .. } => State::Resting,
        _ if left.is_some_and(|left| left <= SignedDuration::ZERO) => State::Expired,
        Plan::Sleep { until: Until::Expiry, .. } => State::Ending,
        Plan::Sleep { until: Until::Recheck, .. } => State::Refused,
        Plan::Sleep { until: Until::Margin | Until::KeepAlive, .. } => State::Fresh,
        _ if failing || blocked => State::Retrying,
        Plan::Refresh(_) | Plan::Sleep { .. } => State::Due,
    }
}
