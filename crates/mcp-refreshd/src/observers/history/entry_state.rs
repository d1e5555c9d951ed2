//! What the history says of each entry so far: tells news from what is already known, also across restarts.

use super::line::{AT_THE_START, Holds, Kind, Line};
use crate::terminal::remedy::is_vault;
use claude_store::{KEYCHAIN_OVERFLOW, StubKind};
use compact::{Map, Set};
use jiff::Timestamp;
use oauth_secret::Fingerprint;
use refresh_engine::{Event, Outcome, Subject};

/// The last known state of one entry.
#[derive(Clone, Debug, Default)]
struct EntryState {
    server: String,
    holds: Option<Holds>,
    refresh: Option<Fingerprint>,
    expires_at: Option<Timestamp>,
    /// The last trouble recorded; a repeat is not news.
    trouble: Option<String>,
    need: Option<String>,
    rests: bool,
    /// Why the running refresh was started.
    reason: Option<&'static str>,
    /// It was spoken of since the start: it is in the store, or was.
    seen: bool,
}

/// The last known state of all entries.
#[derive(Debug, Default)]
pub(crate) struct EntryStates {
    entries: Map<(String, String), EntryState>,
    /// Stores scanned since the start: what the first scan finds happened while no agent was watching.
    looked_at: Set<String>,
}

impl EntryStates {
    /// Applies a line.
    pub(crate) fn apply(&mut self, line: &Line) {
        if line.event == Kind::AgentStarted {
            // A start reports resting entries again.
            self.entries.values_mut().for_each(|state| state.rests = false);
        }
        let Some((store, key)) = line.entry() else { return };
        let state = self.entries.entry((store.to_owned(), key.to_owned())).or_default();
        if let Some(server) = &line.server {
            state.server.clone_from(server);
        }
        match line.event {
            Kind::NeedsPerson => state.need.clone_from(&line.cause),
            Kind::Failed | Kind::NotBegun | Kind::Unsaved | Kind::Odd => {
                state.trouble.clone_from(&line.cause);
            }
            _ => {}
        }
        if let Some(rests) = line.turns() {
            state.rests = rests;
        }
        if let Some(holds) = line.holds {
            state.holds = Some(holds);
            // Remember which tokens are gone, in case they come back.
            if holds == Holds::Tokens {
                state.refresh = line.after;
            }
            state.expires_at = line.expires_at;
            state.trouble = None;
            if holds != Holds::Missing {
                state.need = None;
            }
        }
    }

    /// Whether the entry ever held a refresh token.
    pub(crate) fn had_login(&self, store: &str, key: &str) -> bool {
        let state = self.entries.get(&(store.to_owned(), key.to_owned()));
        state.is_some_and(|state| state.refresh.is_some())
    }

    /// The lines that repeat the present state at the start of a new file.
    pub(crate) fn carried(&self, at: Timestamp) -> Vec<Line> {
        let carry = |((store, key), state): (&(String, String), &EntryState)| Line {
            store: Some(store.clone()),
            key: Some(key.clone()),
            server: Some(state.server.clone()),
            after: state.refresh,
            expires_at: state.expires_at,
            holds: state.holds,
            rests: state.rests,
            ..Line::new(at, Kind::Carried)
        };
        self.entries.iter().map(carry).collect()
    }

