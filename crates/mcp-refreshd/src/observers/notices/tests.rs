#[cfg(unix)]
use super::delivery::{hook_command, run};
use super::ending::Endings;
use super::ledger::{AGAIN_AFTER, Ledger};
use super::listener::Notices;
use super::trouble::Trouble;
use crate::control::report::{EntryStatus, Facts, Status, StoreStatus};
use crate::platform::files;
use crate::settings::config::NoticesConfig;
use claude_store::StubKind;
use compact::Set;
use jiff::{SignedDuration, Timestamp};
use oauth_secret::TokenDigest;
use refresh_engine::{Event, Need, Observer, State, Subject};
use std::path::Path;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;
#[cfg(unix)]
use tokio::process::Command;

/// One for which no variable is needed, whoever runs the tests.
const STORE: &str = "keychain:Claude Code-credentials (account me)";
const LAB: Subject<'_> = Subject { store: STORE, entry: Some(("lab|00", "lab")) };

fn trouble(server: &str) -> Trouble {
    Trouble::needs(STORE, server, server, &Need::Dead { code: "invalid_grant".into() })
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
}

fn due(ledger: &mut Ledger, open: &[Trouble], hours: i64) -> Vec<String> {
    let (due, _) = ledger.due(open.to_vec(), &Set::new(), true, at(hours));
    due.into_iter().map(|trouble| trouble.server).collect()
}

fn status(why: Option<&str>, unsaved: Option<&str>) -> Status {
    let entry = EntryStatus {
        key: "lab|00".into(),
        name: "lab".into(),
        url: None,
        state: State::NeedsPerson,
        expires_at: None,
        next_refresh_at: None,
        margin_s: None,
        access: None,
        refresh: None,
        last: None,
        waits_for: None,
        unsaved: unsaved.map(str::to_owned),
        why: why.map(str::to_owned),
        action: None,
        facts: Facts::default(),
    };
    let store = StoreStatus { location: STORE.into(), entries: vec![entry], ..StoreStatus::default() };
    Status { stores: vec![store], ..Status::default() }
}

fn causes(notices: &Notices, status: &Status) -> Vec<&'static str> {
    notices.troubles(status, &|_, _| true).into_iter().map(|trouble| trouble.cause).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[cfg(unix)]
fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    command
}

#[test]
fn a_trouble_is_told_once_a_day_and_a_restart_does_not_repeat_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(folder.path());
    let open = [trouble("lab")];
    assert_eq!(due(&mut ledger, &open, 0), ["lab"]);
    assert_eq!(due(&mut ledger, &open, 23), [""; 0]);
    let mut ledger = Ledger::load(folder.path());
    assert_eq!(due(&mut ledger, &open, 23), [""; 0]);
    assert_eq!(due(&mut ledger, &[open[0].clone(), trouble("other")], 23), ["other"]);
    assert_eq!(due(&mut ledger, &open, 24), ["lab"]);
    let (_, again) = ledger.due(open.to_vec(), &Set::new(), true, at(30));
    assert_eq!(again, Some(at(24) + AGAIN_AFTER));
    let metadata = std::fs::metadata(folder.path().join("notices.json")).unwrap();
    assert_eq!(files::mode(&metadata), files::PRIVATE);
}

#[test]
fn what_was_solved_is_forgotten_in_silence_and_told_anew_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(folder.path());
    assert_eq!(due(&mut ledger, &[trouble("lab")], 0), ["lab"]);
    assert_eq!(due(&mut ledger, &[], 1), [""; 0]);
    assert_eq!(due(&mut ledger, &[trouble("lab")], 2), ["lab"]);
}

#[test]
fn a_store_that_cannot_be_read_solves_nothing_nor_does_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(folder.path());
    assert_eq!(due(&mut ledger, &[trouble("lab")], 0), ["lab"]);
    let unreadable = Set::from([STORE.to_owned()]);
    assert!(ledger.due(Vec::new(), &unreadable, true, at(1)).0.is_empty());
    assert!(ledger.due(Vec::new(), &Set::new(), false, at(1)).0.is_empty());
    assert_eq!(due(&mut ledger, &[trouble("lab")], 2), [""; 0]);
}

