//! Everything that can be wrong with what the agent finds: it says path, cause and cure, writes nothing, and goes on with the rest.

use crate::support::{Daemon, Home, PATIENCE};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use scripted_server::{Grant, Script, Server, Site, credentials_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

const EXPIRED: Duration = Duration::ZERO;

fn server() -> (Server, Site) {
    let server = Server::start(Script::default()).unwrap();
    let lab = server.add("lab", Script::default());
    (server, lab)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Each file below the folder: when it was changed last, and its first bytes.
fn picture(folder: &Path) -> BTreeMap<String, (i64, i64, u64, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let about = entry.path().symlink_metadata().unwrap();
        let bytes = if about.is_file() { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
        let name = entry.file_name().into_string().unwrap();
        seen.insert(name, (about.mtime(), about.mtime_nsec(), about.ino(), bytes));
    }
    seen
}

/// What stands in the document's place is told of, with all of `said`, and left as it is; once it is mended, the agent goes on.
fn told_and_left_alone(what: &str, put: impl FnOnce(&Home), said: &[&str]) {
    let (server, lab) = server();
    let home = Home::with([("lab", &lab.grant(EXPIRED))]);
    fs::remove_file(home.credentials()).unwrap();
    put(&home);
    let before = picture(home.credentials().parent().unwrap());
    let mut daemon = Daemon::start(home.command(&["run"]));
    let path = home.credentials();
    let line = daemon.wait_for(path.to_str().unwrap());
    assert!(line.contains(" WARN "), "{what}: {line}");
    daemon.wait_for("started (process");
    let (code, told, remarks) = home.told(&["status"]);
    assert_eq!((code, told.as_str()), (4, ""), "{what}");
    assert!(remarks.contains(path.to_str().unwrap()), "{what}: {remarks}");
    for word in said {
        assert!(line.contains(word) && remarks.contains(word), "{what}: no \"{word}\" in: {line}\n{remarks}");
    }
    let (code, _, remarks) = home.told(&["refresh", "--force"]);
    assert!(code == 4 || code == 1, "{what}: {code} {remarks}");
    assert_eq!(picture(home.credentials().parent().unwrap()), before, "{what}: something was written");
    assert_eq!(server.log().len(), 0, "{what}: somebody was asked");

    if path.is_dir() {
        fs::remove_dir(&path).unwrap();
    }
    home.store(&credentials_json([("lab", &lab.grant(EXPIRED))]));
    daemon.wait_for("lab: refreshed");
    let (end, log) = daemon.terminate();
    assert!(end.success() && !log.contains("panicked"), "{what}: {log}");
}

fn text_is_left_alone(text: &[u8], said: &[&str]) {
    let what = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
    told_and_left_alone(&what, |home| fs::write(home.credentials(), text).unwrap(), said);
}

const CURES: [&str; 2] = ["restore the latest backup", "claude mcp login"];

#[test]
fn a_document_that_is_half_written_is_left_alone() {
    text_is_left_alone(
        br#"{"mcpOAuth":{"lab|00":{"serverName":"lab","#,
        &["half-written", CURES[0], CURES[1]],
    );
    text_is_left_alone(b"", &["empty", CURES[0], CURES[1]]);
}

#[test]
fn a_document_that_is_no_json_is_left_alone() {
    text_is_left_alone(b"accessToken=at_1\n", &["not valid JSON", "line 1", CURES[0]]);
    text_is_left_alone(b"{\"a\":\xff}", &["not valid UTF-8", "offset 5", CURES[0]]);
    text_is_left_alone(&[0; 600], &["NUL bytes", "offset 0", CURES[0]]);
}

#[test]
fn a_document_of_another_shape_is_left_alone() {
    text_is_left_alone(b"[1,2]", &["must be a JSON object, not an array", CURES[0]]);
    text_is_left_alone(
        br#"{"mcpOAuth":"none"}"#,
        &["`mcpOAuth` must be a JSON object, not a string", CURES[0]],
    );
    text_is_left_alone(br#"{"mcpOAuth":{},"mcpOAuth":{}}"#, &["more than once", CURES[0]]);
}

#[test]
fn a_document_of_fifty_megabytes_is_left_alone() {
    let put = |home: &Home| fs::write(home.credentials(), vec![b' '; 50 << 20]).unwrap();
    told_and_left_alone("50 MB", put, &["exceeds 32 MiB", "move it away"]);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let folder = |home: &Home| fs::create_dir(home.credentials()).unwrap();
    told_and_left_alone("a folder", folder, &["not a regular file", "move it away"]);
    let fifo = |home: &Home| {
        mknodat(CWD, home.credentials(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    };
    told_and_left_alone("a FIFO", fifo, &["not a regular file", "move it away"]);
    let dangling = |home: &Home| symlink("/nowhere/at/all", home.credentials()).unwrap();
    told_and_left_alone(
        "a link to nothing",
        dangling,
        &["a link to a missing file", "fix or remove the link"],
    );
}

#[test]
fn a_document_that_may_not_be_read_is_left_alone() {
    if is_root() {
        eprintln!("SKIPPED: root may read everything");
        return;
    }
    let put = |home: &Home| {
        fs::write(home.credentials(), "{}").unwrap();
        fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o000)).unwrap();
    };
    told_and_left_alone("mode 000", put, &["permission denied", "mode 0000", "chmod 600"]);
}

#[test]
fn a_document_without_entries_is_no_trouble() {
    let home = Home::new();
    home.store(r#"{"claudeAiOauth":{"accessToken":"made-up"}}"#);
    let daemon = home.daemon();
    let (code, told, said) = home.told(&["status"]);
    // All that is said is that the agent runs.
    assert_eq!((code, told.as_str(), said.lines().count()), (0, "", 1), "{said}");
    assert!(said.starts_with("mcp-refreshd: Agent running since "), "{said}");
    let (end, log) = daemon.terminate();
    assert!(end.success() && !log.contains("WARN"), "{log}");
}

/// A store with a good entry, expired, and others beside it.
fn with_others(grant: &Grant, others: &[(&str, &str)]) -> String {
    let text = credentials_json([("lab", grant)]);
    let others: String = others.iter().map(|(key, raw)| format!("{}:{raw},", json!(key))).collect();
    text.replace("\"mcpOAuth\":{", &format!("\"mcpOAuth\":{{{others}"))
}

#[test]
fn odd_entries_are_told_of_and_left_alone_and_the_others_go_on() {
    let (_server, lab) = server();
    let grant = lab.grant(EXPIRED);
    let deep =
        format!(r#"{{"serverName":"deep","accessToken":"at_1","x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let others = [
        ("number|1", r#"{"serverName":"number","accessToken":7,"refreshToken":"r"}"#),
        ("list|2", r#"{"serverName":"list","refreshToken":["r"]}"#),
        ("date|3", r#"{"serverName":"date","refreshToken":"r","expiresAt":"tomorrow"}"#),
        ("null|4", "null"),
        ("twice|5", r#"{"serverName":"twice","refreshToken":"a"}"#),
        ("twice|5", r#"{"serverName":"twice","refreshToken":"b"}"#),
        ("member|6", r#"{"serverName":"member","refreshToken":"a","refreshToken":"b"}"#),
        ("deep|7", &deep),
    ];
    let home = Home::new();
    home.store(&with_others(&grant, &others));
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    let (code, told, remarks) = home.told(&["status"]);
    assert_eq!(code, 1, "{told}{remarks}");
    assert!(told.lines().any(|line| line.starts_with("lab     fresh")), "{told}");
    let (end, log) = daemon.terminate();
    assert!(end.success() && !log.contains("panicked"), "{log}");
    for (name, cause) in [
        ("number", "`accessToken` must be a string, not a number"),
        ("list", "`refreshToken` must be a string, not an array"),
        ("date", "`expiresAt` must be a number, not a string"),
        ("null", "not null"),
        ("twice", "more than once"),
        ("member", "a repeated member"),
    ] {
        let tells = |text: &str, begin: &str| {
            text.lines().any(|line| {
                line.contains(begin)
                    && line.contains("left alone")
                    && line.contains(cause)
                    && line.contains(&format!("claude mcp login {name}"))
            })
        };
        assert!(tells(&log, &format!("{name}: left alone")), "{name}: {log}");
        // In a row of its own.
        assert!(tells(&told, &format!("{name} ")) && !remarks.contains(name), "{name}: {told}{remarks}");
    }
    let stored = home.stored();
    for (key, raw) in others {
        assert!(stored.contains(&format!("{}:{raw}", json!(key))), "{key} was changed: {stored}");
    }
}

#[test]
fn urls_that_must_not_get_a_token_are_reported_and_not_contacted() {
    let (server, lab) = server();
    let grant = lab.grant(EXPIRED);
    let entry = |name: &str, url: &str| {
        json!({"serverName": name, "serverUrl": url, "accessToken": "at_1", "refreshToken": "rt_1", "expiresAt": 1, "clientId": "c"})
            .to_string()
    };
    let with_password = server.mcp_url().replace("http://", "http://me:secret-word@");
    let others = [
        ("password|1", entry("password", &with_password)),
        ("plain|2", entry("plain", "http://mcp.example.com/mcp")),
        ("file|3", entry("file", "file:///etc/passwd")),
        ("none|4", entry("none", "no URL at all")),
    ];
    let others: Vec<_> = others.iter().map(|(key, raw)| (*key, raw.as_str())).collect();
    let home = Home::new();
    home.store(&with_others(&grant, &others));
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    for (name, cause) in [
        ("password", "contains credentials; remove them"),
        ("plain", "plain http to another host"),
        ("file", "has no host"),
        ("none", "is invalid"),
    ] {
        // They are looked at beside the one that is good, in no order.
        harness::until(PATIENCE, || home.told(&["status", name]).1.contains(cause));
        let (code, told, _) = home.told(&["status", name]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(cause) && told.contains(&format!("claude mcp get {name}")), "{told}");
        assert!(!told.contains("secret-word"), "{told}");
    }
    let (end, log) = daemon.terminate();
    assert!(end.success() && !log.contains("secret-word") && !log.contains("panicked"), "{log}");
    assert!(server.log().iter().all(|entry| entry.site == "lab"));
}

#[test]
fn a_store_of_somebody_else_is_found_out_before_the_request() {
    if !is_root() {
        eprintln!("SKIPPED: only root can give files away");
        return;
    }
    let (server, lab) = server();
    let home = Home::with([("lab", &lab.grant(EXPIRED))]);
    chown(home.credentials(), Some(12345), None).unwrap();
    let before = home.stored();
    let mut daemon = home.daemon();
    let line = daemon.wait_for("not refreshed");
    for word in ["belongs to user 12345", home.credentials().to_str().unwrap(), "chown"] {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!((home.stored(), server.token_requests_by("")), (before, 0));
    assert!(daemon.terminate().0.success());
}

#[test]
fn a_store_that_others_may_read_is_closed_to_them() {
    let (_server, lab) = server();
    let home = Home::with([("lab", &lab.grant(EXPIRED))]);
    fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o666)).unwrap();
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("lab: refreshed");
    assert_eq!(fs::metadata(home.credentials()).unwrap().mode() & 0o777, 0o600);
}

fn refresh_lock(home: &Home, key: &str) -> std::path::PathBuf {
    let safe: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    home.path().join(format!(".claude/mcp-refresh-{safe}.lock.lock"))
}

#[test]
fn a_file_in_a_locks_place_is_told_of_and_the_other_entries_go_on() {
    let (server, lab) = server();
    let other = server.add("other", Script::default());
    let (grant, good) = (lab.grant(EXPIRED), other.grant(EXPIRED));
    let home = Home::with([("lab", &grant), ("other", &good)]);
    let lock = refresh_lock(&home, &grant.key("lab"));
    fs::write(&lock, "").unwrap();
    let mut daemon = Daemon::start(home.command(&["run"]));
    let mut lines = vec![daemon.wait_for(": "), daemon.wait_for("started (process")];
    lines.push(daemon.wait_for("other: refreshed"));
    let (code, told, _) = home.told(&["refresh", "lab"]);
    assert_eq!(code, 1, "{told}");
    let (end, log) = daemon.terminate();
    let line =
        log.lines().find(|line| line.contains(lock.to_str().unwrap())).unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("must be a folder but is a file") && line.contains("run `mcp-refreshd doctor --fix`"),
        "{line}"
    );
    // The path of a lock says nothing to a user.
    assert!(told.contains("a file is in the place of its refresh lock"), "{told}");
    assert!(told.contains("mcp-refreshd doctor --fix") && !told.contains(".lock"), "{told}");
    assert!(log.contains(" WARN  lab: not refreshed: "), "{log}");
    assert!(end.success() && lock.is_file() && !log.contains("panicked"), "{log}");
    assert_eq!(
        (lab.log().iter().filter(|entry| entry.path.ends_with("/token")).count(), other.refreshes()),
        (0, 1)
    );
}

#[test]
fn a_lock_dated_in_the_future_is_watched_and_taken_over() {
    let (_server, lab) = server();
    let grant = lab.grant(EXPIRED);
    let home = Home::with([("lab", &grant)]);
    let lock = refresh_lock(&home, &grant.key("lab"));
    fs::create_dir(&lock).unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(7200);
    fs::File::open(&lock).unwrap().set_modified(ahead).unwrap();
    let mut daemon = Daemon::start(home.command(&["run"]));
    // 12 s of observation prove that nobody keeps it up to date.
    daemon.wait_for("lab: refreshed");
    assert!(daemon.terminate().0.success());
    assert!(!lock.exists());
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_file_and_line() {
    let home = Home::new();
    home.configure("[servers.lab]\nignore = true\nmargn = \"10m\"\n");
    let (code, told, said) = home.told(&["run"]);
    assert_eq!((code, told.as_str()), (2, ""), "{said}");
    for word in ["config.toml:3", "margn", "margin"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(!home.state().exists());
}

#[test]
fn status_json_is_whole_whatever_the_store_holds() {
    for text in ["", "[]", "{\"mcpOAuth\":7}", "{\"mcpOAuth\":{\"x|1\":null}}"] {
        let home = Home::new();
        home.store(text);
        let status: Value = home.status();
        assert_eq!(status["format_version"], 1, "{text}");
    }
}