    /// The lines for an event: none if it is not news.
    pub(crate) fn lines(&mut self, at: Timestamp, subject: Subject<'_>, event: &Event) -> Vec<Line> {
        let store = Some(subject.store.to_owned());
        let Some((key, name)) = subject.entry else { return self.about_the_store(at, subject.store, event) };
        let place = (subject.store.to_owned(), key.to_owned());
        let first_scan = !self.looked_at.contains(subject.store);
        let moved = match event {
            Event::Held { refresh: Some(refresh), stub: None, .. } => {
                self.moved(subject.store, key, *refresh)
            }
            _ => None,
        };
        let known = self.entries.entry(place).or_default();
        name.clone_into(&mut known.server);
        known.seen = true;
        let line = |event, cause: Option<String>| Line {
            store: store.clone(),
            key: Some(key.to_owned()),
            server: Some(name.to_owned()),
            cause: cause.filter(|cause| !cause.is_empty()),
            ..Line::new(at, event)
        };
        let trouble = |known: &EntryState, event, cause: String| {
            (known.trouble.as_ref() != Some(&cause)).then(|| line(event, Some(cause)))
        };
        let news = match event {
            Event::Held { access: _, refresh, expires_at, stub } => {
                let news = known.held(*refresh, *expires_at, *stub, first_scan);
                let news = match (news, moved) {
                    (Some((Kind::Login | Kind::Found, _)), Some(how)) => Some((Kind::Moved, how)),
                    (news, _) => news,
                };
                news.map(|(event, cause)| Line {
                    before: known.refresh,
                    after: *refresh,
                    expires_at: expires_at.filter(|_| stub.is_none()),
                    holds: Some(holds(*stub)),
                    ..line(event, Some(cause.to_owned()))
                })
            }
            Event::Refreshing { reason, .. } => {
                known.reason = Some(reason.wording());
                None
            }
            Event::Ended { outcome: Outcome::Fresh, before, now, expires_at, .. } => Some(Line {
                before: *before,
                after: *now,
                expires_at: *expires_at,
                holds: Some(Holds::Tokens),
                ..line(Kind::Refreshed, known.reason.take().map(str::to_owned))
            }),
            Event::Ended { outcome, detail, before, now, .. } => {
                let words = crate::terminal::wording::outcome_words(*outcome);
                let cause = if detail.is_empty() { words.to_owned() } else { format!("{words}: {detail}") };
                trouble(known, Kind::Failed, cause).map(|line| Line { before: *before, after: *now, ..line })
            }
            Event::Healed { why, now, expires_at } => Some(Line {
                before: known.refresh,
                after: *now,
                expires_at: *expires_at,
                holds: Some(Holds::Tokens),
                ..line(Kind::Healed, Some((*why).to_owned()))
            }),
            Event::Shared { before, now, expires_at } => Some(Line {
                before: *before,
                after: *now,
                expires_at: *expires_at,
                holds: Some(Holds::Tokens),
                ..line(
                    Kind::Refreshed,
                    Some("together with another entry that has the same login".to_owned()),
                )
            }),
            Event::Removed | Event::Moved if known.holds == Some(Holds::Removed) => None,
            Event::Removed => Some(Line {
                before: known.refresh,
                holds: Some(Holds::Removed),
                ..line(Kind::Removed, Some("the entry was removed from the store".to_owned()))
            }),
            Event::Moved => Some(Line {
                before: known.refresh,
                holds: Some(Holds::Removed),
                ..line(Kind::Moved, Some(given(subject.store).to_owned()))
            }),
            Event::Unsaved { why, .. } => trouble(known, Kind::Unsaved, why.clone()),
            Event::NotSavable { why } | Event::NotLockable { why } => {
                trouble(known, Kind::NotBegun, why.clone())
            }
            Event::EntryOdd { why } => trouble(known, Kind::Odd, why.clone()),
            Event::Replayed { what } => Some(line(Kind::Replayed, Some((*what).to_owned()))),
            Event::Rests => (!known.rests).then(|| Line {
                rests: true,
                ..line(Kind::Rests, Some("no session is expected to use it now".to_owned()))
            }),
            Event::RestOver => known.rests.then(|| line(Kind::RestOver, None)),
            Event::NeedsPerson { need } => {
                let why = crate::terminal::remedy::why(need);
                (known.need.as_ref() != Some(&why)).then(|| line(Kind::NeedsPerson, Some(why)))
            }
            // `Held` reports these more exactly, or they pass by themselves.
            Event::Adopted { .. }
            | Event::Narrowed { .. }
            | Event::Locked { .. }
            | Event::Unflagged
            | Event::UnflagFailed { .. } => None,
            Event::StoreSeen { .. }
            | Event::StoreUnreadable { .. }
            | Event::StoreReadable
            | Event::VanishedTogether { .. }
            | Event::StateTrouble { .. } => None,
        };
        news.into_iter().collect()
    }

    fn about_the_store(&mut self, at: Timestamp, store: &str, event: &Event) -> Vec<Line> {
        let line = |event, cause: Option<&str>| Line {
            store: Some(store.to_owned()),
            cause: cause.map(str::to_owned),
            ..Line::new(at, event)
        };
        match event {
            Event::StoreSeen { .. } => self.gone(at, store, "it was not in the store at startup"),
            Event::StoreUnreadable { absent: true, .. } if self.looked_at.contains(store) => {
                let there = |state: &EntryState| state.holds == Some(Holds::Tokens);
                self.vanished(store, &there, &line(Kind::Vanished, Some("the whole store is gone")))
            }
            Event::StoreUnreadable { absent: true, .. } => {
                self.gone(at, store, "the store did not exist at startup")
            }
            Event::StoreUnreadable { why, absent: false } => vec![line(Kind::StoreUnreadable, Some(why))],
            Event::StoreReadable => vec![line(Kind::StoreReadable, None)],
            Event::VanishedTogether { servers } => {
                let gone = |state: &EntryState| {
                    state.holds == Some(Holds::Tokens) && servers.contains(&state.server)
                };
                let cause = "together with other entries, or with the account login";
                self.vanished(store, &gone, &line(Kind::Vanished, Some(cause)))
            }
            _ => Vec::new(),
        }
    }
}

