use super::canvas::Canvas;
use super::coverage::{Coverage, State, coverage};
use super::recent::Recent;
use super::{json, svg, text};
use crate::observers::history::History;
use crate::observers::history::biographies;
use crate::observers::history::entry_state::EntryStates;
use crate::observers::history::file::{Past, append, read};
use crate::observers::history::line::{Holds, Kind, Line};
use crate::observers::rotating::FULL;
use crate::terminal::columns::width;
use crate::terminal::style::Style;
use claude_store::StubKind;
use jiff::{SignedDuration, Timestamp};
use oauth_secret::{Fingerprint, TokenDigest};
use proptest::prelude::*;
use refresh_engine::{Event, Need, Outcome, Subject};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const STORE: &str = "/home/me/.claude/.credentials.json";
const LAB: Subject<'_> = Subject { store: STORE, entry: Some(("lab|00", "lab")) };
const ALL: Subject<'_> = Subject { store: STORE, entry: None };
const ASCII: Canvas = Canvas { width: 80, unicode: false, colour: false };

/// This many minutes into the story.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

fn print(token: &str) -> Option<Fingerprint> {
    Some(TokenDigest::of(token).fingerprint())
}

fn held(refresh: &str, until: i64) -> Event {
    Event::Held { access: print("a"), refresh: print(refresh), expires_at: Some(at(until)), stub: None }
}

fn stub(kind: StubKind) -> Event {
    Event::Held { access: None, refresh: None, expires_at: None, stub: Some(kind) }
}

fn fresh(before: &str, now: &str, until: i64) -> Event {
    Event::Ended {
        outcome: Outcome::Fresh,
        detail: "a new token for 60 min".into(),
        before: print(before),
        now: print(now),
        lifetime: Some(Duration::from_secs(3600)),
        expires_at: Some(at(until)),
        retry_in: None,
    }
}

fn failed(detail: &str) -> Event {
    Event::Ended {
        outcome: Outcome::Transient,
        detail: detail.into(),
        before: print("one"),
        now: print("one"),
        lifetime: None,
        expires_at: None,
        retry_in: None,
    }
}

fn seen() -> Event {
    Event::StoreSeen { entries: 1 }
}

