//! A story to tell: one login of one store.

use super::entry_state::EntryStates;
use super::line::{Kind, Line};
use claude_store::StubKind;
use jiff::Timestamp;
use oauth_secret::{Fingerprint, TokenDigest};
use refresh_engine::{Event, Outcome, Subject};
use std::time::Duration;

pub(crate) const STORE: &str = "/home/me/.claude/.credentials.json";
pub(crate) const LAB: Subject<'_> = Subject { store: STORE, entry: Some(("lab|00", "lab")) };
pub(crate) const ALL: Subject<'_> = Subject { store: STORE, entry: None };

/// This many minutes into the story.
pub(crate) fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

pub(crate) fn print(token: &str) -> Option<Fingerprint> {
    Some(TokenDigest::of(token).fingerprint())
}

pub(crate) fn held(refresh: &str, until: i64) -> Event {
    Event::Held { access: print("a"), refresh: print(refresh), expires_at: Some(at(until)), stub: None }
}

pub(crate) fn stub(kind: StubKind) -> Event {
    Event::Held { access: None, refresh: None, expires_at: None, stub: Some(kind) }
}

pub(crate) fn fresh(before: &str, now: &str, until: i64) -> Event {
    Event::Ended {
        outcome: Outcome::Fresh,
        detail: "a new token for 60 min".into(),
        before: print(before),
        now: print(now),
        lifetime: Some(Duration::from_secs(3600)),
        expires_at: Some(at(until)),
        retry_in: None,
    }
}

pub(crate) fn failed(detail: &str) -> Event {
    Event::Ended {
        outcome: Outcome::Transient,
        detail: detail.into(),
        before: print("one"),
        now: print("one"),
        lifetime: None,
        expires_at: None,
        retry_in: None,
    }
}

pub(crate) fn seen() -> Event {
    Event::StoreSeen { entries: 1 }
}

/// The lines of a story that is told from the beginning.
pub(crate) fn told(story: &[(i64, Subject<'_>, Event)]) -> Vec<Line> {
    let mut states = EntryStates::default();
    let mut lines = Vec::new();
    for (minutes, subject, event) in story {
        for line in states.lines(at(*minutes), *subject, event) {
            states.apply(&line);
            lines.push(line);
        }
    }
    lines
}

pub(crate) fn kinds(lines: &[Line]) -> Vec<Kind> {
    lines.iter().map(|line| line.event).collect()
}
