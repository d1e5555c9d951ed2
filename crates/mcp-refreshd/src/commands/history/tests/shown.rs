use super::{agent, asked, holding, rows_of, story};
use crate::commands::history::canvas::Canvas;
use crate::commands::history::events::{self, Clock};
use crate::commands::history::recent::Recent;
use crate::commands::history::summary::{beginning, rows};
use crate::commands::history::{json, svg, table};
use crate::observers::history::History;
use crate::observers::history::fixtures::{LAB, STORE, at, failed, fresh, held, print, seen, told};
use crate::observers::history::line::{Holds, Kind, Line};
use crate::terminal::columns::width;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use refresh_engine::{Event, Subject};
use std::fs;

const ASCII: Canvas = Canvas { width: 80, unicode: false, colour: false };
const UNICODE: Canvas = Canvas { unicode: true, ..ASCII };
const PIPE: Style = Style { size: None, colour: false, utf8: true, cursor: false };

/// An hour east of Greenwich, now being that minute of the story.
fn local(minute: i64) -> Local {
    Local::at(at(minute), berlin())
}

fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn clock(exact: bool) -> Clock {
    Clock { zone: berlin(), exact }
}

fn drawn(lines: &[Line], until: i64, canvas: Canvas) -> String {
    let asked = asked(0, until);
    let rows = rows(lines, asked);
    table::table(&rows, beginning(&rows, asked), &local(until), canvas)
}

#[test]
fn the_summary_shows_the_worst_of_each_share_and_counts_what_happened() {
    assert_eq!(
        drawn(&story(), 100, ASCII),
        "2023-11-14 23:13 to now, each block is 3 min 42 s\n\
         SERVER COVERAGE                       VALID  REFR  FAIL  LOGIN  LAST EVENT\n\
         lab    ################xxxxxx---..   66.6 %     1     0      1  wiped 20 min ago\n\
         # valid  x expired  - missing  . agent off\n"
    );
}

#[test]
fn in_the_first_seconds_a_block_is_not_nothing() {
    let lines = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, Some(200))];
    let text = drawn(&lines, 0, UNICODE);
    assert!(text.contains("to now, each block is less than 1 s\n"), "{text}");
}

#[test]
fn on_the_first_day_the_picture_begins_with_the_first_thing_known() {
    let lines = [agent(90, Kind::AgentStarted), holding(90, Holds::Tokens, Some(200))];
    let picture = drawn(&lines, 100, UNICODE);
    assert!(picture.contains("to now, each block is") && picture.starts_with("00:43 "), "{picture}");
    let row = picture.lines().nth(2).unwrap();
    assert!(row.starts_with("lab    ████████") && row.contains("100.0 %"), "{picture}");
    let blanks = row.trim_start_matches("lab    ").trim_start_matches('█');
    assert!(blanks.starts_with("  100.0"), "{picture}");
}

#[test]
fn nothing_is_wider_than_the_terminal_and_columns_go_before_the_picture() {
    let mut foreign = story();
    foreign.iter_mut().for_each(|line| line.server = Some("開発サーバーの開発サーバー\u{1b}[2J".into()));
    for lines in [story(), foreign] {
        for columns in 20..160 {
            for unicode in [true, false] {
                let canvas = Canvas { width: columns, unicode, colour: false };
                let picture = drawn(&lines, 100, canvas);
                assert!(picture.lines().all(|line| width(line) <= columns), "{columns}\n{picture}");
                assert!(!picture.contains('\u{1b}') && (unicode || picture.is_ascii()), "{picture}");
            }
        }
    }
    let narrow = drawn(&story(), 100, Canvas { width: 40, ..UNICODE });
    assert!(narrow.contains("66.6 %") && narrow.contains("REFR") && !narrow.contains("LAST"), "{narrow}");
    assert!(drawn(&story(), 100, Canvas { width: 20, ..UNICODE }).contains("lab    ██"));
}

#[test]
fn the_last_event_has_room_beside_long_names_on_80_columns() {
    let mut lines = story();
    lines.iter_mut().filter(|line| line.server.is_some()).for_each(|line| line.server = Some("n".repeat(30)));
    let picture = drawn(&lines, 255, UNICODE);
    assert!(picture.contains("  wiped 2 h ago\n"), "{picture}");
}

#[test]
fn colours_are_no_more_than_a_help() {
    let coloured = drawn(&story(), 100, Canvas { colour: true, ..UNICODE });
    assert!(coloured.contains("\u{1b}[33m▒▒▒▒▒▒\u{1b}[0m"), "{coloured}");
    assert!(!coloured.contains("[31m") && !coloured.contains("[32m"), "no red beside green");
    let plain: String =
        coloured.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    assert_eq!(plain.lines().count(), drawn(&story(), 100, UNICODE).lines().count());
}

