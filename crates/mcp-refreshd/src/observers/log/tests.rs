use super::layer::{Fields, rendered};
#[cfg(unix)]
use super::line::line;
use super::observer::LogObserver;
use oauth_secret::{Fingerprint, TokenDigest};
use refresh_engine::{Event, Narrowing, Need, Observer, Outcome, Reason, Subject};
use std::time::Duration;
use tracing::field::Visit;
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

const TOKEN: &str = "rt_made-up-0123456789abcdefghijklmnop";

fn print() -> Option<Fingerprint> {
    Some(TokenDigest::of(TOKEN).fingerprint())
}

/// One of each kind, with texts that try to break out of their line.
fn events() -> Vec<Event> {
    let why = || "cannot write /x: \u{1b}[31m\nERROR forged=\"line\"".to_owned();
    let ended = |outcome| Event::Ended {
        outcome,
        detail: why(),
        before: print(),
        now: print(),
        lifetime: Some(Duration::from_secs(3600)),
        expires_at: None,
        retry_in: Some(Duration::from_secs(5)),
    };
    vec![
        Event::StoreSeen { entries: 0 },
        Event::StoreSeen { entries: 20 },
        Event::StoreUnreadable { why: why(), absent: false },
        Event::StoreReadable,
        Event::EntryOdd { why: why() },
        Event::Adopted { before: None, now: print() },
        Event::Adopted { before: print(), now: print() },
        Event::Removed,
        Event::VanishedTogether { servers: vec![why(), why()] },
        Event::Refreshing { reason: Reason::Due, refresh: print().unwrap() },
        ended(Outcome::Fresh),
        ended(Outcome::Dead),
        ended(Outcome::ClientDead),
        ended(Outcome::Refused),
        ended(Outcome::Transient),
        ended(Outcome::Unsent),
        ended(Outcome::Ambiguous),
        ended(Outcome::Adopted),
        Event::Unsaved { why: why(), retry_in: Duration::from_secs(1) },
        Event::NotSavable { why: why() },
        Event::Locked { why: why() },
        Event::Held { access: print(), refresh: print(), expires_at: None, stub: None },
        Event::Healed { why: "a wiped entry", now: print(), expires_at: None },
        Event::Narrowed { narrowing: Narrowing { lacks: why(), in_vain: true } },
        Event::Unflagged,
        Event::Rests,
        Event::RestOver,
        Event::UnflagFailed { why: why() },
        Event::Replayed { what: "written" },
        Event::NeedsPerson { need: Need::Dead { code: why() } },
        Event::StateTrouble { why: why() },
    ]
}

/// Takes what would go to standard error.
#[derive(Clone, Default)]
struct Taken(std::sync::Arc<std::sync::Mutex<Vec<Told>>>);

/// A line's weight, and its text and JSON.
type Told = (Level, [String; 2]);

impl Subscriber for Taken {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Into<'a>(&'a mut Fields);
        impl Visit for Into<'_> {
            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                self.0.record_str(field, value);
            }
            fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
                self.0.record_u64(field, value);
            }
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.record_debug(field, value);
            }
        }
        let mut fields = Fields::default();
        event.record(&mut Into(&mut fields));
        let level = *event.metadata().level();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        self.0.lock().unwrap().push((level, rendered(now, level, &fields)));
    }
}

fn taken(tell: impl FnOnce(&LogObserver)) -> Vec<Told> {
    let taken = Taken::default();
    tracing::subscriber::with_default(taken.clone(), || tell(&LogObserver::default()));
    let lines = taken.0.lock().unwrap();
    lines.clone()
}

const STORE: &str = "/home/me/.claude/.credentials.json";
const LAB: Subject<'static> = Subject { store: STORE, entry: Some(("lab|00", "lab\u{1b}[2J")) };

#[test]
fn every_event_is_one_line_that_names_its_server_and_moves_no_cursor() {
    for event in events() {
        let lines = taken(|observer| observer.event(LAB, &event));
        assert_eq!(lines.len(), 1, "{event:?}");
        for line in &lines[0].1 {
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(line.ends_with('\n') && line.contains("lab"), "{line}");
            assert!(!line.trim_end_matches('\n').chars().any(char::is_control), "{line}");
        }
        let object: serde_json::Value = serde_json::from_str(&lines[0].1[1]).unwrap();
        assert_eq!(object["server"], "lab\u{1b}[2J");
        assert!(object["message"].is_string() && object["level"].is_string());
    }
}

#[test]
fn lines_about_a_refresh_carry_both_fingerprints_and_no_token() {
    let event = Event::Ended {
        outcome: Outcome::Fresh,
        detail: String::new(),
        before: print(),
        now: print(),
        lifetime: Some(Duration::from_secs(3600)),
        expires_at: None,
        retry_in: None,
    };
    let subject = Subject { store: STORE, entry: Some(("lab|00", "lab")) };
    let lines = taken(|observer| observer.event(subject, &event));
    let shown = print().unwrap().to_string();
    assert_eq!(
        lines[0].1[0],
        format!(
            "INFO  lab: refreshed, valid for 1 h outcome=fresh before={shown} now={shown} lifetime_s=3600\n"
        )
    );
    assert!(!format!("{lines:?}").contains(TOKEN));
}

#[test]
fn a_store_without_an_entry_is_named_itself() {
    let lines = taken(|observer| {
        observer.event(Subject { store: STORE, entry: None }, &Event::StoreSeen { entries: 2 })
    });
    assert_eq!(lines[0].1[0], format!("INFO  the store holds 2 logins store={STORE}\n"));
}

#[test]
fn the_same_failure_again_is_no_news_until_something_else_happened() {
    let failed = |detail: &str| Event::Ended {
        outcome: Outcome::Unsent,
        detail: detail.into(),
        before: print(),
        now: None,
        lifetime: None,
        expires_at: None,
        retry_in: Some(Duration::from_secs(5)),
    };
    let fresh = Event::Ended {
        outcome: Outcome::Fresh,
        detail: String::new(),
        before: print(),
        now: print(),
        lifetime: None,
        expires_at: None,
        retry_in: None,
    };
    let story = [failed("a"), failed("a"), failed("b"), failed("b"), fresh, failed("b")];
    let lines = taken(|observer| story.iter().for_each(|event| observer.event(LAB, event)));
    let levels: Vec<_> = lines.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::WARN, Level::DEBUG, Level::WARN, Level::DEBUG, Level::INFO, Level::WARN]);
}

#[test]
fn somebody_who_waits_for_news_is_woken() {
    let observer = LogObserver::default();
    let news = observer.news();
    tracing::subscriber::with_default(Taken::default(), || observer.event(LAB, &Event::Removed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let woken = async { tokio::time::timeout(Duration::from_secs(5), news.notified()).await };
    assert!(runtime.block_on(woken).is_ok());
}

#[cfg(unix)] // Its paths are those of Unix.
#[test]
fn what_to_type_is_for_the_store_that_the_line_is_about() {
    let event = Event::NeedsPerson { need: Need::Stub };
    let message = |store| line(&event, store, Some("my lab")).message;
    assert_eq!(
        message("/srv/work/.credentials.json"),
        "needs you: not logged in; type: CLAUDE_CONFIG_DIR=/srv/work claude mcp login 'my lab'"
    );
    assert_eq!(message(""), "needs you: not logged in; type: claude mcp login 'my lab'");
}
