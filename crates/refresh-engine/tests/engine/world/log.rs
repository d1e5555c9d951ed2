use refresh_engine::{Event, Observer, Subject};
use std::cell::RefCell;

/// Every event, in order.
#[derive(Default)]
pub(crate) struct Log {
    events: RefCell<Vec<(Option<String>, Event)>>,
}

impl Observer for Log {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        let name = subject.entry.map(|(_, name)| name.to_owned());
        self.events.borrow_mut().push((name, event.clone()));
    }
}

impl Log {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.borrow().iter().map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn count(&self, matching: impl Fn(&Event) -> bool) -> usize {
        self.events.borrow().iter().filter(|(_, event)| matching(event)).count()
    }
}