#[test]
fn a_long_name_keeps_its_end() {
    let named = |name: &str| Line {
        server: Some(name.into()),
        key: Some(name.into()),
        ..holding(0, Holds::Tokens, None)
    };
    let lines = [
        agent(0, Kind::AgentStarted),
        named("a-very-long-company-name-production"),
        named("a-very-long-company-name-staging"),
    ];
    let picture = drawn(&lines, 100, UNICODE);
    assert!(
        picture.contains("a-very-lon…roduction") && picture.contains("a-very-lon…e-staging"),
        "{picture}"
    );
}

#[test]
fn two_logins_of_one_name_are_told_apart_by_their_folders() {
    let other = Line {
        store: Some("/home/me/.claude-work/.credentials.json".into()),
        ..holding(0, Holds::Tokens, None)
    };
    let lines = [agent(0, Kind::AgentStarted), holding(0, Holds::Tokens, None), other];
    let text = table::plain(&rows_of(&lines, 100), &clock(true));
    assert!(
        text.starts_with("lab (.claude-work)  100.0 %") && text.contains("\nlab (.claude)       100.0 %"),
        "{text}"
    );
}

#[test]
fn in_a_pipe_nothing_is_cut_and_every_entry_has_one_line() {
    let name = "n".repeat(300);
    let mut lines = story();
    lines.iter_mut().filter(|line| line.server.is_some()).for_each(|line| line.server = Some(name.clone()));
    let text = table::plain(&rows_of(&lines, 100), &clock(true));
    assert_eq!(
        text,
        format!(
            "{name}   66.6 %  1 refresh  0 failures  1 login  wiped 2023-11-15T00:33:20+01:00  \
             valid 1 h, expired 20 min, missing 10 min, agent off 10 min\n"
        )
    );
    let refs: Vec<_> = lines.iter().collect();
    assert!(
        events::events(&refs, &PIPE, &clock(true)).contains(&format!("2023-11-14T23:13:20+01:00  {name}  "))
    );
}

#[test]
fn failures_and_logins_are_counted_and_other_servers_are_not() {
    let events = [
        (0, LAB, held("one", 60)),
        (0, super::ALL, seen()),
        (10, LAB, failed("a")),
        (20, LAB, failed("b")),
        (30, LAB, fresh("one", "two", 90)),
        (40, Subject { store: STORE, entry: Some(("other|00", "other")) }, held("x", 99)),
        (50, LAB, Event::Removed),
        (55, LAB, held("three", 115)),
    ];
    let mut lines = told(&events);
    lines.insert(0, agent(0, Kind::AgentStarted));
    let counted = |from, name| {
        let asked = super::Asked { name, ..asked(from, 100) };
        let rows = rows(&lines, asked);
        rows.iter()
            .map(|row| (row.server.clone(), row.refreshes, row.failures, row.logins))
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(0, None), [("lab".into(), 1, 2, 1), ("other".into(), 0, 0, 1)]);
    assert_eq!(counted(0, Some("lab|00")), [("lab".into(), 1, 2, 1)]);
    assert_eq!(counted(15, Some("lab")), [("lab".into(), 1, 1, 1)], "only since then");
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
    let text = events::events(&lines, &PIPE, &clock(true));
    assert_eq!(text.lines().count(), 3, "{text}");
    let story = |line: &str| width(&line[..line.find("wiped").unwrap()]);
    assert!(text.lines().all(|line| story(line) == 33), "{text}");
    for columns in [20, 40, 80, 120] {
        let text = events::events(&lines, &terminal(columns, true), &clock(false));
        assert!(text.lines().all(|line| width(line) <= columns.max(25)), "{columns}: {text}");
    }
    let text = events::events(&lines, &terminal(80, true), &clock(false));
    assert!(text.starts_with("2023-11-14 23:13:20  lab   wiped "), "{text}");
    assert!(events::events(&lines, &terminal(80, false), &clock(false)).is_ascii());
}

#[test]
fn an_event_says_until_when_and_for_how_long_in_local_time() {
    let refreshed = Line { event: Kind::Refreshed, ..holding(0, Holds::Tokens, Some(60)) };
    assert_eq!(
        events::event(&refreshed, &clock(false)),
        "2023-11-14 23:13:20 refreshed, valid until 2023-11-15 00:13:20"
    );
    let earlier = Line { event: Kind::Refreshed, ..holding(0, Holds::Tokens, Some(30)) };
    assert_eq!(events::event(&earlier, &clock(false)), "2023-11-14 23:13:20 refreshed, valid until 23:43:20");
    let slept = Line { since: Some(at(-90)), ..agent(0, Kind::Slept) };
    assert_eq!(
        events::event(&slept, &clock(false)),
        "2023-11-14 23:13:20 machine slept 1 h 30 min, since 21:43:20"
    );
}

