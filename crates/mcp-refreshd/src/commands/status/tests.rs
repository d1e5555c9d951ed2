use super::json::json;
use super::remarks::exit;
use super::*;
use crate::commands::history::Recent;
use crate::control::report::{Daemon, EntryStatus, Facts, Status, StoreStatus};
use crate::terminal::columns::width;
use crate::terminal::local::Local;
use crate::terminal::style::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oauth_secret::TokenDigest;
use refresh_engine::{LastRefresh, Outcome, State};

fn now() -> Local {
    later("2026-11-22T12:00:00Z")
}

/// Two hours ahead of UTC.
fn later(now: &str) -> Local {
    Local::at(now.parse().unwrap(), TimeZone::posix("EET-2").unwrap())
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn entry(name: &str, state: State) -> EntryStatus {
    EntryStatus {
        key: format!("{name}|0123456789abcdef"),
        name: name.into(),
        url: Some(format!("https://{name}.example/mcp")),
        state,
        expires_at: at("2026-11-22T12:43:10Z"),
        next_refresh_at: at("2026-11-22T12:31:00Z"),
        margin_s: Some(900),
        access: Some(TokenDigest::of("made-up access").fingerprint()),
        refresh: Some(TokenDigest::of("made-up refresh").fingerprint()),
        last: Some(LastRefresh {
            at: at("2026-11-22T11:43:00Z").unwrap(),
            outcome: Outcome::Fresh,
            detail: String::new(),
        }),
        waits_for: None,
        unsaved: None,
        why: None,
        action: None,
        facts: Facts { lifetime_s: Some(3600), lifetime_answered: true, ..Facts::default() },
    }
}

fn dead(name: &str) -> EntryStatus {
    EntryStatus {
        why: Some("the login has ended (invalid_grant)".into()),
        action: Some(format!("claude mcp login {name}")),
        next_refresh_at: None,
        ..entry(name, State::NeedsPerson)
    }
}

fn status(entries: Vec<EntryStatus>) -> Status {
    let daemon = Daemon {
        pid: 42,
        version: "0.1.0".into(),
        started_at: at("2026-11-22T08:00:00Z").unwrap(),
        service: Some(true),
    };
    Status {
        daemon: Some(daemon),
        stores: vec![StoreStatus {
            location: "/home/me/.claude/.credentials.json".into(),
            entries,
            ..StoreStatus::default()
        }],
        ..Status::default()
    }
}

/// A reader that is no terminal.
const PIPE: Style = Style { size: None, colour: false, utf8: true, cursor: false };

fn terminal(columns: usize) -> Style {
    Style { size: Some((columns, 24)), colour: false, utf8: true, cursor: true }
}

fn retrying(name: &str) -> EntryStatus {
    let last = LastRefresh {
        at: at("2026-11-22T11:59:50Z").unwrap(),
        outcome: Outcome::Transient,
        detail: "HTTP 503".into(),
    };
    EntryStatus {
        next_refresh_at: at("2026-11-22T12:00:20Z"),
        last: Some(last),
        ..entry(name, State::Retrying)
    }
}

fn three() -> Status {
    status(vec![entry("lab", State::Fresh), retrying("jira"), dead("notion")])
}

#[test]
fn off_a_terminal_each_server_has_one_line_and_the_persons_problem_is_first() {
    let expected = [
        "notion  needs you  43 min left  -               refreshed 17 min ago  \
         type: claude mcp login notion  # the login has ended (invalid_grant)",
        "jira    retrying   43 min left  again in 20 s   failed 10 s ago",
        "lab     fresh      43 min left  next in 31 min  refreshed 17 min ago",
    ];
    assert_eq!(overview(&three(), &now(), &PIPE), expected.join("\n") + "\n");
}

#[test]
fn on_a_terminal_of_eighty_columns_it_is_a_table_with_bars() {
    assert_eq!(
        overview(&three(), &now(), &terminal(80)),
        "SERVER  STATE      TIME LEFT          NEXT       LAST RESULT\n\
         notion  needs you  ████████░░ 43 min  -          refreshed 17 min ago\n\
         \u{20} the login has ended (invalid_grant)\n\
         \u{20} type: claude mcp login notion\n\
         jira    retrying   ████████░░ 43 min  in 20 s    failed 10 s ago\n\
         lab     fresh      ████████░░ 43 min  in 31 min  refreshed 17 min ago\n"
    );
}

#[test]
fn an_ascii_terminal_gets_its_bars_in_ascii() {
    let ascii = Style { utf8: false, ..terminal(80) };
    let mut status = three();
    status.stores[0]
        .entries
        .push(entry("a-rather-long-name-of-a-server-that-is-cut-somewhere", State::Fresh));
    let text = overview(&status, &now(), &ascii);
    assert!(text.is_ascii() && text.contains("###") && text.contains("~ "), "{text}");
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let text = overview(&three(), &now(), &Style { colour: true, ..terminal(80) });
    assert!(text.contains("\u{1b}[1;31mneeds you\u{1b}[0m"), "{text:?}");
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    parts.for_each(|part| plain.push_str(part.split_once('m').unwrap().1));
    assert_eq!(plain, overview(&three(), &now(), &terminal(80)));
}

#[test]
fn a_table_is_never_wider_than_the_terminal_but_for_what_to_type() {
    let long = "a-rather-long-name-of-a-server-that-is-cut-and-goes-on-and-on";
    let unsaved = EntryStatus { unsaved: Some("no room left for it".into()), ..entry("full", State::Due) };
    let unknown = EntryStatus {
        expires_at: None,
        facts: Facts::default(),
        last: None,
        ..entry("unknown", State::Fresh)
    };
    let ended = EntryStatus { expires_at: at("2026-11-20T11:00:00Z"), ..entry("old", State::Expired) };
    let all =
        status(vec![entry(long, State::Refreshing), unsaved, unknown, ended, retrying("jira"), dead(long)]);
    for columns in 0..=140 {
        let text = overview(&all, &now(), &terminal(columns));
        let lines = text.lines().filter(|line| !line.contains("type:"));
        let widest = lines.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns.max(4), "{widest} in {columns}:\n{text}");
        assert!(text.contains(&format!("type: claude mcp login {long}\n")), "{text}");
    }
    let wide = overview(&all, &now(), &terminal(120));
    assert!(wide.contains("LAST RESULT") && wide.contains('█'), "{wide}");
}

