use crate::commands::history::Recent;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::columns::labelled;
use crate::terminal::style::Style;
use crate::terminal::wording::{counted, length, outcome_words, visible};
use jiff::Timestamp;
use refresh_engine::{Outcome, State};
use std::time::Duration;

/// A state as people read it.
pub(super) fn wording(state: State) -> &'static str {
    match state {
        State::NeedsPerson => "needs you",
        other => other.word(),
    }
}

/// Everything about the servers of a status that was narrowed down to one name.
pub(crate) fn detailed(status: &Status, recent: &Recent, now: Timestamp, style: &Style) -> String {
    let entries =
        status.stores.iter().flat_map(|store| store.entries.iter().map(move |entry| (store, entry)));
    entries.map(|(store, entry)| one(store, entry, recent, now, style)).collect::<Vec<_>>().join("\n")
}

fn one(store: &StoreStatus, entry: &EntryStatus, recent: &Recent, now: Timestamp, style: &Style) -> String {
    let moment = |at: Timestamp| {
        let words = between(at, now);
        let relative = if at > now { format!("in {words}") } else { format!("{words} ago") };
        format!("{} ({relative})", seconds(at))
    };
    let facts = &entry.facts;
    let margin = |margin: u64| {
        let why = facts.margin_why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} before it ends{why}", length(Duration::from_secs(margin)))
    };
    let last = entry.last.as_ref().map(|last| {
        // Of a success it says how long the new token lives, and so does a row of its own.
        let known = last.outcome == Outcome::Fresh && facts.lifetime_s.is_some();
        let detail = match last.detail.as_str() {
            "" => String::new(),
            _ if known => String::new(),
            detail => format!(": {}", visible(detail)),
        };
        format!("{}, {}{detail}", outcome_words(last.outcome), moment(last.at))
    });
    let back_off = (facts.failures > 0).then(|| {
        let failures = counted(usize::try_from(facts.failures).unwrap_or(usize::MAX), "failure", "failures");
        let pause = facts.retry_at.filter(|at| *at > now);
        let pause = pause.map(|at| format!(", no request before {}", moment(at))).unwrap_or_default();
        format!("{failures} in a row{pause}")
    });
    let rows = [
        ("server", Some(visible(&entry.name))),
        ("state", Some(wording(entry.state).to_owned())),
        ("type", entry.action.clone()),
        ("if that fails", facts.otherwise.clone()),
        ("why", entry.why.as_deref().map(visible)),
        ("url", entry.url.as_deref().map(visible)),
        ("issuer", facts.issuer.as_deref().map(visible)),
        ("token endpoint", facts.token_endpoint.as_deref().map(visible)),
        ("expires", entry.expires_at.map(moment)),
        ("lifetime", facts.lifetime_s.map(|life| length(Duration::from_secs(life)))),
        ("margin", entry.margin_s.map(margin)),
        ("next refresh", entry.next_refresh_at.map(moment)),
        ("waits for", entry.waits_for.clone()),
        ("last result", last),
        ("scope", facts.narrowed.as_deref().map(visible)),
        ("back-off", back_off),
        ("not saved", entry.unsaved.as_deref().map(visible)),
        ("access token", entry.access.map(|print| print.to_string())),
        ("refresh token", entry.refresh.map(|print| print.to_string())),
        ("entry", Some(visible(&entry.key))),
        ("store", Some(visible(&store.location))),
    ];
    let mut text = String::new();
    for (label, value) in rows.into_iter().filter_map(|(label, value)| Some((label, value?))) {
        text.push_str(&match label {
            // Never broken, and not even in ASCII: an escaped name would be another one.
            "type" | "if that fails" => format!("{label:15} {value}\n"),
            _ => row(label, &value, style),
        });
    }
    let events = recent.of(&store.location, &entry.key).into_iter();
    // One line where nobody can tell.
    let events = events.chain(recent.trouble().map(visible));
    for (number, event) in events.enumerate() {
        text.push_str(&row(if number == 0 { "last events" } else { "" }, &event, style));
    }
    text
}

fn row(label: &str, value: &str, style: &Style) -> String {
    labelled(&format!("{label:15} "), &style.shows(value), style.size.map(|(columns, _)| columns))
}

/// The time between two moments in words, whichever comes first.
pub(super) fn between(one: Timestamp, other: Timestamp) -> String {
    length(one.duration_since(other).unsigned_abs())
}

/// Without the fractions that nobody reads.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
