//! When each entry was good: worked out from the lines alone.

use crate::observers::history::line::{Holds, Kind, Line};
use compact::Map;
use jiff::Timestamp;
use serde::Serialize;

/// So long after an entry was found the agent has said whether it rests, in milliseconds.
const FOUND_WITHIN_MS: i64 = 5000;

/// How an entry was over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// No login, by the user's wish as far as is known: nothing to cover.
    Removed,
    /// The machine was suspended.
    Asleep,
    /// The agent did not run: the machine was off, or only the agent was.
    Unwatched,
    /// A good access token.
    Valid,
    /// An access token that had ended while nobody was expected to use it.
    Resting,
    /// Tokens were taken, by no wish of the user.
    Missing,
    /// An access token that had ended.
    Expired,
}

impl State {
    /// In the order of a legend.
    pub(super) const ALL: [Self; 7] = [
        Self::Valid,
        Self::Resting,
        Self::Expired,
        Self::Missing,
        Self::Asleep,
        Self::Unwatched,
        Self::Removed,
    ];

    pub(super) fn wording(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Resting => "resting",
            Self::Expired => "expired",
            Self::Missing => "missing",
            Self::Asleep => "asleep",
            Self::Unwatched => "agent off",
            Self::Removed => "no login",
        }
    }
}

/// A time of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) state: State,
}

/// One entry over the time that is asked about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) store: String,
    pub(super) key: String,
    pub(super) server: String,
    /// One after the other, oldest first.
    pub(super) spans: Vec<Span>,
}

impl Coverage {
    /// Milliseconds of this state.
    pub(super) fn time(&self, state: State) -> i64 {
        let of_it = self.spans.iter().filter(|span| span.state == state);
        of_it.map(|span| span.until.as_millisecond() - span.from.as_millisecond()).sum()
    }

    /// The share of the time in which the access token was valid, in tenths of a percent, rounded down: 100 % is never more than was seen. Only
    /// time counts in which the machine was awake, the agent running, a login there and its use expected. `None` if there was no such time.
    pub(super) fn permille(&self) -> Option<i64> {
        let valid = self.time(State::Valid);
        let whole = valid + self.time(State::Expired) + self.time(State::Missing);
        (whole > 0).then(|| valid.saturating_mul(1000) / whole)
    }

    /// The worst that happened between two moments.
    pub(super) fn worst(&self, from: Timestamp, until: Timestamp) -> Option<State> {
        let within = self.spans.iter().filter(|span| span.from < until && span.until > from);
        within.map(|span| span.state).max()
    }
}

/// How every entry was between `from` and `until`. `running` says that the agent runs now, so that silence means no change.
pub(super) fn coverage(lines: &[Line], from: Timestamp, until: Timestamp, running: bool) -> Vec<Coverage> {
    let mut entries: Map<(String, String), Tracker> = Map::new();
    let mut watched = false;
    let mut last = Timestamp::MIN;
    let window = (from, until);
    let mut sleeps = Vec::new();
    for line in lines {
        let advance = |entries: &mut Map<_, Tracker>, to, watched| {
            entries.values_mut().for_each(|tracker| tracker.advance(to, watched, window));
        };
        match line.event {
            // Without a word of its end the one before ended sometime after the last one that it wrote.
            Kind::AgentStarted => {
                if watched {
                    advance(&mut entries, last, true);
                }
                advance(&mut entries, line.at, false);
                watched = true;
                // It reports again what rests.
                entries.values_mut().for_each(|tracker| tracker.rests = false);
            }
            Kind::AgentEnded => {
                advance(&mut entries, line.at, watched);
                watched = false;
            }
            Kind::Carried if line.key.is_none() => watched = true,
            // One that ends before it starts is a clock that was set back.
            Kind::Slept => {
                sleeps.extend(line.since.filter(|since| *since < line.at).map(|since| (since, line.at)));
            }
            _ => {}
        }
        last = last.max(line.at);
        let Some((store, key)) = line.entry() else { continue };
        if let (Some(rests), Some(tracker)) =
            (line.turns(), entries.get_mut(&(store.to_owned(), key.to_owned())))
        {
            tracker.advance(line.at, watched, window);
            tracker.turn(rests);
        }
        let Some(holds) = line.holds else { continue };
        let tracker =
            entries.entry((store.to_owned(), key.to_owned())).or_insert_with(|| Tracker::new(line.at));
        tracker.advance(line.at, watched, window);
        tracker.holds = Some(holds);
        tracker.rests = line.rests;
        tracker.expires_at = line.expires_at;
        tracker.server.clone_from(line.server.as_ref().unwrap_or(&String::new()));
    }
    entries
        .into_iter()
        .map(|((store, key), mut tracker)| {
            if watched && !running {
                tracker.advance(last, true, window);
            }
            tracker.advance(until, watched && running, window);
            Coverage { store, key, server: tracker.server, spans: without_sleep(tracker.spans, &sleeps) }
        })
        .filter(|coverage| coverage.spans.iter().any(|span| span.state != State::Removed))
        .collect()
}