#[test]
fn a_usual_line_fits_eighty_columns() {
    let twenty =
        status(vec![entry("a-name-of-twenty-chr", State::Refreshing), retrying("plugin:slack:slack")]);
    let text = overview(&twenty, &now(), &terminal(80));
    assert!(
        text.contains("failed 10 s ago") && text.contains("a-name-of-twenty-chr  ") && text.contains('█'),
        "{text}"
    );
}

#[test]
fn several_stores_keep_their_servers_apart_and_the_one_that_needs_a_person_is_first() {
    let mut both = status(vec![entry("lab", State::Fresh)]);
    both.stores.extend(status(vec![dead("notion")]).stores);
    both.stores[1].location = "/srv/claude/.credentials.json".into();
    let text = overview(&both, &now(), &terminal(80));
    assert!(text.starts_with("/srv/claude/.credentials.json:\n"), "{text}");
    assert_eq!(text.matches("SERVER").count(), 2);
}

#[test]
fn the_screen_is_written_only_where_something_changed_and_never_cleared_for_it() {
    let mut screen = watch::Screen::default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(screen.show(&lines("a\nb")), "\u{1b}[?7la\u{1b}[K\r\nb\u{1b}[K\r\n\u{1b}[J\u{1b}[?7h");
    assert_eq!(screen.show(&lines("a\nb")), "");
    let again = screen.show(&lines("a"));
    assert_eq!(again, "\u{1b}[?7l\r\u{1b}[2Aa\u{1b}[K\r\n\u{1b}[J\u{1b}[?7h");
    assert!(!again.contains("[2J"));
}