/// Where a login goes that this store gives away.
fn given(store: &str) -> &'static str {
    if is_vault(store) { "back to Claude Code's store" } else { "into the vault" }
}

impl EntryStates {
    /// What became of an entry that appears in a store, where that is no login: it came into the vault, or out of it, with this refresh token.
    fn moved(&self, store: &str, key: &str, refresh: Fingerprint) -> Option<&'static str> {
        let is_other = |place: &String| place != store && is_vault(place) != is_vault(store);
        let mut others = self.entries.iter().filter(|((place, other), _)| other == key && is_other(place));
        let came = others.any(|(_, state)| state.refresh == Some(refresh));
        came.then(|| if is_vault(store) { "from Claude Code's store" } else { "back from the vault" })
    }

    /// The line for each entry of a store that vanished.
    fn vanished(&self, store: &str, gone: &dyn Fn(&EntryState) -> bool, line: &Line) -> Vec<Line> {
        let gone = self.entries.iter().filter(|((place, _), state)| place == store && gone(state));
        gone.map(|((_, key), state)| Line {
            key: Some(key.clone()),
            server: Some(state.server.clone()),
            before: state.refresh,
            holds: Some(Holds::Missing),
            ..line.clone()
        })
        .collect()
    }

    /// At the first look at a store, the logins that the history knows and the store no longer has.
    fn gone(&mut self, at: Timestamp, store: &str, cause: &str) -> Vec<Line> {
        let first = self.looked_at.insert(store.to_owned());
        let own = || self.entries.iter().filter(|((place, _), _)| place == store);
        // What is hidden may still be there.
        if !first || own().any(|((_, key), state)| key == KEYCHAIN_OVERFLOW && state.seen) {
            return Vec::new();
        }
        let gone = own().filter(|(_, state)| state.holds == Some(Holds::Tokens) && !state.seen);
        gone.map(|((_, key), state)| Line {
            store: Some(store.to_owned()),
            key: Some(key.clone()),
            server: Some(state.server.clone()),
            cause: Some(cause.to_owned()),
            before: state.refresh,
            holds: Some(Holds::Removed),
            ..Line::new(at, Kind::Gone)
        })
        .collect()
    }
}

impl EntryState {
    /// What it means that the entry now holds this; `None` if that is not news.
    fn held(
        &self,
        refresh: Option<Fingerprint>,
        expires_at: Option<Timestamp>,
        stub: Option<StubKind>,
        first_scan: bool,
    ) -> Option<(Kind, &'static str)> {
        let now = holds(stub);
        let same = self.holds == Some(now)
            && (now != Holds::Tokens || (self.refresh, self.expires_at) == (refresh, expires_at));
        if same {
            return None;
        }
        let unwatched = |watched| if first_scan { AT_THE_START } else { watched };
        Some(match (self.holds, now) {
            (None, Holds::Tokens) if !first_scan => (Kind::Login, "a new entry in the store"),
            (None, _) => (Kind::Found, if stub.is_some() { "it holds no login" } else { "" }),
            (Some(Holds::Tokens), Holds::Tokens) => {
                (Kind::Adopted, unwatched("by Claude Code, or another program"))
            }
            (Some(_), Holds::Tokens) if self.refresh.is_some() && self.refresh == refresh => {
                (Kind::Found, "the entry is in the store again")
            }
            (Some(_), Holds::Tokens) => (Kind::Login, unwatched("")),
            (Some(Holds::Tokens), Holds::Missing) => {
                (Kind::Wiped, unwatched("a failed refresh of another program took the tokens"))
            }
            (Some(_), Holds::Missing) => (Kind::Found, "it holds no login"),
            (Some(_), Holds::Removed) if first_scan => (Kind::Gone, "no login at startup, as after a logout"),
            (Some(_), Holds::Removed) => (Kind::Removed, "a logout"),
        })
    }
}

fn holds(stub: Option<StubKind>) -> Holds {
    match stub {
        None => Holds::Tokens,
        Some(StubKind::FailedRefresh) => Holds::Missing,
        Some(StubKind::LoggedOut) => Holds::Removed,
    }
}
