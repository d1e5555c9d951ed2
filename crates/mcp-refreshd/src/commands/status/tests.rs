use super::json::json;
use super::remarks::exit;
use super::*;
use crate::commands::history::Recent;
use crate::control::report::{
    Daemon, EntryStatus, Facts, Found, Obstacle, Silent, Status, StoreStatus, Unfinished,
};
use crate::terminal::columns::width;
use crate::terminal::local::Local;
use crate::terminal::remedy;
use crate::terminal::style::Style;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
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
            unsavable: None,
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
        unsavable: None,
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

const STORE: &str = "/home/me/.claude/.credentials.json";

#[test]
fn off_a_terminal_each_server_has_one_line_and_what_needs_you_is_first() {
    let expected = [
        format!(
            "notion  needs you  43 min left  -               refreshed 17 min ago  {STORE}  \
             type: claude mcp login notion  # the login has ended (invalid_grant)"
        ),
        format!(
            "jira    retrying   43 min left  again in 20 s   failed 10 s ago       {STORE}  \
             # the server cannot refresh the token now (HTTP 503)"
        ),
        format!("lab     fresh      43 min left  next in 31 min  refreshed 17 min ago  {STORE}"),
    ];
    assert_eq!(overview(&three(), &now(), &PIPE), expected.join("\n") + "\n");
}

/// The head of a service that was started at eight (UTC).
const HEAD: &str = "Agent running since 10:00, version 0.1.0, as a service\n\
                    Watching /home/me/.claude/.credentials.json\n\n";

#[test]
fn on_a_terminal_of_eighty_columns_it_is_a_table_with_bars() {
    assert_eq!(
        overview(&three(), &now(), &terminal(80)),
        format!(
            "{HEAD}\
             SERVER  STATE      TIME LEFT          NEXT       LAST RESULT\n\
             notion  needs you  ████████░░ 43 min  -          refreshed 17 min ago\n\
             \u{20} the login has ended (invalid_grant)\n\
             \u{20} type: claude mcp login notion\n\
             jira    retrying   ████████░░ 43 min  in 20 s    failed 10 s ago\n\
             \u{20} the server cannot refresh the token now (HTTP 503)\n\
             lab     fresh      ████████░░ 43 min  in 31 min  refreshed 17 min ago\n"
        )
    );
}

#[test]
fn the_agent_comes_first_and_says_what_to_type_where_it_does_not_run() {
    let first = |status: &Status| overview(status, &now(), &terminal(200)).lines().next().unwrap().to_owned();
    let mut by_hand = three();
    by_hand.daemon.as_mut().unwrap().service = Some(false);
    assert_eq!(first(&by_hand), "Agent running since 10:00, version 0.1.0, started by hand (process 42)");
    let mut stopped = Status { daemon: None, ..three() };
    for installed in [Some(true), Some(false)] {
        stopped.found.installed = installed;
        // Whether a service manager is there depends on the machine.
        let command = remedy::how_to_start(installed);
        let told = format!("Agent not running, nothing is refreshed; to start it, type: {command}");
        assert_eq!(first(&stopped), told);
        // Where there is no room beside it, the command begins a line, to be copied.
        let narrow = overview(&stopped, &now(), &terminal(70));
        assert!(narrow.contains(&format!(" to start it, type:\n{command}\n")), "{narrow}");
        // Off a terminal it is no line of the result.
        assert_eq!(remarks::without_agent(&stopped, &now()), [told]);
        assert!(!overview(&stopped, &now(), &PIPE).contains("Agent"));
    }
    assert!(remarks::without_agent(&three(), &now()).is_empty());
}

