use super::events::{Clock, event};
use crate::control::report::Status;
use crate::observers::history::file::{Stamps, each, stamps};
use crate::observers::history::line::Line;
use crate::platform::zone;
use compact::Map;
use std::collections::VecDeque;
use std::path::Path;

/// So many events of an entry are shown beside its state; `mcp-refreshd history NAME` shows more.
const SHOWN: usize = 5;

/// The last events of some entries.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: Map<(String, String), VecDeque<Line>>,
    trouble: Option<String>,
    seen: Option<Stamps>,
}

impl Recent {
    /// Reads the history for the entries of this status, unless its files have not changed.
    pub(crate) fn look_again(&mut self, state: &Path, status: &Status) {
        self.look_for(
            state,
            status.stores.iter().flat_map(|store| {
                store.entries.iter().map(|entry| (store.location.clone(), entry.key.clone()))
            }),
        );
    }

    /// The same for these entries: the store's location and the key of each.
    pub(super) fn look_for(&mut self, state: &Path, entries: impl IntoIterator<Item = (String, String)>) {
        let mut wanted: Map<_, _> = entries.into_iter().map(|entry| (entry, VecDeque::new())).collect();
        let now = stamps(state);
        if self.seen.as_ref() == Some(&now) && self.entries.keys().eq(wanted.keys()) {
            return;
        }
        let read = each(state, |line| {
            let Some((store, key)) = line.entry().filter(|_| line.event.is_shown()) else { return };
            let Some(events) = wanted.get_mut(&(store.to_owned(), key.to_owned())) else { return };
            if events.len() == SHOWN {
                events.pop_front();
            }
            events.push_back(line);
        });
        *self = Self { entries: wanted, trouble: read.err().map(|error| error.to_string()), seen: Some(now) };
    }

    /// What happened to this entry, newest last.
    pub(crate) fn of(&self, store: &str, key: &str) -> Vec<String> {
        let clock = Clock { zone: zone::of_this_process(), exact: false };
        let events = self.entries.get(&(store.to_owned(), key.to_owned())).into_iter().flatten();
        events.map(|line| event(line, &clock)).collect()
    }

    /// Why the history could not be read.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}
