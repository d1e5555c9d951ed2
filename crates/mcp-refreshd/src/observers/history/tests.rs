use super::file::{Past, append, appended_to, read};
use super::fixtures::{ALL, LAB, STORE, at, failed, fresh, held, kinds, print, seen, stub, told};
use super::line::{FORMAT, Holds, Kind, Line};
use super::{History, biographies};
use crate::platform::files;
use claude_store::{KEYCHAIN_OVERFLOW, StubKind};
use proptest::prelude::*;
use refresh_engine::{Event, Need, Subject};
use std::fs;
use std::time::Duration;

#[test]
fn every_turn_of_a_login_is_told_once_with_fingerprints_before_and_after() {
    let lines = told(&[
        (0, LAB, held("one", 60)),
        (0, ALL, seen()),
        (45, LAB, fresh("one", "two", 105)),
        (46, LAB, held("two", 105)),
        (50, LAB, held("three", 110)),
        (60, LAB, stub(StubKind::FailedRefresh)),
        (60, LAB, Event::Healed { why: "it was wiped", now: print("four"), expires_at: Some(at(120)) }),
        (70, LAB, Event::Removed),
        (71, LAB, stub(StubKind::LoggedOut)),
        (80, LAB, held("five", 140)),
    ]);
    use Kind::{Adopted, Found, Healed, Login, Refreshed, Removed, Wiped};
    assert_eq!(kinds(&lines), [Found, Refreshed, Adopted, Wiped, Healed, Removed, Login]);
    assert_eq!((lines[1].before, lines[1].after), (print("one"), print("two")));
    assert_eq!((lines[2].before, lines[2].after), (print("two"), print("three")));
    assert_eq!((lines[3].before, lines[3].after, lines[3].expires_at), (print("three"), None, None));
    assert_eq!(lines[1].expires_at, Some(at(105)));
}

#[test]
fn the_same_failure_again_is_no_news_until_something_else_happened() {
    let story = [failed("a"), failed("a"), failed("b"), fresh("one", "two", 60), failed("b")];
    let story: Vec<_> = story.into_iter().map(|event| (0, LAB, event)).collect();
    use Kind::{Failed, Refreshed};
    assert_eq!(kinds(&told(&story)), [Failed, Failed, Refreshed, Failed]);
    let need = || (0, LAB, Event::NeedsPerson { need: Need::Spent });
    assert_eq!(kinds(&told(&[need(), need(), (1, LAB, held("x", 60)), need()])).len(), 3);
}

#[test]
fn entries_that_vanish_together_are_told_one_by_one() {
    let lines = told(&[
        (0, LAB, held("one", 60)),
        (0, ALL, seen()),
        (5, ALL, Event::VanishedTogether { servers: vec!["lab".into(), "other".into()] }),
        (6, LAB, held("one", 60)),
    ]);
    assert_eq!(kinds(&lines), [Kind::Found, Kind::Vanished, Kind::Found]);
    assert_eq!(lines[1].key.as_deref(), Some("lab|00"));
    assert_eq!(lines[2].cause.as_deref(), Some("the entry is in the store again"));
    // With the whole file, and once.
    let absent = || (5, ALL, Event::StoreUnreadable { why: "absent".into(), absent: true });
    let story = [(0, LAB, held("one", 60)), (0, ALL, seen()), absent(), absent(), (6, LAB, held("one", 60))];
    let lines = told(&story);
    assert_eq!(kinds(&lines), [Kind::Found, Kind::Vanished, Kind::Found]);
    assert_eq!((lines[1].holds, lines[1].before), (Some(Holds::Missing), print("one")));
}

#[test]
fn a_restart_tells_nothing_twice_and_what_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let tell = |events: &[(Subject<'_>, Event)]| {
        let history = History::open(folder.path());
        events.iter().for_each(|(subject, event)| history.note(at(0), *subject, event));
    };
    let need = || (LAB, Event::NeedsPerson { need: Need::Spent });
    tell(&[(LAB, held("one", 60)), (ALL, seen()), need()]);
    tell(&[(LAB, held("one", 60)), (ALL, seen()), need()]);
    tell(&[(LAB, held("two", 90)), (ALL, seen())]);
    let lines = read(folder.path()).unwrap().lines;
    assert_eq!(kinds(&lines), [Kind::Found, Kind::NeedsPerson, Kind::Adopted]);
    assert_eq!(lines[2].cause.as_deref(), Some("found at startup"));
    let metadata = fs::metadata(folder.path().join("history.jsonl")).unwrap();
    assert_eq!(files::mode(&metadata), files::PRIVATE);
}

