use super::trouble::Trouble;
use crate::control::report::Status;
use crate::settings::config::NoticesConfig;
use claude_store::StubKind;
use compact::{Map, Set};
use refresh_engine::{Event, Need, Observer, Outcome, Subject};
use std::cell::RefCell;
use tokio::sync::Notify;

/// What the engine said is wrong.
#[derive(Debug)]
pub(crate) struct Notices {
    config: RefCell<NoticesConfig>,
    entries: RefCell<Map<(String, String), Heard>>,
    /// Stores from which entries vanished at once.
    vanished: RefCell<Set<String>>,
    news: Notify,
}

/// What was heard of one entry.
#[derive(Debug, Default)]
struct Heard {
    need: Option<Need>,
    /// A stub that a logout left: nobody who logged out wants to be told so.
    logged_out: bool,
    not_begun: Option<String>,
    /// Why, says the status.
    unsaved: bool,
}

impl Notices {
    pub(crate) fn new(config: NoticesConfig) -> Self {
        Self {
            config: RefCell::new(config),
            entries: RefCell::default(),
            vanished: RefCell::default(),
            news: Notify::new(),
        }
    }

    /// Replaces the configuration; the next notice goes by it.
    pub(crate) fn set(&self, config: NoticesConfig) {
        self.config.replace(config);
    }

    pub(crate) fn config(&self) -> NoticesConfig {
        self.config.borrow().clone()
    }

    pub(crate) fn news(&self) -> &Notify {
        &self.news
    }

    /// What is wrong now: what was heard, as far as `status` still says so. `had_login` tells of an entry, by its store and its key,
    /// whether it ever held a login.
    pub(crate) fn troubles(&self, status: &Status, had_login: &dyn Fn(&str, &str) -> bool) -> Vec<Trouble> {
        let heard = self.entries.borrow();
        let mut troubles = Vec::new();
        for store in &status.stores {
            if !store.vanished.is_empty() {
                troubles.push(Trouble::vanished(&store.location, &store.vanished));
            }
            for entry in &store.entries {
                let heard = heard.get(&(store.location.clone(), entry.key.clone()));
                let place = (store.location.as_str(), entry.key.as_str(), entry.name.as_str());
                // The status speaks of a wiped entry that is about to be mended, too; the engine does not.
                let need = heard.filter(|heard| !heard.logged_out).and_then(|heard| heard.need.as_ref());
                if let (Some(need), Some(_)) = (need, &entry.why) {
                    let trouble = Trouble::needs(place.0, place.1, place.2, need);
                    // Whoever never logged in does perhaps not want to: once is enough.
                    let daily = *need != Need::Stub || had_login(place.0, place.1);
                    troubles.push(Trouble { daily, ..trouble });
                }
                let not_begun = heard.and_then(|heard| heard.not_begun.as_ref());
                if let Some(why) = entry.unsaved.as_ref().or(not_begun) {
                    troubles.push(Trouble::not_saved(place.0, place.1, place.2, why));
                }
            }
        }
        troubles
    }
}

impl Observer for Notices {
    fn event(&self, subject: Subject<'_>, event: &Event) {
        let Some((key, _)) = subject.entry else {
            if matches!(event, Event::VanishedTogether { .. }) {
                self.vanished.borrow_mut().insert(subject.store.to_owned());
                self.news.notify_one();
            }
            return;
        };
        let mut entries = self.entries.borrow_mut();
        let place = (subject.store.to_owned(), key.to_owned());
        let is_news = match event {
            Event::NeedsPerson { need } => {
                entries.entry(place).or_default().need = Some(need.clone());
                true
            }
            Event::NotSavable { why } => {
                entries.entry(place).or_default().not_begun = Some(why.clone());
                true
            }
            Event::Unsaved { .. } => {
                entries.entry(place).or_default().unsaved = true;
                true
            }
            Event::Refreshing { .. } => {
                entries.get_mut(&place).is_some_and(|heard| heard.not_begun.take().is_some())
            }
            Event::Held { stub: Some(StubKind::LoggedOut), .. } => {
                let logged_out = Heard { logged_out: true, ..Heard::default() };
                entries.insert(place, logged_out).is_some()
            }
            // How long these tokens last is news where no refresh follows.
            Event::Held { access: Some(_), refresh: None, .. } => {
                entries.remove(&place);
                true
            }
            Event::Held { .. }
            | Event::Removed
            | Event::Moved
            | Event::Ended { outcome: Outcome::Fresh, .. } => entries.remove(&place).is_some(),
            Event::Ended { .. } => entries
                .get_mut(&place)
                .is_some_and(|heard| heard.not_begun.take().is_some() | std::mem::take(&mut heard.unsaved)),
            _ => false,
        };
        // What vanished may be back.
        let back = matches!(event, Event::Held { .. } | Event::Healed { .. });
        // Nobody is woken for what changes nothing here.
        if is_news || back && self.vanished.borrow().contains(subject.store) {
            self.news.notify_one();
        }
    }
}