#[test]
fn a_frame_never_has_more_rows_than_the_terminal() {
    let names = (0..100).map(|number| entry(&format!("server{number}"), State::Fresh)).collect();
    let text = overview(&status(names), &now(), &terminal(80));
    for (columns, rows) in (0..30).flat_map(|rows| [1, 20, 80].map(|columns| (columns, rows))) {
        let below = vec!["is not running".to_owned()];
        let lines = watch::frame(&text, below.clone(), columns, rows);
        assert!(lines.len() <= rows.saturating_sub(1).max(1), "{columns} x {rows}: {lines:?}");
        assert!(rows < 5 || lines.ends_with(&below), "{lines:?}");
        assert!(
            rows < 5 || columns < 20 || lines.iter().any(|line| line.ends_with(" more lines)")),
            "{lines:?}"
        );
    }
}

#[test]
fn without_a_terminal_only_changes_are_told() {
    let mut journal = watch::Journal::default();
    let first = journal.news(&three(), None, &now());
    assert_eq!(first.lines().count(), 3, "{first}");
    assert!(first.starts_with("2026-11-22 14:00:00 EET  notion  needs you  "), "{first}");
    assert_eq!(journal.news(&three(), None, &later("2026-11-22T12:10:00Z")), "");
    let mut changed = three();
    changed.stores[0].entries[1].state = State::Fresh;
    changed.stores[0].entries.pop();
    let news = journal.news(&changed, None, &now());
    assert_eq!(
        news,
        "2026-11-22 14:00:00 EET  jira  fresh  43 min left  failed for now\n\
         2026-11-22 14:00:00 EET  notion  removed\n"
    );
    let stopped = Status { daemon: None, ..changed.clone() };
    assert!(journal.news(&stopped, None, &now()).contains("is not running"));
    assert_eq!(journal.news(&stopped, None, &now()), "");
    assert!(journal.news(&changed, None, &now()).contains("the agent is running"));
    assert!(journal.news(&changed, Some("it does not answer"), &now()).ends_with("  it does not answer\n"));
}

#[test]
fn no_name_of_a_server_moves_the_cursor() {
    let nasty = "a\u{1b}[2Jb\nneeds you  type: rm -rf /";
    let mut status = status(vec![entry(nasty, State::Fresh)]);
    status.stores[0].odd.push((nasty.into(), nasty.into()));
    status.stores[0].vanished.push(nasty.into());
    status.stores[0].entries[0].unsaved = Some(nasty.into());
    let text = [
        overview(&status, &now(), &PIPE),
        overview(&status, &now(), &terminal(80)),
        detailed(&status, &Recent::default(), &now(), &PIPE),
        detailed(&status, &Recent::default(), &now(), &terminal(20)),
        remarks(&status, &now()).join("\n"),
    ]
    .concat();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    assert_eq!(overview(&status, &now(), &PIPE).lines().count(), 1);
}

#[test]
fn one_server_is_shown_in_full() {
    let status = only(status(vec![entry("lab", State::Fresh), dead("notion")]), "notion").unwrap();
    let text = detailed(&status, &Recent::default(), &now(), &PIPE);
    for part in [
        "notion",
        "needs you",
        "claude mcp login notion",
        "2026-11-22 14:43:10 EET (in 43 min)",
        "15 min before it expires",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("lab"), "{text}");
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    let all = status(vec![entry("notion", State::Fresh), entry("lab", State::Fresh)]);
    assert_eq!(
        only(all.clone(), "notoin").unwrap_err().message(),
        "no server is called notoin; did you mean notion?"
    );
    assert_eq!(
        only(all, "xyzzyxyzzy").unwrap_err().message(),
        "no server is called xyzzyxyzzy; there are: lab, notion"
    );
    assert_eq!(
        only(status(vec![]), "a").unwrap_err().message(),
        "no server is called a; the store holds none"
    );
}

#[test]
fn the_exit_code_tells_the_worst() {
    let well = status(vec![entry("lab", State::Fresh), entry("jira", State::Retrying)]);
    assert_eq!(exit(&well), Exit::Well);
    assert_eq!(exit(&status(vec![dead("lab")])), Exit::Person);

    let stopped = Status { daemon: None, ..well.clone() };
    assert_eq!(exit(&stopped), Exit::NotRunning);
    assert_eq!(exit(&Status { daemon: None, ..status(vec![dead("lab")]) }), Exit::Person);

    let mut unreadable = stopped;
    unreadable.stores[0].unreadable = Some("why".into());
    assert_eq!(exit(&unreadable), Exit::Unreadable);
    unreadable.stores[0].absent = true;
    assert_eq!(exit(&unreadable), Exit::NotRunning);

    for trouble in [
        |store: &mut StoreStatus| store.odd.push(("a".into(), "b".into())),
        |store: &mut StoreStatus| store.vanished.push("a".into()),
    ] {
        let mut status = well.clone();
        trouble(&mut status.stores[0]);
        assert_eq!(exit(&status), Exit::Person);
    }
}