/// The lines of a story that is told from the beginning.
fn told(story: &[(i64, Subject<'_>, Event)]) -> Vec<Line> {
    let mut states = EntryStates::default();
    let mut lines = Vec::new();
    for (minutes, subject, event) in story {
        for line in states.lines(at(*minutes), *subject, event) {
            states.apply(&line);
            lines.push(line);
        }
    }
    lines
}

fn kinds(lines: &[Line]) -> Vec<Kind> {
    lines.iter().map(|line| line.event).collect()
}

fn holding(minutes: i64, holds: Holds, until: Option<i64>) -> Line {
    Line {
        store: Some(STORE.into()),
        key: Some("lab|00".into()),
        server: Some("lab".into()),
        holds: Some(holds),
        expires_at: until.map(at),
        ..Line::new(at(minutes), Kind::Adopted)
    }
}

fn agent(minutes: i64, kind: Kind) -> Line {
    Line::new(at(minutes), kind)
}

fn minutes(coverage: &Coverage) -> Vec<(i64, State)> {
    coverage
        .spans
        .iter()
        .map(|span| ((span.until.as_second() - span.from.as_second()) / 60, span.state))
        .collect()
}

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
fn a_rest_is_told_once_and_drawn_as_such_and_no_part_of_the_share() {
    let (rests, over) = (|| Event::Rests, || Event::RestOver);
    let mut lines = told(&[
        (0, LAB, held("one", 60)),
        (0, ALL, seen()),
        (50, LAB, over()),
        (50, LAB, rests()),
        (50, LAB, rests()),
        // The keep-alive.
        (100, LAB, over()),
        (100, LAB, fresh("one", "two", 160)),
        (150, LAB, rests()),
        // Somebody comes, and the server is down.
        (200, LAB, over()),
        (200, LAB, failed("down")),
        (220, LAB, fresh("two", "three", 280)),
    ]);
    use Kind::{Failed, Found, Refreshed, RestOver, Rests};
    let expected = [Found, Rests, RestOver, Refreshed, Rests, RestOver, Failed, Refreshed];
    assert_eq!(kinds(&lines), expected);
    assert!(Rests.is_shown() && !RestOver.is_shown());
    lines.insert(0, agent(0, Kind::AgentStarted));
    let one = &coverage(&lines, at(0), at(280), true)[0];
    use State::{Expired, Resting, Valid};
    let drawn = [(60, Valid), (40, Resting), (60, Valid), (40, Resting), (20, Expired), (60, Valid)];
    assert_eq!(minutes(one), drawn);
    assert_eq!(one.permille(), Some(900), "180 of 200 minutes");
    let picture = text::picture(&coverage(&lines, at(0), at(280), true), at(0), at(280), ASCII);
    assert!(picture.contains("#__") && picture.contains("_ resting"), "{picture}");
    assert!(
        text::summary(&[coverage(&lines, at(0), at(280), true).remove(0)]).contains("resting 1 h 20 min")
    );
    let lines = &lines.iter().collect::<Vec<_>>();
    let json = json::json(lines, &coverage(&told(&[]), at(0), at(280), true), at(0), at(280)).unwrap();
    assert!(json.contains("\"event\": \"rests\""), "{json}");
}

#[test]
fn a_rest_lasts_into_a_new_file_and_every_agent_says_anew_what_rests() {
    let mut states = EntryStates::default();
    for (minute, event) in [(0, held("one", 60)), (50, Event::Rests)] {
        let lines = states.lines(at(minute), LAB, &event);
        lines.iter().for_each(|line| states.apply(line));
    }
    let mut lines = vec![agent(90, Kind::Carried)];
    lines.extend(states.carried(at(90)));
    let written: Vec<_> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let mut lines: Vec<Line> = written.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(minutes(&coverage(&lines, at(90), at(120), true)[0]), [(30, State::Resting)]);

    // Killed, and started again where somebody is expected; where nobody is, it says so again.
    lines.push(agent(100, Kind::AgentStarted));
    assert_eq!(
        minutes(&coverage(&lines, at(90), at(120), true)[0]),
        [(10, State::Unwatched), (20, State::Expired)]
    );
    states.apply(&agent(100, Kind::AgentStarted));
    let again = states.lines(at(100), LAB, &Event::Rests);
    assert_eq!(kinds(&again), [Kind::Rests]);
    lines.extend(again);
    assert_eq!(
        minutes(&coverage(&lines, at(90), at(120), true)[0]),
        [(10, State::Unwatched), (20, State::Resting)]
    );
    // What is found expired is told to rest a moment later.
    let moment = |milliseconds| at(0).checked_add(SignedDuration::from_millis(milliseconds)).unwrap();
    for (later, expired) in [(40, 0), (6000, 1)] {
        let mut found = vec![agent(-10, Kind::AgentStarted), holding(-5, Holds::Tokens, Some(-5))];
        found[1].at = at(0);
        let rests = Line { holds: None, rests: true, event: Kind::Rests, ..holding(0, Holds::Tokens, None) };
        found.push(Line { at: moment(later), ..rests });
        let one = &coverage(&found, at(-10), at(10), true)[0];
        assert_eq!(one.spans.len(), 1 + expired, "{one:?}");
        assert_eq!(one.spans[expired].state, State::Resting);
    }
    // A line of an earlier version rests nowhere.
    let old = r#"{"v":1,"at":"2023-11-14T22:13:20Z","event":"refreshed","holds":"tokens"}"#;
    assert_eq!(serde_json::from_str::<Line>(old).unwrap().turns(), Some(false));
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
    assert_eq!(kinds(&lines), [Kind::Found, Kind::Vanished, Kind::Adopted]);
    assert_eq!(lines[1].key.as_deref(), Some("lab|00"));
    assert_eq!(lines[2].cause.as_deref(), Some("the entry is in the store again"));
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
    assert_eq!(lines[2].cause.as_deref(), Some("found so at the start"));
    let mode = fs::metadata(folder.path().join("history.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_line_cut_by_a_crash_is_passed_over_and_nothing_is_glued_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    append(folder.path(), &[agent(0, Kind::AgentStarted), agent(1, Kind::AgentEnded)], Vec::new).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let Past { lines, damaged } = read(folder.path()).unwrap();
    assert_eq!((lines.len(), damaged), (1, 0));
    append(folder.path(), &[agent(2, Kind::AgentStarted)], Vec::new).unwrap();
    let Past { lines, damaged } = read(folder.path()).unwrap();
    assert_eq!((lines.len(), damaged), (2, 1));
}

#[test]
fn the_files_stay_bounded_and_what_holds_is_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.agent_started();
    history.note(at(0), LAB, &held("one", 60));
    let quiet = Subject { store: STORE, entry: Some(("quiet|00", "quiet")) };
    history.note(at(0), quiet, &held("two", 1_000_000));
    for turn in 0..3 * FULL / 400 {
        history.note(at(1), LAB, &failed(&format!("{turn} {}", "x".repeat(200))));
    }
    let sizes: Vec<_> = ["history.jsonl", "history.1.jsonl"]
        .iter()
        .map(|name| fs::metadata(folder.path().join(name)).unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size < FULL + 10_000), "{sizes:?}");
    let lines = read(folder.path()).unwrap().lines;
    assert!(kinds(&lines).iter().all(|kind| *kind != Kind::Found), "the beginning is gone");
    let coverages = coverage(&lines, at(0), at(100), true);
    let quiet = coverages.iter().find(|coverage| coverage.server == "quiet").unwrap();
    assert_eq!(minutes(quiet), [(99, State::Valid)], "the quiet one is still known");
}

#[test]
fn a_history_that_cannot_be_used_is_a_message_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("history.jsonl")).unwrap();
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("history.jsonl cannot be read") && message.contains("move away"), "{message}");
    let history = History::open(folder.path());
    history.note(at(0), LAB, &held("one", 60));
}