// Windows has no signals: what to type there is tested with the remedies.
#[cfg(unix)]
#[test]
fn of_an_agent_that_hangs_it_says_since_when_and_what_to_type() {
    let silent = |stopped| Silent { pid: 42, stopped, active_at: at("2026-11-22T11:57:00Z") };
    let told = |stopped, installed| {
        let found = Found { silent: Some(silent(stopped)), installed, ..Found::default() };
        let status = Status { daemon: None, found, ..three() };
        overview(&status, &now(), &terminal(100)).lines().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        told(true, Some(false)),
        "Agent not answering (process 42, stopped by a signal, last active 13:57 (3 min ago)) \
         To resume it, type: kill -CONT 42"
    );
    assert!(told(false, Some(true)).ends_with(" To restart it, type: mcp-refreshd restart"));
    assert!(told(false, None).contains("type: kill 42 "));
}

#[test]
fn without_an_agent_there_is_no_next_refresh() {
    let mut stopped = Status { daemon: None, ..three() };
    stopped.stores[0].unwatched = true;
    let text = overview(&stopped, &now(), &terminal(80));
    assert!(text.contains("TIME LEFT          LAST RESULT\n"), "{text}");
}

#[test]
fn an_expired_login_that_no_agent_refreshes_says_so_everywhere() {
    let expired = EntryStatus { expires_at: at("2026-11-22T11:00:00Z"), ..entry("lab", State::Expired) };
    for (unwatched, said) in [(true, true), (false, false)] {
        let mut status = Status { daemon: None, ..status(vec![expired.clone()]) };
        status.stores[0].unwatched = unwatched;
        let one = detailed(&status, &Recent::default(), &now(), &PIPE);
        let watched = watch::Journal::default().news(&status, None, &now());
        let shown = [overview(&status, &now(), &terminal(80)), overview(&status, &now(), &PIPE)];
        for text in shown.into_iter().chain([one, watched, json(&status).unwrap()]) {
            assert_eq!(text.contains("no agent refreshes it"), said, "{text}");
        }
    }
}

#[test]
fn a_bar_is_the_true_lifetime_or_none() {
    let guessed = Facts { lifetime_s: Some(3600), ..Facts::default() };
    let unknown = EntryStatus { facts: guessed.clone(), ..entry("guessed", State::Fresh) };
    let table = |entries| overview(&status(entries), &now(), &terminal(80));
    let both = table(vec![entry("lab", State::Fresh), unknown.clone()]);
    assert!(both.contains("guessed  fresh             43 min"), "{both}");
    let none = table(vec![unknown.clone()]);
    assert!(none.contains("guessed  fresh  43 min"), "{none}");
    let detail = detailed(&status(vec![unknown]), &Recent::default(), &now(), &PIPE);
    assert!(detail.contains("lifetime        unknown (1 h left when first seen)"), "{detail}");
    let endless = EntryStatus { expires_at: None, ..entry("endless", State::Fresh) };
    assert!(table(vec![endless.clone()]).contains("endless  fresh  unknown expiry"));
    assert!(overview(&status(vec![endless]), &now(), &PIPE).contains("endless  fresh  unknown expiry  "));
}

#[test]
fn a_login_that_cannot_be_refreshed_is_never_green() {
    let ending = |hours: i64| EntryStatus {
        refresh: None,
        next_refresh_at: None,
        last: None,
        expires_at: Some(now().now + SignedDuration::from_hours(hours)),
        ..entry("lab", State::Ending)
    };
    let colours = Style { colour: true, ..terminal(80) };
    for (hours, painted) in [(2, "\u{1b}[33mending\u{1b}[0m"), (50, "lab     ending  ")] {
        let text = overview(&status(vec![ending(hours)]), &now(), &colours);
        assert!(text.contains(painted) && !text.contains("[32mending"), "{text:?}");
        assert!(text.contains("no refresh token, so it cannot be refreshed: this login ends at"), "{text}");
    }
    assert_eq!(exit(&status(vec![ending(2)])), Exit::Well);
}

