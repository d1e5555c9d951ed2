use super::cells::LEAST_WIDTH;
use super::reason::reason;
use super::shown::shown;
use crate::commands::history::Recent;
use crate::control::report::{EntryStatus, Status, StoreStatus};
use crate::terminal::columns::{fitted, labelled, width};
use crate::terminal::command_line::command_lines;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use crate::terminal::wording::{counted, length, outcome_words, visible};
use jiff::Timestamp;
use refresh_engine::{Outcome, State};
use std::time::Duration;

/// A state as the user reads it.
pub(super) fn wording(state: State) -> &'static str {
    match state {
        State::NeedsPerson => "needs you",
        other => other.word(),
    }
}

/// Everything about the servers of a status that was narrowed down to one name.
pub(crate) fn detailed(status: &Status, recent: &Recent, local: &Local, style: &Style) -> String {
    let status = shown(status);
    let entries =
        status.stores.iter().flat_map(|store| store.entries.iter().map(move |entry| (store, entry)));
    entries.map(|(store, entry)| one(store, entry, recent, local, style)).collect::<Vec<_>>().join("\n")
}

fn one(store: &StoreStatus, entry: &EntryStatus, recent: &Recent, local: &Local, style: &Style) -> String {
    let moment = |at: Timestamp| local.moment(at);
    let facts = &entry.facts;
    let margin = |margin: u64| {
        let why = facts.margin_why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{} before it expires{why}", length(Duration::from_secs(margin)))
    };
    let last = entry.last.as_ref().map(|last| {
        // Of a success it is the lifetime, which has its own row.
        let known = last.outcome == Outcome::Fresh && facts.lifetime_s.is_some();
        let detail = match last.detail.as_str() {
            "" => String::new(),
            _ if known => String::new(),
            detail => format!(": {}", visible(detail)),
        };
        let words = if last.is_not_savable() { "not started" } else { outcome_words(last.outcome) };
        format!("{words}, {}{detail}", moment(last.at))
    });
    let back_off = (facts.failures > 0).then(|| {
        let failures = counted(usize::try_from(facts.failures).unwrap_or(usize::MAX), "failure", "failures");
        let pause = facts.retry_at.filter(|at| *at > local.now);
        let pause = pause.map(|at| format!(", no request before {}", moment(at))).unwrap_or_default();
        format!("{failures} in a row{pause}")
    });
    let expires = match entry.expires_at {
        Some(at) => Some(moment(at)),
        None => entry.access.map(|_| "unknown".to_owned()),
    };
    let lifetime = facts.lifetime_s.map(|life| {
        let life = length(Duration::from_secs(life));
        if facts.lifetime_answered { life } else { format!("unknown ({life} left when first seen)") }
    });
    let rows = [
        ("server", Some(visible(&entry.name))),
        ("state", Some(wording(entry.state).to_owned())),
        ("type", entry.action.clone()),
        ("if that fails", facts.otherwise.clone()),
        ("reason", reason(entry, store.unwatched, local)),
        ("url", entry.url.as_deref().map(visible)),
        ("issuer", facts.issuer.as_deref().map(visible)),
        ("token endpoint", facts.token_endpoint.as_deref().map(visible)),
        ("expires", expires),
        ("lifetime", lifetime),
        ("margin", entry.margin_s.map(margin)),
        ("next refresh", entry.next_refresh_at.map(moment)),
        ("waits for", entry.waits_for.clone()),
        ("last result", last),
        ("scope", facts.narrowed.as_deref().map(visible)),
        ("back-off", back_off),
        ("access token", entry.access.map(|print| print.to_string())),
        ("refresh token", entry.refresh.map(|print| print.to_string())),
        ("entry", Some(visible(&entry.key)).filter(|key| !key.is_empty())),
        ("store", Some(visible(&store.location))),
    ];
    let mut text = String::new();
    for (label, value) in rows.into_iter().filter_map(|(label, value)| Some((label, value?))) {
        text.push_str(&match label {
            "type" | "if that fails" => command(label, &value, style),
            _ => row(label, &value, style),
        });
    }
    let events = recent.of(&store.location, &entry.key).into_iter();
    // One line where it cannot be read.
    let events = events.chain(recent.trouble().map(visible));
    for (number, event) in events.enumerate() {
        text.push_str(&row(if number == 0 { "last events" } else { "" }, &event, style));
    }
    fitted(&text, style.size.map(|(columns, _)| columns.max(LEAST_WIDTH)))
}

fn row(label: &str, value: &str, style: &Style) -> String {
    labelled(&format!("{label:15} "), &style.shows(value), style.size.map(|(columns, _)| columns))
}

/// A command to be copied: not even in ASCII, as an escaped name would be another one; and where it needs several lines, from the first column.
fn command(label: &str, command: &str, style: &Style) -> String {
    let columns = style.size.map_or(usize::MAX, |(columns, _)| columns);
    let one = format!("{label:15} {command}\n");
    if width(one.trim_end()) <= columns {
        return one;
    }
    format!("{label}\n{}\n", command_lines(command, columns).join("\n"))
}