#[test]
fn the_json_is_format_version_1() {
    let text = json(&status(vec![dead("notion")])).unwrap();
    let access = TokenDigest::of("made-up access").fingerprint();
    let refresh = TokenDigest::of("made-up refresh").fingerprint();
    let expected = serde_json::json!({
        "format_version": 1,
        "daemon": {"running": true, "pid": 42, "version": "0.1.0", "started_at": "2026-11-22T08:00:00Z"},
        "servers": [{
            "key": "notion|0123456789abcdef",
            "name": "notion",
            "url": "https://notion.example/mcp",
            "store": "/home/me/.claude/.credentials.json",
            "state": "action_required",
            "expires_at": "2026-11-22T12:43:10Z",
            "next_refresh_at": null,
            "margin_s": 900,
            "fingerprint": {"access": access, "refresh": refresh},
            "last_refresh": {"at": "2026-11-22T11:43:00Z", "outcome": "fresh", "detail": ""},
            "action": "claude mcp login notion",
        }],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    let stopped = json(&Status::default()).unwrap();
    let expected = serde_json::json!({
        "format_version": 1,
        "daemon": {"running": false, "pid": null, "version": env!("CARGO_PKG_VERSION"), "started_at": null},
        "servers": [],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stopped).unwrap(), expected);
}

#[test]
fn a_status_crosses_the_socket_unchanged() {
    use crate::control::protocol::{Envelope, Reply, read};
    let answer = Reply::Status(status(vec![dead("notion"), entry("lab", State::Due)]));
    assert_eq!(read::<Reply>(&Envelope::new(answer.clone()).to_line().unwrap()).unwrap(), answer);
}

#[test]
fn of_entries_that_vanished_it_is_said_what_brings_them_back() {
    let mut status = three();
    status.stores[0].vanished = vec!["one".into(), "two".into()];
    let remark = remarks(&status, &now()).join("\n");
    for part in ["2 entries vanished at once (one, two)", "type: mcp-refreshd doctor --fix"] {
        assert!(remark.contains(part), "{remark}");
    }
}

#[test]
fn one_server_in_full_goes_beside_its_labels_or_below_them() {
    let status = status(vec![EntryStatus {
        why: Some("the server no longer knows Claude Code's registration (invalid_client)".into()),
        ..dead("a-rather-long-name")
    }]);
    let text = |columns| detailed(&status, &Recent::default(), &now(), &terminal(columns));
    assert!(
        text(60).contains(
            "\nwhy             the server no longer knows Claude Code's\n                registration (invalid_client)\n"
        ),
        "{}",
        text(60)
    );
    let narrow = text(20);
    assert!(narrow.contains("\nwhy\n  the server no\n  longer knows\n"), "{narrow}");
    // Never broken: it is there to be copied.
    assert!(narrow.contains("claude mcp login a-rather-long-name\n"), "{narrow}");
}

#[test]
fn names_of_wide_characters_and_of_accents_stay_in_their_column() {
    let names = ["開発サーバー", "e\u{301}tude", "lab", "𠮷野家の長い名前のサーバーは切り詰められます"];
    let status = status(names.iter().map(|name| entry(name, State::Fresh)).collect());
    for columns in [20, 40, 80, 120] {
        let text = overview(&status, &now(), &terminal(columns));
        assert!(text.lines().all(|line| width(line) <= columns), "{text}");
        let column = |line: &str| line.find("fresh").map(|at| width(&line[..at]));
        let columns: Vec<_> = text.lines().skip(1).map(column).collect();
        assert!(columns.iter().all(|column| column.is_some() && *column == columns[0]), "{text}");
    }
    let text = overview(&status, &now(), &PIPE);
    assert!(text.contains("開発サーバー   ") && text.contains("切り詰められます"), "{text}");
}