#[test]
fn what_went_while_no_agent_ran_is_gone_and_not_called_removed() {
    let other = Subject { store: STORE, entry: Some(("other|00", "other")) };
    let absent = || Event::StoreUnreadable { why: "absent".into(), absent: true };
    let odd = Subject { store: STORE, entry: Some((KEYCHAIN_OVERFLOW, KEYCHAIN_OVERFLOW)) };
    let hidden = || Event::EntryOdd { why: "it does not open".into() };
    for (second, expected) in [
        // Only the other one is left; a logout left its trace; the file is gone; a part of it cannot be read.
        (vec![(other, held("two", 60)), (ALL, seen())], vec![(Kind::Gone, "lab")]),
        (
            vec![(LAB, stub(StubKind::LoggedOut)), (other, held("two", 60)), (ALL, seen())],
            vec![(Kind::Gone, "lab")],
        ),
        (vec![(ALL, absent())], vec![(Kind::Gone, "lab"), (Kind::Gone, "other")]),
        (vec![(odd, hidden()), (ALL, seen())], vec![(Kind::Odd, KEYCHAIN_OVERFLOW)]),
        (vec![(LAB, hidden()), (other, held("two", 60)), (ALL, seen())], vec![(Kind::Odd, "lab")]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tell = |minutes: i64, events: &[(Subject<'_>, Event)]| {
            let history = History::open(folder.path());
            events.iter().for_each(|(subject, event)| history.note(at(minutes), *subject, event));
        };
        tell(0, &[(LAB, held("one", 60)), (other, held("two", 60)), (ALL, seen())]);
        tell(30, &second);
        // Another start has no news, and what comes back is told.
        tell(40, &second);
        let lines = read(folder.path()).unwrap().lines;
        let told: Vec<_> =
            lines.iter().skip(2).map(|line| (line.event, line.server.as_deref().unwrap())).collect();
        assert_eq!(told, expected);
        if expected.contains(&(Kind::Gone, "lab")) {
            assert_eq!(
                lines.iter().rfind(|line| line.event == Kind::Gone).unwrap().holds,
                Some(Holds::Removed)
            );
            assert_eq!(
                biographies(folder.path()).get(&(STORE.to_owned(), "lab|00".to_owned())).unwrap().ended_at,
                None
            );
            tell(50, &[(LAB, held("one", 60)), (other, held("two", 60)), (ALL, seen())]);
            let back = read(folder.path()).unwrap().lines;
            let cause = back.last().unwrap().cause.as_deref();
            assert_eq!(cause, Some("the entry is in the store again"));
        }
    }
}

#[test]
fn a_line_cut_by_a_crash_is_passed_over_and_nothing_is_glued_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    append(
        &mut appended_to(folder.path()),
        &[Line::new(at(0), Kind::AgentStarted), Line::new(at(1), Kind::AgentEnded)],
        Vec::new,
    )
    .unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let Past { lines, damaged } = read(folder.path()).unwrap();
    assert_eq!((lines.len(), damaged), (1, 0));
    append(&mut appended_to(folder.path()), &[Line::new(at(2), Kind::AgentStarted)], Vec::new).unwrap();
    let Past { lines, damaged } = read(folder.path()).unwrap();
    assert_eq!((lines.len(), damaged), (2, 1));
}

#[test]
fn a_history_that_cannot_be_used_is_a_message_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("history.jsonl")).unwrap();
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("history.jsonl cannot be read") && message.contains("move it away"),
        "{message}"
    );
    let history = History::open(folder.path());
    history.note(at(0), LAB, &held("one", 60));
}

#[test]
fn a_wipe_is_a_collision_only_shortly_after_a_write_that_was_watched() {
    let lab = ("lab|00", "lab");
    let biography = |events: &[(i64, Event)]| {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path());
        history.note(at(0), ALL, &Event::StoreSeen { entries: 1 });
        for (minute, event) in events {
            history.note(at(*minute), Subject { store: STORE, entry: Some(lab) }, event);
        }
        biographies(folder.path()).remove(&(STORE.to_owned(), lab.0.to_owned())).unwrap_or_default()
    };
    let wiped = || stub(StubKind::FailedRefresh);
    let collided = biography(&[(0, held("one", 60)), (9, held("two", 70)), (10, wiped())]);
    assert_eq!(collided.collided, Some(Duration::from_secs(60)));
    assert_eq!((collided.had_login, collided.ended_at), (true, Some(at(10))));
    let late = biography(&[(0, held("one", 60)), (8, held("two", 70)), (10, wiped())]);
    assert_eq!((late.collided, late.ended_at), (None, Some(at(10))));
    let logout = biography(&[(9, held("one", 60)), (9, held("two", 70)), (10, stub(StubKind::LoggedOut))]);
    assert_eq!((logout.collided, logout.had_login), (None, true));
    let healed = biography(&[(9, held("one", 60)), (10, wiped()), (11, held("two", 70))]);
    assert_eq!((healed.collided, healed.ended_at), (None, None));
    // Whenever it went, it was not now.
    let unseen = tempfile::tempdir().unwrap();
    for (minute, event) in [(0, held("one", 60)), (5, wiped())] {
        let history = History::open(unseen.path());
        history.note(at(minute), Subject { store: STORE, entry: Some(lab) }, &event);
        history.note(at(minute), ALL, &seen());
    }
    let unseen = biographies(unseen.path()).remove(&(STORE.to_owned(), lab.0.to_owned())).unwrap();
    assert_eq!((unseen.had_login, unseen.ended_at), (true, None));
    let never = biography(&[(0, wiped())]);
    assert_eq!((never.had_login, never.ended_at), (false, None));
}

#[test]
fn a_sleep_of_the_machine_is_a_line_that_older_versions_pass_over() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.slept(at(0), at(90));
    let lines = read(folder.path()).unwrap().lines;
    assert_eq!((lines[0].event, lines[0].since, lines[0].at), (Kind::Slept, Some(at(0)), at(90)));
    // As this version does with what is newer.
    let newer = format!(r#"{{"v":{FORMAT},"at":"2023-11-14T22:13:20Z","event":"dreamt","about":["sheep"]}}"#);
    assert_eq!(serde_json::from_str::<Line>(&newer).unwrap().event, Kind::Unknown);
}

proptest! {
    #[test]
    fn no_bytes_in_the_file_break_anything(bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("history.jsonl"), &bytes).unwrap();
        read(folder.path()).unwrap();
        let history = History::open(folder.path());
        history.note(at(0), LAB, &held("one", 60));
        prop_assert_eq!(read(folder.path()).unwrap().lines.len(), 1);
    }
}
