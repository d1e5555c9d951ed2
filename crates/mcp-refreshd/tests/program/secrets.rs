//! No token is ever seen outside its store, its token endpoint and the open journal.

use crate::support::needles;
use crate::support::needles::Needles;
use crate::support::telltales::{sites, telltales};
use crate::support::{Daemon, Home, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use scripted_server::{Answer, Grant, Script, Server};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const EXPIRED: Duration = Duration::ZERO;

/// Every token there ever was: what was granted, what came to the server, what stands in the store.
fn tokens(home: &Home, server: &Server, grants: &[(String, Grant)]) -> BTreeSet<String> {
    let mut tokens = BTreeSet::new();
    for (_, grant) in grants {
        tokens.extend([grant.access_token.clone(), grant.refresh_token.clone()]);
        tokens.extend(grant.client_secret.clone());
    }
    for entry in server.log() {
        for name in ["refresh_token", "client_secret"] {
            tokens.extend(entry.field(name).map(str::to_owned));
        }
        tokens.extend(entry.authorization);
    }
    let stored: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    for entry in stored["mcpOAuth"].as_object().unwrap().values() {
        for name in ["accessToken", "refreshToken", "clientSecret"] {
            tokens.extend(entry[name].as_str().map(str::to_owned));
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// What the socket says to a question, as bytes.
fn asked(home: &Home, question: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(home.state().join("control.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    stream.write_all(b"\n").unwrap();
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer).unwrap();
    assert!(!answer.is_empty());
    answer
}

fn files_below(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, look);
        } else if path.is_file() {
            look(&path, &std::fs::read(&path).unwrap());
        }
    }
}

fn no_token_is_seen(format: &str) {
    let server = Server::start(Script::default()).unwrap();
    let sites = sites(&server);
    let mut grants: Vec<_> = sites.iter().map(|(name, site)| (name.clone(), site.grant(EXPIRED))).collect();
    for ((name, site), (_, grant)) in sites.iter().zip(&grants) {
        if ["slack", "atlassian", "zitadel", "fastmcp"].contains(&name.as_str()) {
            site.kill(&grant.refresh_token);
        }
    }
    grants.extend(telltales(&server));
    // One that looks different wherever it is encoded. The server does not know it.
    let mut odd = server.add("odd", Script::default()).grant(EXPIRED);
    odd.refresh_token = r#"rt_odd+/=&?"\%41<7f3b\"+/9d21"#.to_owned();
    grants.push(("odd".to_owned(), odd));
    let home = Home::with(grants.iter().map(|(name, grant)| (name.as_str(), grant)));
    let hook = "[notices]\nhook = 'env >> ~/.local/state/mcp-refreshd/hooked'\n";
    home.configure(&format!("[log]\nformat = \"{format}\"\nlevel = \"debug\"\n{hook}"));
    let mut daemon = Daemon::start(home.command(&["run"]));
    daemon.wait_for("started (process");
    let watcher = Watcher::start(&home);
    // Each has its first answer; a dead one is believed after three seconds.
    let end = Instant::now() + PATIENCE;
    let settled = |server: &serde_json::Value| server["last_refresh"] != serde_json::Value::Null;
    while !home.status()["servers"].as_array().unwrap().iter().all(settled) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(200));
    }
    let status = home.status();
    let mut outcomes: BTreeSet<_> = BTreeSet::new();
    for server in status["servers"].as_array().unwrap() {
        outcomes.insert(server["last_refresh"]["outcome"].as_str().unwrap_or_else(|| panic!("{server}")));
    }
    for outcome in ["fresh", "dead", "refused", "transient", "ambiguous"] {
        assert!(outcomes.contains(outcome), "no {outcome} among {outcomes:?}");
    }
    // What needs a person is told two seconds later.
    while !home.state().join("hooked").exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut outputs = Vec::new();
    let mut told = |arguments: &[&str]| {
        let output = home.run(arguments);
        outputs.push((format!("{arguments:?}"), [output.stdout, output.stderr].concat()));
    };
    for command in EVERY_COMMAND {
        told(&command.split(' ').collect::<Vec<_>>());
    }
    grants.iter().for_each(|(name, _)| told(&["status", name]));
    let picture = home.state().join("picture.svg");
    told(&["history", "--json", "--svg", picture.to_str().unwrap()]);
    for request in [
        r#""request":"status""#,
        r#""request":"refresh","with":{"names":["good","odd"],"force":true}"#,
        r#""request":"proxy_variables""#,
    ] {
        let answer = asked(&home, &format!(r#"{{"protocol":1,"version":"0",{request}}}"#));
        assert!(!String::from_utf8_lossy(&answer).contains(r#""reply":"refused""#), "{request}");
        outputs.push((format!("the socket, asked {request}"), answer));
    }
    outputs.push(("the socket, asked nonsense".into(), asked(&home, "{")));
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", daemon.pid())).unwrap_or_default();
        outputs.push((format!("its {file}"), bytes));
    }
    assert!(!sites[0].1.log().is_empty());
    let before = tokens(&home, &server, &grants);
    outputs.push(("status --watch".into(), watcher.end()));
    let (end, log) = daemon.terminate();
    assert!(end.success(), "{log}");
    let all: BTreeSet<_> = tokens(&home, &server, &grants).union(&before).cloned().collect();
    eprintln!("{} tokens, {} outputs, {} bytes of log", all.len(), outputs.len(), log.len());
    assert!(all.len() > 2 * grants.len());
    outputs.push(("the log".into(), log.into_bytes()));
    // What is read from disk without an agent is said by other code.
    for command in EVERY_COMMAND {
        let output = home.run(&command.split(' ').collect::<Vec<_>>());
        outputs.push((format!("{command} without a daemon"), [output.stdout, output.stderr].concat()));
    }
    everything_written(&home, &mut outputs);
    for name in ["history.jsonl", "picture.svg", "notices.json", "hooked", "records.jsonl", "status --watch"]
    {
        let of_it = |(place, bytes): &(String, Vec<u8>)| place.ends_with(name) && bytes.len() > 100;
        assert!(outputs.iter().any(of_it), "no {name}");
    }
    nothing_found(&outputs, &all, &home);
}

/// Every command, except those that are asked for one server after the other. Each is run with the agent and without it.
const EVERY_COMMAND: &[&str] = &[
    "status",
    "status --json",
    "status no-such-server",
    "refresh",
    "refresh good jwt basic post --force",
    "refresh tells-code odd",
    "refresh --dry-run",
    "check",
    "check --live",
    "check good --min-valid 8h --quiet",
    "doctor",
    "doctor --live",
    "doctor --json --fix --yes",
    "doctor --fix --dry-run",
    "history",
    "history good --since 1h",
    "history --json",
    "logs",
    "config",
    "config --defaults",
    "completions bash",
    "--version",
    "help",
];

/// Every file below the home folder but the two that are there to hold tokens.
fn everything_written(home: &Home, outputs: &mut Vec<(String, Vec<u8>)>) {
    files_below(home.path(), &mut |path, bytes| {
        if *path != home.credentials() && *path != home.state().join("journal") {
            outputs.push((path.display().to_string(), bytes.to_vec()));
        }
    });
}

fn nothing_found(outputs: &[(String, Vec<u8>)], tokens: &BTreeSet<String>, home: &Home) {
    let needles = Needles::of(tokens);
    for (place, bytes) in outputs {
        let found = needles.found_in(bytes);
        assert_eq!(found, None, "in {place}:\n{}", String::from_utf8_lossy(bytes));
    }
    assert!(needles.found_in(home.stored().as_bytes()).is_some(), "this search finds nothing anywhere");
}

/// `status --watch`, followed from the beginning to the end.
struct Watcher {
    process: Child,
    reader: JoinHandle<Vec<u8>>,
}

impl Watcher {
    fn start(home: &Home) -> Self {
        let mut command = home.command(&["status", "--watch"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = process.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            output.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Self { process, reader }
    }

    fn end(mut self) -> Vec<u8> {
        kill_process(Pid::from_child(&self.process), Signal::INT).unwrap();
        self.process.wait().unwrap();
        self.reader.join().unwrap()
    }
}

#[test]
fn no_token_is_seen_in_a_log_of_text_and_nowhere_else() {
    no_token_is_seen("text");
}

#[test]
fn no_token_is_seen_in_a_log_of_json_and_nowhere_else() {
    no_token_is_seen("json");
}

/// The pair cannot be written, the agent is killed, the next one finds the journal: each says so, and none says the pair.
#[test]
fn no_token_is_seen_when_a_pair_cannot_be_saved_and_a_kill_comes() {
    let server = Server::start(Script::default()).unwrap();
    let site = server.add("lab", Script::default());
    let grants = vec![("lab".to_owned(), site.grant(EXPIRED))];
    let home = Home::with(grants.iter().map(|(name, grant)| (name.as_str(), grant)));
    site.answer_always(Answer::default().after(Duration::from_millis(500)));
    let good = home.stored();
    let mut daemon = Daemon::start(home.command(&["run"]));
    // The store breaks while the request is on the wire.
    let end = Instant::now() + PATIENCE;
    while site.refreshes() == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    home.store(&good[..good.len() / 2]);
    let line = daemon.wait_for("could not be saved");
    assert!(line.contains("ends unexpectedly"), "{line}");
    let mut outputs = Vec::new();
    let mut told = |home: &Home, when: &str| {
        // Those that say what is; the others would wait for what cannot come.
        for command in
            ["status", "status lab", "status --json", "check", "doctor --offline", "history", "logs"]
        {
            let output = home.run(&command.split(' ').collect::<Vec<_>>());
            outputs.push((format!("{command} {when}"), [output.stdout, output.stderr].concat()));
        }
    };
    told(&home, "with a pair that is not saved");
    daemon.signal(Signal::KILL);
    let (_, first_log) = daemon.end();
    told(&home, "after the kill");
    let journal = std::fs::read(home.state().join("journal")).unwrap();
    assert!(!journal.is_empty());
    home.store(&good);
    let daemon = home.daemon();
    let end = Instant::now() + PATIENCE;
    let wait_while = |condition: &dyn Fn(&str) -> bool| {
        while condition(&home.stored()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_while(&|stored| stored.contains(&grants[0].1.refresh_token));
    let saved = tokens(&home, &server, &grants);
    // A client's failed refresh wipes the entry, and the agent puts it right with what it remembers.
    let mut document: serde_json::Value = serde_json::from_str(&home.stored()).unwrap();
    for entry in document["mcpOAuth"].as_object_mut().unwrap().values_mut() {
        entry["accessToken"] = "".into();
        entry["expiresAt"] = 0.into();
        entry.as_object_mut().unwrap().remove("refreshToken");
    }
    home.store(&document.to_string());
    wait_while(&|stored| stored.contains("\"accessToken\":\"\""));
    told(&home, "after a wipe was healed");
    let (_, log) = daemon.terminate();
    let all: BTreeSet<_> = tokens(&home, &server, &grants).union(&saved).cloned().collect();
    // The granted pair, that of the first agent, which the second one saved, and that of the healing.
    assert!(all.len() >= 6 && !home.stored().contains(&grants[0].1.refresh_token), "{log}");
    outputs.extend([("the first log".into(), first_log.into_bytes()), ("the log".into(), log.into_bytes())]);
    everything_written(&home, &mut outputs);
    nothing_found(&outputs, &all, &home);
}

#[test]
fn the_search_finds_a_token_in_every_form() {
    needles::assert_every_form_is_found();
}