#[test]
fn coverage_is_the_share_of_the_watched_time_in_which_the_token_was_good() {
    let lines = [
        agent(0, Kind::AgentStarted),
        holding(0, Holds::Tokens, Some(60)),
        holding(80, Holds::Tokens, Some(140)),
        holding(100, Holds::Missing, None),
        holding(110, Holds::Tokens, Some(170)),
        holding(150, Holds::Removed, None),
        holding(180, Holds::Tokens, None),
    ];
    let all = coverage(&lines, at(0), at(200), true);
    use State::{Expired, Missing, Removed, Valid};
    assert_eq!(
        minutes(&all[0]),
        [(60, Valid), (20, Expired), (20, Valid), (10, Missing), (40, Valid), (30, Removed), (20, Valid)]
    );
    assert_eq!(all[0].permille(), Some(140 * 1000 / 170), "a logout is nobody's failure");
    let end = coverage(&lines, at(70), at(90), true);
    assert_eq!(minutes(&end[0]), [(10, Expired), (10, Valid)]);
}

#[test]
fn while_nobody_watched_an_expired_token_says_nothing() {
    use State::{Expired, Unwatched, Valid};
    let begin = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, Some(60))];
    let with = |more: &[Line]| [&begin[..], more].concat();
    let ended = with(&[agent(30, Kind::AgentEnded)]);
    assert_eq!(minutes(&coverage(&ended, at(0), at(100), false)[0]), [(60, Valid), (40, Unwatched)]);
    let killed = with(&[agent(90, Kind::AgentStarted)]);
    assert_eq!(
        minutes(&coverage(&killed, at(0), at(100), true)[0]),
        [(60, Valid), (30, Unwatched), (10, Expired)]
    );
    assert_eq!(minutes(&coverage(&begin, at(0), at(100), true)[0]), [(60, Valid), (40, Expired)]);
    assert_eq!(minutes(&coverage(&begin, at(0), at(100), false)[0]), [(60, Valid), (40, Unwatched)]);
    assert_eq!(coverage(&ended, at(70), at(100), false)[0].permille(), None);
}

#[test]
fn a_share_that_is_not_whole_is_never_called_so() {
    let lines = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, Some(9999))];
    let coverages = coverage(&lines, at(0), at(10_000), true);
    assert_eq!(text::percent(&coverages[0]), " 99.9 %");
    assert_eq!(text::percent(&coverage(&lines, at(0), at(9999), true)[0]), "100.0 %");
}