#[test]
fn a_refusal_with_time_left_is_no_retry() {
    let last = LastRefresh {
        at: at("2026-11-22T11:59:00Z").unwrap(),
        outcome: Outcome::Dead,
        detail: "invalid_grant".into(),
        unsavable: None,
    };
    let refused = EntryStatus {
        next_refresh_at: at("2026-11-22T12:37:10Z"),
        last: Some(last),
        ..entry("lab", State::Refused)
    };
    let text = overview(&status(vec![refused]), &now(), &terminal(140));
    assert!(text.contains("refused  ████████░░ 43 min  in 37 min  refused 1 min ago"), "{text}");
    let why = "the server refused the refresh (invalid_grant) though the token is still valid; one more try follows at 14:37,";
    assert!(text.contains(why), "{text}");
}

#[test]
fn what_stands_in_the_way_is_told_without_the_name_of_a_lock() {
    let obstructed = |why: Option<&str>| {
        let obstacle = Obstacle {
            since: at("2026-11-22T11:50:00Z").unwrap(),
            why: why.map(str::to_owned),
            unsavable: None,
        };
        let facts = Facts { obstacle: Some(obstacle), ..Facts::default() };
        EntryStatus { next_refresh_at: at("2026-11-22T12:00:08Z"), facts, ..entry("lab", State::Due) }
    };
    assert_eq!(
        reason::reason(&obstructed(None), false, &now()).unwrap(),
        "another process, usually Claude Code refreshing it, has held its refresh lock since 13:50"
    );
    assert_eq!(
        reason::reason(&obstructed(Some("the disk is full")), false, &now()).unwrap(),
        "not refreshed since 13:50: the disk is full"
    );
}

#[test]
fn a_refresh_that_could_not_have_been_saved_does_not_blame_the_server() {
    let detail = "new tokens could not be saved: the disk is full";
    let last = LastRefresh {
        at: at("2026-11-22T11:59:00Z").unwrap(),
        outcome: Outcome::Unsent,
        detail: detail.into(),
        unsavable: None,
    };
    let expired = EntryStatus {
        expires_at: at("2026-11-22T11:00:00Z"),
        last: Some(last),
        ..entry("lab", State::Expired)
    };
    let status = status(vec![expired]);
    let text = overview(&status, &now(), &terminal(120));
    assert!(
        text.contains("not started 1 min ago\n  not refreshed: new tokens could not be saved: the disk"),
        "{text}"
    );
    let one = detailed(&status, &Recent::default(), &now(), &PIPE);
    let news = watch::Journal::default().news(&status, None, &now());
    for text in [text, overview(&status, &now(), &PIPE), one, news, json(&status).unwrap()] {
        assert!(!text.contains("reached") && text.contains(detail), "{text}");
    }
    assert_eq!(exit(&status), Exit::Person);
}

#[test]
fn names_are_cut_in_the_middle_so_that_they_differ() {
    let cut = |names: &[&str], columns| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        names::cut_names(&names, columns, &terminal(80))
    };
    assert_eq!(cut(&["plugin:figma:figma-desktop", "lab"], 15), ["plugin:…desktop", "lab"]);
    assert_eq!(cut(&["aaaaaaaaaa-x-bbbb", "aaaaaaaaaa-y-bbbb"], 9), ["aa…x-bbbb", "aa…y-bbbb"]);
    assert_eq!(cut(&["a-x-bbbbbbbbbbbb", "a-y-bbbbbbbbbbbb"], 5), ["a-x…b", "a-y…b"]);
}

