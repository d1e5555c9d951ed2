use crate::report::{EntryStatus, Status, StoreStatus};
use crate::words::{length, shortened, visible};
use jiff::Timestamp;
use refresh_engine::{Outcome, State};
use std::time::Duration;

/// Longer names are cut in the overview; `status NAME` shows them whole.
const LONGEST_NAME: usize = 20;

/// One line for each server, what needs a person first.
pub(crate) fn overview(status: &Status, now: Timestamp) -> String {
    let several = status.stores.len() > 1;
    let mut text = String::new();
    for store in &status.stores {
        if several {
            text.push_str(&format!("{}:\n", visible(&store.location)));
        }
        if store.entries.is_empty() && (store.unreadable.is_none() || store.absent) {
            text.push_str("no servers with a login yet\n");
        }
        text.push_str(&lines(store, now));
    }
    text
}

fn lines(store: &StoreStatus, now: Timestamp) -> String {
    let mut entries: Vec<_> = store.entries.iter().collect();
    entries.sort_by(|a, b| (a.state, &a.name, &a.key).cmp(&(b.state, &b.name, &b.key)));
    let names: Vec<_> = entries.iter().map(|entry| shortened(&entry.name, LONGEST_NAME)).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let state_width = entries.iter().map(|entry| words(entry.state).len()).max().unwrap_or(0);
    let line = |(name, entry): (&String, &&EntryStatus)| {
        let line = format!("{name:name_width$}  {:state_width$}  {}", words(entry.state), story(entry, now));
        format!("{}\n", line.trim_end())
    };
    names.iter().zip(&entries).map(line).collect()
}

fn words(state: State) -> &'static str {
    match state {
        State::NeedsPerson => "needs you",
        other => other.word(),
    }
}

/// What is to be said of one server behind its name and state.
fn story(entry: &EntryStatus, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if let Some(action) = &entry.action {
        parts.push(format!("type: {action}"));
        parts.extend(entry.why.as_deref().map(visible));
        return parts.join("  # ");
    }
    match entry.expires_at.map(|at| (at > now, between(at, now))) {
        Some((true, left)) => parts.push(format!("{left} left")),
        Some((false, gone)) => parts.push(format!("expired {gone} ago")),
        None => {}
    }
    match entry.next_refresh_at {
        _ if matches!(entry.state, State::Refreshing | State::Ignored) => {}
        Some(at) if at <= now => parts.push("refresh due now".to_owned()),
        Some(at) => parts.push(format!("{} in {}", next_word(entry), between(at, now))),
        None if entry.refresh.is_none() => parts.push("no refresh token".to_owned()),
        None => {}
    }
    if entry.unsaved.is_some() {
        parts.push("new token not saved yet".to_owned());
    }
    parts.extend(
        entry
            .last
            .as_ref()
            .map(|last| format!("{} {} ago", outcome_words(last.outcome), between(last.at, now))),
    );
    parts.join(", ")
}

fn next_word(entry: &EntryStatus) -> &'static str {
    if entry.state == State::Retrying || entry.state == State::Expired { "again" } else { "next" }
}

/// Everything about the servers of a status that was narrowed down to one name.
pub(crate) fn detailed(status: &Status, now: Timestamp) -> String {
    let entries =
        status.stores.iter().flat_map(|store| store.entries.iter().map(move |entry| (store, entry)));
    entries.map(|(store, entry)| one(store, entry, now)).collect::<Vec<_>>().join("\n")
}

fn one(store: &StoreStatus, entry: &EntryStatus, now: Timestamp) -> String {
    let moment = |at: Timestamp| {
        let words = between(at, now);
        let relative = if at > now { format!("in {words}") } else { format!("{words} ago") };
        format!("{} ({relative})", seconds(at))
    };
    let margin = |margin: u64| format!("{} before it ends", length(Duration::from_secs(margin)));
    let last = entry.last.as_ref().map(|last| {
        let detail =
            if last.detail.is_empty() { String::new() } else { format!(": {}", visible(&last.detail)) };
        format!("{}, {}{detail}", outcome_words(last.outcome), moment(last.at))
    });
    let rows = [
        ("server", Some(visible(&entry.name))),
        ("state", Some(words(entry.state).to_owned())),
        ("type", entry.action.clone()),
        ("why", entry.why.as_deref().map(visible)),
        ("url", entry.url.as_deref().map(visible)),
        ("expires", entry.expires_at.map(moment)),
        ("next refresh", entry.next_refresh_at.map(moment)),
        ("waits for", entry.waits_for.clone()),
        ("margin", entry.margin_s.map(margin)),
        ("last result", last),
        ("not saved", entry.unsaved.as_deref().map(visible)),
        ("access token", entry.access.map(|print| print.to_string())),
        ("refresh token", entry.refresh.map(|print| print.to_string())),
        ("entry", Some(visible(&entry.key))),
        ("store", Some(visible(&store.location))),
    ];
    let rows = rows.into_iter().filter_map(|(name, value)| Some(format!("{name:14} {}\n", value?)));
    rows.collect()
}

pub(crate) fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "refreshed",
        Outcome::Dead => "login ended",
        Outcome::ClientDead => "registration gone",
        Outcome::Refused => "refused",
        Outcome::Transient => "failed for now",
        Outcome::Unsent => "not reached",
        Outcome::Ambiguous => "answer lost",
        Outcome::Adopted => "refreshed by Claude Code",
    }
}

/// The time between two moments in words, whichever comes first.
fn between(one: Timestamp, other: Timestamp) -> String {
    length(one.duration_since(other).unsigned_abs())
}

/// Without the fractions that nobody reads.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