fn story() -> Vec<Coverage> {
    let lines = [
        agent(0, Kind::AgentStarted),
        holding(0, Holds::Tokens, Some(60)),
        holding(80, Holds::Missing, None),
        agent(90, Kind::AgentEnded),
    ];
    coverage(&lines, at(0), at(100), false)
}

#[test]
fn the_picture_shows_the_worst_of_each_share_and_fits_the_terminal() {
    let wide = text::picture(&story(), at(0), at(100), ASCII);
    assert_eq!(
        wide,
        "2023-11-14T22:13:20Z to 2023-11-14T23:53:20Z\n\
         one block: 1 min 28 s\n\
         lab ########################################xxxxxxxxxxxxxxx-------......  66.6 %\n\
         # valid  _ resting  x expired  - missing  . not watched\n"
    );
    let unicode = Canvas { width: 24, unicode: true, colour: false };
    let narrow = text::picture(&story(), at(0), at(100), unicode);
    assert!(narrow.contains("lab ███████▒▒▒░·  66.6 %\n"), "{narrow}");
    for width in 0..130 {
        let terminal = Canvas { width, unicode: true, colour: false };
        let picture = text::picture(&story(), at(0), at(100), terminal);
        assert!(picture.lines().all(|line| line.chars().count() <= width.max(17)), "{width}\n{picture}");
    }
    let mut foreign = story();
    foreign[0].server = "開発サーバー".into();
    for width_of in 24..130 {
        let terminal = Canvas { width: width_of, unicode: true, colour: false };
        let picture = text::picture(&foreign, at(0), at(100), terminal);
        assert!(picture.lines().all(|line| width(line) <= width_of), "{width_of}\n{picture}");
    }
    assert!(text::picture(&foreign, at(0), at(100), ASCII).is_ascii());
    let colour = text::picture(&story(), at(0), at(100), Canvas { colour: true, ..unicode });
    assert!(colour.contains("\u{1b}[31m▒▒▒\u{1b}[0m"), "{colour}");
}

#[test]
fn events_are_laid_out_for_their_reader() {
    let names = [Some("lab"), Some("開発"), None];
    let lines: Vec<_> = names
        .into_iter()
        .map(|name| Line {
            server: name.map(str::to_owned),
            cause: Some("a failed refresh of another program took the tokens".into()),
            before: print("one"),
            ..Line::new(at(0), Kind::Wiped)
        })
        .collect();
    let lines: Vec<_> = lines.iter().collect();
    let terminal = |columns, utf8| Style { size: Some((columns, 24)), colour: false, utf8, cursor: true };
    let pipe = Style { size: None, ..terminal(80, true) };
    let text = text::events(&lines, &pipe);
    assert_eq!(text.lines().count(), 3, "{text}");
    let story = |line: &str| width(&line[..line.find("wiped").unwrap()]);
    assert!(text.lines().all(|line| story(line) == 28), "{text}");
    for columns in [20, 80, 120] {
        let text = text::events(&lines, &terminal(columns, true));
        assert!(text.lines().all(|line| width(line) <= columns.max(26)), "{columns}: {text}");
    }
    let text = text::events(&lines, &terminal(80, true));
    assert!(text.contains("\n                            took the tokens"), "{text}");
    assert!(text::events(&lines, &terminal(80, false)).is_ascii());
}

#[test]
fn beside_the_state_stand_the_last_five_events_of_that_entry() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    let other = Subject { store: STORE, entry: Some(("other|00", "other")) };
    let mut recent = Recent::default();
    let told = |recent: &mut Recent, key: &str| {
        recent.look_for(folder.path(), [(STORE.to_owned(), str::to_owned(key))]);
        recent.of(STORE, key)
    };
    assert!(told(&mut recent, "lab|00").is_empty());
    history.note(at(0), LAB, &held("one", 60));
    assert_eq!(told(&mut recent, "lab|00").len(), 1);
    for minute in 1..10 {
        history.note(at(minute), LAB, &fresh("one", "two", 60 + minute));
        history.note(at(minute), other, &held("three", 60 + minute));
    }
    let events = told(&mut recent, "lab|00");
    assert_eq!(events.len(), 5);
    assert!(events[0].starts_with("2023-11-14T22:18:20Z refreshed "), "{events:?}");
    assert!(events[4].starts_with("2023-11-14T22:22:20Z refreshed "), "{events:?}");
    assert!(recent.trouble().is_none());
    fs::remove_file(folder.path().join("history.jsonl")).unwrap();
    fs::create_dir(folder.path().join("history.jsonl")).unwrap();
    assert!(told(&mut recent, "lab|00").is_empty());
    assert!(recent.trouble().unwrap().contains("history.jsonl"), "{recent:?}");
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
    let never = biography(&[(0, wiped())]);
    assert_eq!((never.had_login, never.ended_at), (false, None));
}