#[test]
fn a_damaged_ledger_or_one_from_the_future_tells_once_more() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notices.json"), "{\"told\":[").unwrap();
    let mut ledger = Ledger::load(folder.path());
    assert_eq!(due(&mut ledger, &[trouble("lab")], 100), ["lab"]);
    assert_eq!(due(&mut ledger, &[trouble("lab")], 0), ["lab"]);
    assert_eq!(due(&mut Ledger::load(Path::new("/nowhere")), &[trouble("lab")], 0), ["lab"]);
    assert_eq!(at(0) + SignedDuration::from_hours(24), at(24));
}

#[test]
fn what_the_engine_says_is_told_as_long_as_it_holds() {
    let notices = Notices::new(NoticesConfig::default());
    assert!(causes(&notices, &status(Some("not logged in"), None)).is_empty(), "being mended, perhaps");
    notices.event(LAB, &Event::NeedsPerson { need: Need::Dead { code: "x".into() } });
    assert_eq!(causes(&notices, &status(Some("x"), None)), ["login_ended"]);
    assert!(causes(&notices, &status(None, None)).is_empty());
    notices.event(LAB, &Event::Held { access: None, refresh: None, expires_at: None, stub: None });
    assert!(causes(&notices, &status(Some("x"), None)).is_empty());
    notices.event(LAB, &Event::NotSavable { why: "disk full".into() });
    assert_eq!(causes(&notices, &status(None, None)), ["not_saved"]);
    assert_eq!(causes(&notices, &status(None, Some("disk full"))), ["not_saved"]);
    notices.event(LAB, &Event::Removed);
    assert!(causes(&notices, &status(None, None)).is_empty());
}

#[test]
fn nobody_is_told_that_they_logged_out() {
    let notices = Notices::new(NoticesConfig::default());
    let stub = |kind| Event::Held { access: None, refresh: None, expires_at: None, stub: Some(kind) };
    for (kind, expected) in
        [(StubKind::LoggedOut, &[][..]), (StubKind::FailedRefresh, &["not_logged_in"][..])]
    {
        notices.event(LAB, &stub(kind));
        notices.event(LAB, &Event::NeedsPerson { need: Need::Stub });
        assert_eq!(causes(&notices, &status(Some("not logged in"), None)), expected);
    }
}

#[test]
fn a_stub_of_a_server_that_nobody_ever_logged_in_to_is_told_once_and_a_lost_login_daily() {
    let notices = Notices::new(NoticesConfig::default());
    notices.event(LAB, &Event::NeedsPerson { need: Need::Stub });
    let status = status(Some("not logged in"), None);
    for (had_login, next_day) in [(false, &[][..]), (true, &["lab"])] {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::load(folder.path());
        let open = notices.troubles(&status, &|_, _| had_login);
        assert_eq!(due(&mut ledger, &open, 0), ["lab"]);
        let mut ledger = Ledger::load(folder.path());
        assert_eq!(due(&mut ledger, &open, 25), next_day);
        let (_, again) = ledger.due(open, &Set::new(), true, at(26));
        assert_eq!(again.is_some(), had_login, "nobody is woken for nothing");
    }
}

#[test]
fn entries_that_vanished_at_once_are_told_until_they_are_back() {
    let notices = Notices::new(NoticesConfig::default());
    let store = Subject { store: STORE, entry: None };
    let servers = vec!["lab".to_owned(), "other".to_owned()];
    notices.event(store, &Event::VanishedTogether { servers: servers.clone() });
    let woken =
        || block_on(async { tokio::time::timeout(Duration::ZERO, notices.news().notified()).await.is_ok() });
    assert!(woken());
    let mut gone = status(None, None);
    gone.stores[0].entries.clear();
    gone.stores[0].vanished = servers;
    let troubles = notices.troubles(&gone, &|_, _| true);
    let [told] = troubles.as_slice() else { panic!("{troubles:?}") };
    assert_eq!((told.cause, told.title().as_str()), ("entries_vanished", "MCP logins vanished: lab, other"));
    assert!(told.body().contains("Type: mcp-refreshd doctor --fix\n"), "{}", told.body());
    notices.event(LAB, &Event::Held { access: None, refresh: None, expires_at: None, stub: None });
    assert!(woken() && causes(&notices, &status(None, None)).is_empty());
}