#[test]
fn a_rest_is_told_once_and_drawn_as_such_and_no_part_of_the_share() {
    use crate::commands::history::coverage::State::{Expired, Resting, Valid};
    let (rests, over) = (|| Event::Rests, || Event::RestOver);
    let mut lines = told(&[
        (0, LAB, held("one", 60)),
        (0, super::ALL, seen()),
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
    lines.insert(0, agent(0, Kind::AgentStarted));
    let rows = rows_of(&lines, 280);
    let one = rows[0].coverage.as_ref().unwrap();
    let expected = [(60, Valid), (40, Resting), (60, Valid), (40, Resting), (20, Expired), (60, Valid)];
    assert_eq!(super::minutes(one), expected);
    assert_eq!(one.permille(), Some(900), "180 of 200 minutes");
    let picture = drawn(&lines, 280, ASCII);
    assert!(picture.contains("#__") && picture.contains("_ resting"), "{picture}");
    assert!(table::plain(&rows, &clock(true)).contains("resting 1 h 20 min"));
    let listed: Vec<_> = lines.iter().filter(|line| line.event.is_shown()).collect();
    let json = json::json(&listed, &rows, at(0), at(280)).unwrap();
    assert_eq!(json.matches("\"event\": \"rests\"").count(), 2, "{json}");
    assert!(!json.contains("rest_over"), "{json}");
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
    assert!(events[0].contains(":18:20 refreshed ") && events[4].contains(":22:20 refreshed "), "{events:?}");
    assert!(recent.trouble().is_none());
    // Wine 8 removes a file that somebody has open only when it is closed.
    drop(history);
    fs::remove_file(folder.path().join("history.jsonl")).unwrap();
    fs::create_dir(folder.path().join("history.jsonl")).unwrap();
    assert!(told(&mut recent, "lab|00").is_empty());
    assert!(recent.trouble().unwrap().contains("history.jsonl"), "{recent:?}");
}

#[test]
fn the_svg_has_a_title_whole_names_local_time_and_patterns_beside_colours() {
    let mut hostile = story();
    let name = "<script>\"&\u{1b} with a name that is longer than any table would show it";
    hostile.iter_mut().for_each(|line| line.server = line.server.as_ref().map(|_| name.to_owned()));
    let rows = rows_of(&hostile, 100);
    let text = svg::svg(&rows, at(0), at(100), &berlin());
    assert!(text.starts_with("<svg xmlns=") && text.ends_with("</svg>\n"));
    assert!(text.contains("font-weight=\"bold\">How long each MCP login was valid</text>"), "{text}");
    let escaped =
        "&lt;script&gt;&quot;&amp;\\u{1b} with a name that is longer than any table would show it</text>";
    assert!(text.contains(escaped) && !text.contains("<script"), "{text}");
    assert!(text.contains("2023-11-14 23:13 to 2023-11-15 00:53, local time (CET)"), "{text}");
    // A whole hour of the user's clock, and his midnight.
    assert!(text.contains(">23:30</text>") && text.contains(">Wed 15 Nov</text>"), "{text}");
    assert!(text.contains("width=\"432.00\""), "60 of 100 minutes of 720 pixels: {text}");
    for state in ["url(#expired)", "url(#missing)", "url(#off)", "#0072b2"] {
        assert!(
            text.matches(&format!("fill=\"{state}\"")).count() >= 2,
            "in the picture and in the legend: {state}"
        );
    }
    well_formed(&text);
    well_formed(&svg::svg(&[], Timestamp::MIN, Timestamp::MAX, &berlin()));
}

/// Every tag that is opened is closed, in its order.
fn well_formed(text: &str) {
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').unwrap();
        assert!(!rest.contains('>') && tag.matches('"').count() % 2 == 0, "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{text}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_scale_has_round_moments_of_the_users_days_also_where_a_day_has_25_hours() {
    let moment = |text: &str| text.parse::<Timestamp>().unwrap();
    let text = svg::svg(&[], moment("2023-10-26T10:00:00Z"), moment("2023-11-01T10:00:00Z"), &berlin());
    let labels: Vec<_> = text
        .split("font-size=\"11\" fill=\"#555555\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(labels, ["Fri 27 Oct", "Sat 28 Oct", "Sun 29 Oct", "Mon 30 Oct", "Tue 31 Oct", "Wed 01 Nov"]);
}

#[test]
fn the_json_holds_events_spans_and_counts() {
    let line = holding(0, Holds::Tokens, Some(60));
    let json = json::json(&[&line], &rows_of(&story(), 100), at(0), at(100)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["events"][0]["event"], "adopted");
    assert_eq!(json["coverage"][0]["valid_percent"], 66.6);
    assert_eq!(json["coverage"][0]["refreshes"], 1);
    assert_eq!(json["coverage"][0]["spans"][1]["state"], "expired");
    assert_eq!(json["coverage"][0]["spans"][3]["state"], "unwatched");
}

#[test]
fn times_at_the_end_of_the_calendar_are_no_trouble() {
    let forever = Line { expires_at: Some(Timestamp::MAX), ..holding(0, Holds::Tokens, None) };
    let asked = super::Asked { name: None, from: Timestamp::MIN, until: Timestamp::MAX, running: true };
    let rows = rows(&[forever], asked);
    let local = Local::at(Timestamp::MAX, berlin());
    table::table(&rows, Timestamp::MIN, &local, ASCII);
    svg::svg(&rows, Timestamp::MIN, Timestamp::MAX, &berlin());
}