#[test]
fn the_svg_stands_alone_and_no_name_breaks_out_of_it() {
    let mut hostile = story();
    hostile[0].server = "<script>\"&\u{1b}".into();
    let text = svg::svg(&hostile, at(0), at(100));
    assert!(text.starts_with("<svg xmlns=") && text.ends_with("</svg>\n"));
    assert!(text.contains("&lt;script&gt;\"&amp;\\u{1b}") && !text.contains("<script"), "{text}");
    assert!(text.contains("width=\"432.00\""), "60 of 100 minutes of 720 pixels: {text}");
    for tag in ["text", "svg"] {
        let (opened, closed) = (format!("<{tag} "), format!("</{tag}>"));
        assert_eq!(text.matches(&opened).count(), text.matches(&closed).count());
    }
    svg::svg(&[], Timestamp::MIN, Timestamp::MAX);
}

#[test]
fn the_json_holds_events_and_spans() {
    let line = holding(0, Holds::Tokens, Some(60));
    let json = json::json(&[&line], &story(), at(0), at(100)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["events"][0]["event"], "adopted");
    assert_eq!(json["coverage"][0]["valid_percent"], 66.6);
    assert_eq!(json["coverage"][0]["spans"][1]["state"], "expired");
}

proptest! {
    /// Whatever stands in the files.
    #[test]
    fn no_lines_break_the_picture(
        turns in proptest::collection::vec((0_i64..1000, 0..8_usize, proptest::option::of(-50_i64..2000)), 0..40),
        from in 0_i64..1000, length in 1_i64..1000, running: bool, width in 0_usize..200,
    ) {
        let lines: Vec<_> = turns.iter().map(|(minute, what, until)| match what {
            0 => agent(*minute, Kind::AgentStarted),
            1 => agent(*minute, Kind::AgentEnded),
            2 => agent(*minute, Kind::Carried),
            3 => holding(*minute, Holds::Missing, None),
            6 => Line { holds: None, rests: true, event: Kind::Rests, ..holding(*minute, Holds::Tokens, None) },
            7 => Line { holds: None, event: Kind::RestOver, ..holding(*minute, Holds::Tokens, None) },
            4 => holding(*minute, Holds::Removed, None),
            _ => holding(*minute, Holds::Tokens, *until),
        }).collect();
        let (from, until) = (at(from), at(from + length));
        let coverages = coverage(&lines, from, until, running);
        for coverage in &coverages {
            for (one, next) in coverage.spans.iter().zip(coverage.spans.iter().skip(1)) {
                prop_assert!(one.until <= next.from);
            }
            prop_assert!(coverage.spans.iter().all(|span| span.from < span.until && span.from >= from && span.until <= until));
            prop_assert!(coverage.permille().is_none_or(|share| (0..=1000).contains(&share)));
        }
        text::picture(&coverages, from, until, Canvas { width, ..ASCII });
        text::summary(&coverages);
        svg::svg(&coverages, from, until);
    }

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

#[test]
fn times_at_the_end_of_the_calendar_are_no_trouble() {
    let forever = Line { expires_at: Some(Timestamp::MAX), ..holding(0, Holds::Tokens, None) };
    let coverages = coverage(&[forever], Timestamp::MIN, Timestamp::MAX, true);
    text::picture(&coverages, Timestamp::MIN, Timestamp::MAX, ASCII);
    assert!(at(0).checked_add(SignedDuration::from_hours(1)).is_ok());
}