#[test]
fn rows_of_one_name_are_told_apart() {
    let of = |key: &str, url: &str| EntryStatus {
        key: key.into(),
        url: Some(url.into()),
        ..entry("lab", State::Fresh)
    };
    let two = status(vec![of("lab|1", "https://a.example/mcp"), of("lab|2", "https://b.example/mcp")]);
    for style in [PIPE, terminal(120)] {
        let text = overview(&two, &now(), &style);
        assert!(text.contains("lab (a.example/mcp)  ") && text.contains("lab (b.example/mcp)  "), "{text}");
    }
    let narrow = overview(&two, &now(), &terminal(40));
    let rows: Vec<_> = narrow.lines().filter(|line| line.starts_with("lab")).collect();
    assert!(rows.len() == 2 && rows[0] != rows[1], "{narrow}");
    let same = status(vec![of("lab|1", "https://a.example/"), of("lab|2", "https://a.example/")]);
    assert!(overview(&same, &now(), &PIPE).contains("lab (lab|2)  "));
    // In two stores: by the store.
    let mut stores = status(vec![of("lab|1", "https://a.example/")]);
    stores.stores.extend(stores.stores.clone());
    stores.stores[1].location = "/srv/store".into();
    let text = overview(&stores, &now(), &PIPE);
    assert_eq!((text.lines().count(), text.matches("  /srv/store\n").count()), (2, 1), "{text}");
}

