use super::line::{Line, line};
use claude_store::StubKind;
use compact::{Map, Set};
use refresh_engine::{Event, Need, Observer, Subject};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::Notify;
use tracing::Level;

/// Logs the engine's events, and wakes whatever shows the present state.
#[derive(Debug, Default)]
pub(crate) struct LogObserver {
    /// The last failure logged for each entry; a repeat is not news.
    failures: RefCell<Map<(String, String), String>>,
    /// Entries without a login: the user logged out, is logging in, or never did.
    logged_out: RefCell<Set<(String, String)>>,
    news: Rc<Notify>,
}

impl LogObserver {
    /// Woken after each event.
    pub(crate) fn news(&self) -> Rc<Notify> {
        Rc::clone(&self.news)
    }

    /// The line for an event; a repeated failure gets a lower level.
    pub(super) fn line(&self, subject: Subject<'_>, event: &Event) -> Line {
        let mut line = line(event, subject.store, subject.entry.map(|(_, name)| name));
        let Some((key, _)) = subject.entry else { return line };
        let key = (subject.store.to_owned(), key.to_owned());
        match event {
            Event::Ended { outcome, detail, .. } => {
                let failure = (line.level == Level::WARN).then(|| format!("{} {detail}", outcome.word()));
                line.level = self.weigh(key, failure, line.level);
            }
            Event::Unsaved { why, .. }
            | Event::NotSavable { why }
            | Event::Locked { why }
            | Event::NotLockable { why } => {
                line.level = self.weigh(key, Some(why.clone()), line.level);
            }
            Event::Held { stub: Some(StubKind::LoggedOut), .. } => {
                self.logged_out.borrow_mut().insert(key);
            }
            Event::Held { .. } => drop(self.logged_out.borrow_mut().remove(&key)),
            // What the user does on purpose is not a warning, least of all a login in progress.
            Event::NeedsPerson { need: Need::Stub } if self.logged_out.borrow().contains(&key) => {
                line.level = Level::INFO;
            }
            Event::Removed | Event::Moved => {
                self.failures.borrow_mut().remove(&key);
                self.logged_out.borrow_mut().remove(&key);
            }
            _ => {}
        }
        line
    }

    fn weigh(&self, key: (String, String), failure: Option<String>, level: Level) -> Level {
        let mut failures = self.failures.borrow_mut();
        let before = match &failure {
            Some(failure) => failures.insert(key, failure.clone()),
            None => failures.remove(&key),
        };
        if failure.is_some() && failure == before { Level::DEBUG } else { level }
    }
}

impl Observer for LogObserver {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        emit(subject, &self.line(subject, event));
        self.news.notify_one();
    }
}

/// Hands a line to the logger, which wants its fields at compile time.
fn emit(subject: Subject<'_>, line: &Line) {
    let server = subject.entry.map(|(_, name)| name);
    let store = if server.is_none() { Some(subject.store) } else { None };
    let before = line.before.map(|print| print.to_string());
    let now = line.now.map(|print| print.to_string());
    let lifetime = line.lifetime.map(|time| time.as_secs());
    let retry_in = line.retry_in.map(|time| time.as_secs());
    macro_rules! emit {
        ($level:ident) => {
            tracing::$level!(
                server,
                store,
                outcome = line.outcome,
                before = before.as_deref(),
                now = now.as_deref(),
                lifetime_s = lifetime,
                retry_in_s = retry_in,
                "{}",
                line.message
            )
        };
    }
    match line.level {
        Level::ERROR => emit!(error),
        Level::WARN => emit!(warn),
        Level::INFO => emit!(info),
        _ => emit!(debug),
    }
}