/// The spans, each cut where the machine slept: whatever the entry held then, nobody could use it.
fn without_sleep(spans: Vec<Span>, sleeps: &[(Timestamp, Timestamp)]) -> Vec<Span> {
    let mut cut: Vec<Span> = Vec::new();
    let mut push = |from: Timestamp, until: Timestamp, state| match cut.last_mut() {
        _ if from >= until => {}
        Some(last) if last.state == state && last.until == from => last.until = until,
        _ => cut.push(Span { from, until, state }),
    };
    for Span { from, until, state } in spans {
        let unseen = matches!(state, State::Removed | State::Unwatched);
        let mut cursor = from;
        for (asleep, awake) in
            sleeps.iter().filter(|(asleep, awake)| !unseen && *asleep < until && *awake > from)
        {
            let (asleep, awake) = ((*asleep).max(cursor), (*awake).min(until));
            push(cursor, asleep, state);
            push(asleep, awake, State::Asleep);
            cursor = cursor.max(awake);
        }
        push(cursor, until, state);
    }
    cut
}

/// One entry on the way through the lines.
struct Tracker {
    server: String,
    holds: Option<Holds>,
    expires_at: Option<Timestamp>,
    rests: bool,
    /// Up to here the spans are known.
    cursor: Timestamp,
    spans: Vec<Span>,
}

impl Tracker {
    fn new(at: Timestamp) -> Self {
        Self {
            server: String::new(),
            holds: None,
            expires_at: None,
            rests: false,
            cursor: at,
            spans: Vec::new(),
        }
    }

    /// A clock that was set back makes no time.
    fn advance(&mut self, to: Timestamp, watched: bool, window: (Timestamp, Timestamp)) {
        if to <= self.cursor {
            return;
        }
        let from = self.cursor;
        self.cursor = to;
        match self.holds {
            None => {}
            Some(Holds::Removed) => self.push(from, to, State::Removed, window),
            // What the store held meanwhile nobody saw.
            Some(_) if !watched => self.push(from, to, State::Unwatched, window),
            Some(Holds::Tokens) => {
                // Claude Code takes a token without a known expiry as one that does not expire.
                let end = self.expires_at.unwrap_or(Timestamp::MAX).clamp(from, to);
                self.push(from, end, State::Valid, window);
                self.push(end, to, if self.rests { State::Resting } else { State::Expired }, window);
            }
            Some(Holds::Missing) => self.push(from, to, State::Missing, window),
        }
    }

    /// Whether nobody is expected from now on. What was found expired a moment before was so while nobody was.
    fn turn(&mut self, rests: bool) {
        self.rests = rests;
        let found = self.spans.pop_if(|last| {
            let long = last.until.as_millisecond() - last.from.as_millisecond();
            rests && last.state == State::Expired && last.until == self.cursor && long <= FOUND_WITHIN_MS
        });
        if let Some(Span { from, until, .. }) = found {
            self.push(from, until, State::Resting, (from, until));
        }
    }

    fn push(&mut self, from: Timestamp, until: Timestamp, state: State, window: (Timestamp, Timestamp)) {
        let (from, until) = (from.max(window.0), until.min(window.1));
        if from >= until {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.state == state && last.until == from => last.until = until,
            _ => self.spans.push(Span { from, until, state }),
        }
    }
}