/// The status of `lab` with this access token and these ends, in hours.
fn ending(access: &str, expires: i64, refresh_ends: Option<i64>, lifetime_h: Option<u64>) -> Status {
    let mut status = status(None, None);
    let entry = &mut status.stores[0].entries[0];
    entry.state = State::Fresh;
    entry.access = Some(TokenDigest::of(access).fingerprint());
    entry.refresh = refresh_ends.map(|_| TokenDigest::of("made-up").fingerprint());
    entry.expires_at = Some(at(expires));
    entry.facts.lifetime_s = lifetime_h.map(|hours| hours * 3600);
    entry.facts.refresh_token_expires_at = refresh_ends.map(at);
    status
}

/// Titles of what is told at this hour, and the hour of the next look.
fn told(endings: &mut Endings, status: &Status, hour: i64) -> (Vec<String>, Option<i64>) {
    let (troubles, again) = endings.troubles(status, at(hour));
    let hour = |then: Timestamp| then.duration_since(at(0)).as_hours();
    (troubles.iter().map(Trouble::title).collect(), again.map(hour))
}

#[test]
fn a_login_without_refresh_token_is_announced_a_day_before_it_ends() {
    let mut endings = Endings::default();
    let month = ending("a", 720, None, Some(720));
    assert_eq!(told(&mut endings, &month, 100), (vec![], Some(696)));
    assert_eq!(told(&mut endings, &month, 697), (vec!["MCP server lab: log in soon".to_owned()], None));
    let (troubles, _) = endings.troubles(&month, at(697));
    let body = troubles[0].body();
    assert!(body.contains("ends in 23 h") && body.contains("Type: claude mcp login lab\n"), "{body}");
    assert_eq!(told(&mut endings, &month, 720), (vec![], None), "it has ended");
    let hour = ending("a", 1, None, Some(1));
    assert_eq!(told(&mut endings, &hour, 0), (vec![], None), "a short one is told by its margin");
}

#[test]
fn a_login_whose_end_no_refresh_moves_is_announced_and_one_that_goes_on_is_not() {
    let mut endings = Endings::default();
    // Each refresh moves the end.
    for hour in 0..40 {
        let status = ending(&hour.to_string(), hour + 1, Some(hour + 12), Some(1));
        assert_eq!(told(&mut endings, &status, hour), (vec![], Some(hour + 12)));
    }
    // It stays: a session of three days.
    let mut endings = Endings::default();
    assert_eq!(told(&mut endings, &ending("a", 1, Some(72), Some(1)), 0), (vec![], Some(12)));
    assert_eq!(told(&mut endings, &ending("b", 2, Some(72), Some(1)), 1), (vec![], Some(48)));
    assert_eq!(told(&mut endings, &ending("c", 50, Some(72), Some(1)), 49).0.len(), 1);
    // A new login.
    assert_eq!(told(&mut endings, &ending("d", 51, Some(122), Some(1)), 50), (vec![], Some(62)));
    // A session of a working day is nothing to announce.
    let mut endings = Endings::default();
    for hour in 0..9 {
        let status = ending(&hour.to_string(), hour + 1, Some(10), Some(1));
        assert_eq!(told(&mut endings, &status, hour).0, Vec::<String>::new());
    }
}

#[test]
fn an_announced_end_is_not_repeated_by_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let month = ending("a", 720, None, Some(720));
    let open = |hour| Endings::default().troubles(&month, at(hour)).0;
    assert_eq!(due(&mut Ledger::load(folder.path()), &open(700), 700), ["lab"]);
    assert_eq!(due(&mut Ledger::load(folder.path()), &open(701), 701), [""; 0]);
    assert_eq!(due(&mut Ledger::load(folder.path()), &open(719), 719), [""; 0]);
}