#[test]
fn a_refresh_that_runs_is_no_remark_and_one_of_long_ago_is() {
    let running = status(vec![entry("lab", State::Refreshing)]);
    assert!(remarks(&running, &now()).is_empty());
    let unfinished = |answered| Unfinished {
        server: "lab".into(),
        began_at: at("2026-11-22T11:30:00Z").unwrap(),
        answered,
    };
    for (answered, expected) in [(true, "new tokens are safe in the journal"), (false, "not known")] {
        let found = Found { unfinished: vec![unfinished(answered)], ..Found::default() };
        let told = remarks(&Status { found, ..running.clone() }, &now()).join("\n");
        assert!(told.starts_with("lab: the refresh that began at 13:30 has not finished; "), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_store_that_the_agent_does_not_watch_is_shown_as_that() {
    let mut both = status(vec![entry("lab", State::Fresh)]);
    both.stores.extend(status(vec![entry("wiki", State::Due)]).stores);
    both.stores[1].location = "/srv/work/.credentials.json".into();
    both.stores[1].unwatched = true;
    let text = overview(&both, &now(), &terminal(80));
    assert!(text.contains("Watching /home/me/.claude/.credentials.json\n"), "{text}");
    assert!(text.contains("\n/srv/work/.credentials.json (not watched by the agent):\n"), "{text}");
    let told = remarks(&both, &now()).join("\n");
    assert!(
        told.contains("does not watch /srv/work/.credentials.json") && told.contains("`stores`"),
        "{told}"
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
    assert!(text.is_ascii() && text.contains("###") && text.contains("a-rather-~-somewhere "), "{text}");
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

// A command that goes over several lines is one for a POSIX shell.
#[cfg(unix)]
#[test]
fn nothing_is_wider_than_the_terminal() {
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
        let widest = text.lines().map(width).max().unwrap();
        assert!(widest <= columns.max(10), "{widest} in {columns}:\n{text}");
        // Whole for whoever copies it.
        let command = text.split("type:").nth(1).unwrap().replace("\\\n", "");
        assert!(command.trim_start().starts_with(&format!("claude mcp login {long}\n")), "{text}");
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
    assert!(text.contains("Watching 2 stores\n\n/srv/claude/.credentials.json:\n"), "{text}");
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
    assert!(journal.news(&stopped, None, &now()).contains("Agent not running"));
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
        left_alone(&status).join("\n"),
    ]
    .concat();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    // Its own line, and that of the one that is not understood.
    assert_eq!(overview(&status, &now(), &PIPE).lines().count(), 2);
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
        "no server is called xyzzyxyzzy; known servers: lab, notion"
    );
    assert_eq!(
        only(status(vec![]), "a").unwrap_err().message(),
        "no server is called a; the store has no logins"
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

    // Expired, and nothing refreshes it; with an agent only what is in its way tells.
    let expired =
        |facts| EntryStatus { expires_at: at("2026-11-22T11:00:00Z"), facts, ..entry("lab", State::Expired) };
    let mut alone = Status { daemon: None, ..status(vec![expired(Facts::default())]) };
    alone.stores[0].unwatched = true;
    assert_eq!(exit(&alone), Exit::Person);
    assert_eq!(exit(&status(vec![expired(Facts::default())])), Exit::Well);
    let obstacle = |why: Option<String>| Some(Obstacle { since: now().now, why, unsavable: None });
    let held = Facts { obstacle: obstacle(None), ..Facts::default() };
    assert_eq!(exit(&status(vec![expired(held)])), Exit::Well);
    let blocked = Facts { obstacle: obstacle(Some("the disk is full".into())), ..Facts::default() };
    assert_eq!(exit(&status(vec![expired(blocked)])), Exit::Person);

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
        "agent": {"running": true, "pid": 42, "version": "0.1.0", "started_at": "2026-11-22T08:00:00Z",
            "answers": true, "last_active_at": null, "service": true},
        "stores": [{"location": STORE, "watched": true, "unreadable": null}],
        "servers": [{
            "key": "notion|0123456789abcdef",
            "name": "notion",
            "url": "https://notion.example/mcp",
            "store": "/home/me/.claude/.credentials.json",
            "owner": "shared",
            "state": "action_required",
            "expires_at": "2026-11-22T12:43:10Z",
            "next_refresh_at": null,
            "margin_s": 900,
            "fingerprint": {"access": access, "refresh": refresh},
            "last_refresh": {"at": "2026-11-22T11:43:00Z", "outcome": "fresh", "detail": ""},
            "reason": "the login has ended (invalid_grant)",
            "action": "claude mcp login notion",
        }],
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    let stopped = json(&Status::default()).unwrap();
    let expected = serde_json::json!({
        "format_version": 1,
        "agent": {"running": false, "pid": null, "version": env!("CARGO_PKG_VERSION"), "started_at": null,
            "answers": false, "last_active_at": null, "service": null},
        "stores": [],
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
    for part in [
        "2 entries vanished together or with the account login (one, two)",
        "type: mcp-refreshd doctor --fix",
    ] {
        assert!(remark.contains(part), "{remark}");
    }
}

// A command that goes over several lines is one for a POSIX shell.
#[cfg(unix)]
#[test]
fn one_server_in_full_goes_beside_its_labels_or_below_them() {
    let status = status(vec![EntryStatus {
        why: Some("the server no longer knows Claude Code's registration (invalid_client)".into()),
        ..dead("a-rather-long-name")
    }]);
    let text = |columns| detailed(&status, &Recent::default(), &now(), &terminal(columns));
    assert!(
        text(60).contains(
            "\nreason          the server no longer knows Claude Code's\n                registration (invalid_client)\n"
        ),
        "{}",
        text(60)
    );
    let narrow = text(20);
    // Whole for whoever copies it.
    assert!(narrow.contains("\ntype\nclaude mcp login \\\na-rather-long-name\n"), "{narrow}");
    assert!(narrow.contains("\nreason\n  the server no\n  longer knows\n"), "{narrow}");
}

#[test]
fn names_of_wide_characters_and_of_accents_stay_in_their_column() {
    let names = ["開発サーバー", "e\u{301}tude", "lab", "𠮷野家の長い名前のサーバーは切り詰められます"];
    let status = status(names.iter().map(|name| entry(name, State::Fresh)).collect());
    for columns in [20, 40, 80, 120] {
        let text = overview(&status, &now(), &terminal(columns));
        assert!(text.lines().all(|line| width(line) <= columns), "{text}");
        let column = |line: &str| line.find("fresh").map(|at| width(&line[..at]));
        let columns: Vec<_> =
            text.lines().skip_while(|line| !line.starts_with("SERVER")).skip(1).map(column).collect();
        assert!(columns.iter().all(|column| column.is_some() && *column == columns[0]), "{text}");
    }
    let text = overview(&status, &now(), &PIPE);
    assert!(text.contains("開発サーバー   ") && text.contains("切り詰められます"), "{text}");
}
