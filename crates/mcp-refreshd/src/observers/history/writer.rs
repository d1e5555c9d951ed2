use super::entry_state::EntryStates;
use super::file;
use super::line::{Kind, Line};
use crate::control::protocol::VERSION;
use crate::observers::rotating::RotatingFile;
use jiff::Timestamp;
use refresh_engine::{Event, Observer, Subject};
use std::cell::{Cell, RefCell};
use std::path::Path;

/// Writes down what the engine reports. Trouble with the file is logged once, and stops nothing.
#[derive(Debug)]
pub(crate) struct History {
    file: RefCell<RotatingFile>,
    states: RefCell<EntryStates>,
    in_trouble: Cell<bool>,
}

impl History {
    /// Continues the history in this folder.
    pub(crate) fn open(state: &Path) -> Self {
        let mut states = EntryStates::default();
        let read = file::each(state, |line| states.apply(&line));
        if let Err(error) = &read {
            tracing::warn!("{error}");
        }
        let in_trouble = read.is_err();
        Self {
            file: RefCell::new(file::appended_to(state)),
            states: RefCell::new(states),
            in_trouble: Cell::new(in_trouble),
        }
    }

    /// Whether this entry ever held a login that could be refreshed, as far as the history reaches.
    pub(crate) fn had_login(&self, store: &str, key: &str) -> bool {
        self.states.borrow().had_login(store, key)
    }

    /// Notes that the stores are watched from now on.
    pub(crate) fn agent_started(&self) {
        let cause = Some(format!("version {VERSION}"));
        self.write(&[Line { cause, ..Line::new(now(), Kind::AgentStarted) }]);
    }

    /// Notes that nobody watches the stores any more.
    pub(crate) fn agent_ended(&self) {
        self.write(&[Line::new(now(), Kind::AgentEnded)]);
    }

    /// Notes that the machine was suspended between these moments.
    pub(crate) fn slept(&self, since: Timestamp, until: Timestamp) {
        let since = Some(to_the_millisecond(since));
        self.write(&[Line { since, ..Line::new(to_the_millisecond(until), Kind::Slept) }]);
    }

    /// Writes down an event of this moment, where it is news.
    pub(crate) fn note(&self, at: Timestamp, subject: Subject<'_>, event: &Event) {
        let lines = self.states.borrow_mut().lines(at, subject, event);
        self.write(&lines);
    }

    fn write(&self, lines: &[Line]) {
        let Some(first) = lines.first() else { return };
        // What is carried into a new file is what held before these lines.
        let carried = || {
            let mut carried = vec![Line::new(first.at, Kind::Carried)];
            carried.extend(self.states.borrow().carried(first.at));
            carried
        };
        let written = file::append(&mut self.file.borrow_mut(), lines, carried);
        let mut states = self.states.borrow_mut();
        lines.iter().for_each(|line| states.apply(line));
        match written {
            Ok(()) => self.in_trouble.set(false),
            Err(error) => {
                if !self.in_trouble.replace(true) {
                    tracing::warn!("{error}");
                }
            }
        }
    }
}

impl Observer for History {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        self.note(now(), subject, event);
    }
}

/// To the millisecond, as the store counts.
fn now() -> Timestamp {
    to_the_millisecond(Timestamp::now())
}

fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}
