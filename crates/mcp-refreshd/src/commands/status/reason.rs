//! Why an entry is not refreshed, in a sentence.

use crate::control::report::{EntryStatus, Obstacle};
use crate::terminal::local::Local;
use crate::terminal::wording::visible;
use refresh_engine::{LastRefresh, Outcome, State};

/// Why the entry is not refreshed now or cannot be refreshed at all, and what happens next; `None` if nothing is wrong with it.
/// `unwatched`: no agent keeps its store.
pub(super) fn reason(entry: &EntryStatus, unwatched: bool, local: &Local) -> Option<String> {
    let sentence = entry.why.clone().or_else(|| {
        let unsaved =
            entry.unsaved.as_ref().map(|why| format!("new tokens obtained, but not saved yet: {why}"));
        let known = unsaved.or_else(|| obstructed(entry, local)).or_else(|| by_state(entry, local));
        known.or_else(|| is_stuck(entry, unwatched).then(|| "no agent refreshes it".to_owned()))
    });
    sentence.map(|sentence| visible(&sentence))
}

/// Whether the access token has expired and only the user can change that: the agent that runs cannot refresh it either.
pub(super) fn is_stuck(entry: &EntryStatus, unwatched: bool) -> bool {
    let blocked = entry.facts.obstacle.as_ref().is_some_and(|obstacle| obstacle.why.is_some());
    let not_savable = entry.last.as_ref().is_some_and(LastRefresh::is_not_savable);
    // A store that cannot be written is a reason without being a need.
    let held_up = entry.why.is_some();
    entry.state == State::Expired
        && (unwatched || blocked || not_savable || held_up || entry.unsaved.is_some())
}

fn obstructed(entry: &EntryStatus, local: &Local) -> Option<String> {
    let Obstacle { since, why, .. } = entry.facts.obstacle.as_ref()?;
    let since = local.clock(*since);
    Some(match why {
        None => format!(
            "another process, usually Claude Code refreshing it, has held its refresh lock since {since}"
        ),
        Some(why) => format!("not refreshed since {since}: {why}"),
    })
}

fn by_state(entry: &EntryStatus, local: &Local) -> Option<String> {
    let last = entry.last.as_ref().map(|last| (last.outcome, last.detail.as_str()));
    let detail = last.map(|(_, detail)| detail).filter(|detail| !detail.is_empty()).unwrap_or("no details");
    match (entry.state, last) {
        (State::Refused, _) => {
            let when = entry.next_refresh_at.map(|at| format!(" at {}", local.clock(at)));
            Some(format!(
                "the server refused the refresh ({detail}) though the token is still valid; one more try follows{}, shortly before it expires",
                when.unwrap_or_default()
            ))
        }
        (State::Ending, _) => {
            let ends = entry.expires_at.map(|at| format!(" at {}", local.clock(at))).unwrap_or_default();
            Some(format!("no refresh token, so it cannot be refreshed: this login ends{ends}"))
        }
        (State::Fresh, _) if entry.refresh.is_none() && entry.access.is_some() => {
            Some("no refresh token, so it cannot be refreshed".to_owned())
        }
        (State::Retrying | State::Expired, Some(_)) if entry.last.as_ref()?.is_not_savable() => {
            Some(format!("not refreshed: {detail}"))
        }
        (State::Retrying | State::Expired, Some((outcome, _))) => {
            let what = match outcome {
                Outcome::Fresh | Outcome::Adopted => return None,
                Outcome::Unsent => "the server cannot be reached",
                Outcome::Transient => "the server cannot refresh the token now",
                Outcome::Ambiguous => "no usable answer arrived, so its refresh token may be spent",
                Outcome::Refused | Outcome::Dead | Outcome::ClientDead => "the server refused the refresh",
            };
            Some(format!("{what} ({detail})"))
        }
        _ => None,
    }
}
