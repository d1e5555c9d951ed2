//! What is seen on the screen, and when it changed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sessions that start at once.
pub(crate) const SESSIONS: usize = 5;
/// Columns of one side. With the line between them both fit a terminal of 80.
pub(crate) const SIDE: usize = 38;

/// Half of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Without,
    With,
}

/// A line of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Token,
    Agent,
    Session(usize),
    Requests,
    Verdict,
}

/// How a text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Busy,
    Good,
    Bad,
}

/// A text that replaces what its row showed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) side: Side,
    pub(crate) row: Row,
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// Everything that changed so far. Clones tell the same story.
#[derive(Clone)]
pub(crate) struct Story {
    start: Instant,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Story {
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now(), changes: Arc::default() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Says something new; what the row shows already is no news.
    pub(crate) fn tell(&self, side: Side, row: Row, tone: Tone, text: impl Into<String>) {
        let (at, text) = (self.elapsed(), text.into());
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let last = changes.iter().rev().find(|change| (change.side, change.row) == (side, row));
        if last.is_none_or(|last| (&last.text, last.tone) != (&text, tone)) {
            changes.push(Change { at, side, row, text, tone });
        }
    }

    pub(crate) fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Row {
    /// All of them, from the top.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let sessions = (1..=SESSIONS).map(Self::Session);
        [Self::Token, Self::Agent].into_iter().chain(sessions).chain([Self::Requests, Self::Verdict])
    }

    pub(crate) fn label(self) -> String {
        match self {
            Self::Token => "token".to_owned(),
            Self::Agent => "agent".to_owned(),
            Self::Session(number) => format!("session {number}"),
            Self::Requests => "requests".to_owned(),
            Self::Verdict => "login".to_owned(),
        }
    }
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Without, Self::With];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Without => "WITHOUT mcp-refreshd",
            Self::With => "WITH mcp-refreshd",
        }
    }
}