#[cfg(unix)] // It starts a shell.
#[test]
fn a_test_notice_says_how_it_went() {
    let config = |hook: &str| NoticesConfig { desktop: false, hook: Some(hook.to_owned()) };
    let sent = |config| block_on(super::delivery::test(&config));
    assert!(sent(NoticesConfig { desktop: false, hook: None }).is_empty());
    let [ok] = &sent(config("test \"$MCP_REFRESHD_EVENT\" = test"))[..] else { panic!() };
    assert_eq!((ok.means.as_str(), &ok.error), ("hook", &None));
    let [failed] = &sent(config("exit 3"))[..] else { panic!() };
    assert_eq!(failed.error.as_deref(), Some("failed: exit status: 3"));
}

#[cfg(unix)] // Its paths are those of Unix.
#[test]
fn the_text_names_the_server_and_what_to_type() {
    let trouble = trouble("my lab");
    assert_eq!(trouble.title(), "MCP server my lab needs you");
    let body = trouble.body();
    for part in ["invalid_grant", "Type: claude mcp login 'my lab'\n", "--no-browser", "/mcp", "Reconnect"] {
        assert!(body.contains(part), "{body}");
    }
    let gone = Trouble::needs(STORE, "k", "lab", &Need::ClientDead { code: "invalid_client".into() });
    assert!(gone.body().contains("claude mcp logout lab && claude mcp login lab"), "{}", gone.body());
    let elsewhere = Trouble::needs("/srv/work/.credentials.json", "k", "lab", &Need::Stub);
    assert_eq!(elsewhere.action, "CLAUDE_CONFIG_DIR=/srv/work claude mcp login lab");
}

#[cfg(unix)] // It starts a shell.
#[test]
fn a_hook_gets_the_trouble_in_its_environment_and_no_name_breaks_out() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let line = format!(
        "printf '%s|%s|%s|%s' \"$MCP_REFRESHD_EVENT\" \"$MCP_REFRESHD_CAUSE\" \"$MCP_REFRESHD_SERVER\" \
         \"$MCP_REFRESHD_ACTION\" > {}",
        seen.display()
    );
    let trouble = trouble("lab\0$(reboot)");
    block_on(run(hook_command(&line, &trouble), Duration::from_secs(10))).unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(
        seen.starts_with("action_required|login_ended|lab\\u{0}$(reboot)|claude mcp login $'lab"),
        "{seen}"
    );
}

#[cfg(unix)] // It starts a shell.
#[test]
fn a_hook_that_hangs_is_ended_with_everything_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let child = folder.path().join("child");
    let line = format!("sleep 600 & echo $! > {}; wait", child.display());
    let began = Instant::now();
    let why = block_on(run(shell(&line), Duration::from_secs(1))).unwrap_err();
    assert!(why.contains("did not end within 1 s and was killed"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let pid = std::fs::read_to_string(child).unwrap();
    // Killed: it is gone, or a zombie until whoever adopted it has buried it, as soon as the system gets round to it.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(10);
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(Instant::now() < end, "{}", state());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(unix)] // It starts a shell.
#[test]
fn a_hook_that_fails_says_how() {
    let patience = Duration::from_secs(10);
    assert!(block_on(run(shell("exit 3"), patience)).unwrap_err().contains('3'));
    let missing = block_on(run(Command::new("/nowhere/at-all"), patience)).unwrap_err();
    assert!(missing.starts_with("cannot be started"), "{missing}");
}

#[test]
fn a_login_without_refresh_token_is_about_to_end_for_its_last_day() {
    let mut status = status(None, None);
    let entry = &mut status.stores[0].entries[0];
    (entry.state, entry.expires_at) = (State::Ending, Some(at(30)));
    assert!(!entry.ends_soon(at(5)) && entry.ends_soon(at(7)));
}

#[test]
fn the_end_of_a_login_is_announced_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::load(folder.path());
    let (open, _) = Endings::default().troubles(&ending("a", 30, None, None), at(7));
    assert_eq!((due(&mut ledger, &open, 7).len(), due(&mut ledger, &open, 20).len()), (1, 0));
}
