//! Everybody who wants to know what happens.

pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod notices;
pub(crate) mod rotating;

use history::History;
use log::LogObserver;
use notices::Notices;
use refresh_engine::{Event, Observer, Subject};

/// Log, history and notices, told in this order.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) log: LogObserver,
    pub(crate) history: History,
    pub(crate) notices: Notices,
}

impl Observer for Observers {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        self.log.event(subject, event);
        self.history.event(subject, event);
        self.notices.event(subject, event);
    }
}
