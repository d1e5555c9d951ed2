use crate::terminal::remedy;
use crate::terminal::wording::{counted, length};
use oauth_secret::Fingerprint;
use refresh_engine::{Event, Outcome};
use std::time::Duration;
use tracing::Level;

/// One event as a log line. It never holds a token: events carry fingerprints only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) message: String,
    /// The refresh token that was presented, or was stored before.
    pub(super) before: Option<Fingerprint>,
    /// The refresh token that is stored now.
    pub(super) now: Option<Fingerprint>,
    pub(super) outcome: Option<&'static str>,
    pub(super) lifetime: Option<Duration>,
    pub(super) retry_in: Option<Duration>,
}

impl Line {
    fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            before: None,
            now: None,
            outcome: None,
            lifetime: None,
            retry_in: None,
        }
    }
}

/// Describes an event about the server `name` in the store at this location.
pub(super) fn line(event: &Event, store: &str, name: Option<&str>) -> Line {
    match event {
        Event::StoreSeen { entries: 0 } => Line::new(Level::INFO, "the store holds no logins"),
        Event::StoreSeen { entries } => {
            Line::new(Level::INFO, format!("the store holds {}", counted(*entries, "login", "logins")))
        }
        Event::StoreUnreadable { why, absent } => {
            Line::new(if *absent { Level::INFO } else { Level::WARN }, why.as_str())
        }
        Event::StoreReadable => Line::new(Level::INFO, "the store can be read now"),
        Event::EntryOdd { why } => {
            let cure = name.map(|name| format!("; {}", remedy::how_to_repair(name, store)));
            Line::new(Level::WARN, format!("left alone: {why}{}", cure.unwrap_or_default()))
        }
        // The other events report what changed.
        Event::Held { refresh, .. } => {
            Line { now: *refresh, ..Line::new(Level::DEBUG, "the store holds its entry") }
        }
        Event::Adopted { before, now } => {
            let message =
                if before.is_some() { "has new tokens from another program" } else { "has a login" };
            Line { before: *before, now: *now, ..Line::new(Level::INFO, message) }
        }
        Event::Shared { before, now, expires_at: _ } => Line {
            before: *before,
            now: *now,
            ..Line::new(Level::INFO, "got the new tokens of another entry with the same login")
        },
        Event::Removed => Line::new(Level::INFO, "was removed from the store and forgotten"),
        Event::Moved => {
            Line::new(Level::INFO, "was moved between Claude Code's store and the vault, as you asked")
        }
        Event::VanishedTogether { servers } => {
            let entries = counted(servers.len(), "entry", "entries");
            let message = format!(
                "{entries} vanished together or with the account login: {}; nothing was written; to restore them, type: mcp-refreshd doctor --fix",
                servers.join(", ")
            );
            Line::new(Level::WARN, message)
        }
        Event::Refreshing { reason, refresh } => Line {
            before: Some(*refresh),
            ..Line::new(Level::DEBUG, format!("refreshing: {}", reason.wording()))
        },
        Event::Ended { outcome, detail, before, now, lifetime, expires_at: _, retry_in } => Line {
            before: *before,
            now: *now,
            outcome: Some(outcome.word()),
            lifetime: *lifetime,
            retry_in: *retry_in,
            ..Line::new(weight_of(*outcome), ended(*outcome, detail, *lifetime, *retry_in))
        },
        Event::Narrowed { narrowing } => Line::new(Level::WARN, narrowing.wording()),
        Event::Unsaved { why, retry_in } => Line {
            retry_in: Some(*retry_in),
            ..Line::new(
                Level::ERROR,
                format!("the new tokens could not be saved and are kept in the journal: {why}"),
            )
        },
        Event::NotSavable { why } => {
            Line::new(Level::WARN, format!("not refreshed, because new tokens could not be saved: {why}"))
        }
        Event::Locked { why } => Line::new(Level::INFO, format!("another process is refreshing it: {why}")),
        Event::NotLockable { why } => Line::new(Level::WARN, format!("not refreshed: {why}")),
        Event::Healed { why, now, expires_at: _ } => {
            Line { now: *now, ..Line::new(Level::INFO, format!("healed: {why}")) }
        }
        Event::Unflagged => Line::new(Level::INFO, "the next session of Claude Code connects to it again"),
        Event::UnflagFailed { why } => {
            let message = format!("new sessions of Claude Code may skip it for up to 15 minutes: {why}");
            Line::new(Level::WARN, message)
        }
        Event::Replayed { what } => {
            Line::new(Level::INFO, format!("left unfinished by an earlier run: {what}"))
        }
        Event::Rests => Line::new(Level::DEBUG, "rests: no session is expected to use it now"),
        Event::RestOver => Line::new(Level::DEBUG, "no longer rests"),
        Event::NeedsPerson { need } => {
            let type_this = name.map(|name| format!("; type: {}", remedy::what_to_type(need, name, store)));
            Line::new(
                Level::WARN,
                format!("needs you: {}{}", remedy::why(need), type_this.unwrap_or_default()),
            )
        }
        Event::StateTrouble { why } => Line::new(Level::ERROR, why.as_str()),
    }
}

fn weight_of(outcome: Outcome) -> Level {
    match outcome {
        Outcome::Fresh | Outcome::Adopted => Level::INFO,
        Outcome::Dead
        | Outcome::ClientDead
        | Outcome::Refused
        | Outcome::Transient
        | Outcome::Unsent
        | Outcome::Ambiguous => Level::WARN,
    }
}

fn ended(outcome: Outcome, detail: &str, lifetime: Option<Duration>, retry_in: Option<Duration>) -> String {
    let mut message = crate::terminal::wording::outcome_words(outcome).to_owned();
    if let Some(lifetime) = lifetime {
        message.push_str(&format!(", valid for {}", length(lifetime)));
    }
    // After a success the lifetime says it all.
    let says_more = outcome != Outcome::Fresh || lifetime.is_none();
    if says_more && !detail.is_empty() {
        message.push_str(&format!(": {detail}"));
    }
    if let Some(retry_in) = retry_in {
        let again = match outcome {
            Outcome::Dead => "one more try, to be sure, in",
            _ => "next try in",
        };
        message.push_str(&format!("; {again} {}", length(retry_in)));
    }
    message
}
