//! `headers` and `token`: an access token for Claude Code's `headersHelper` and for scripts, never a refresh token, and always in time.

use crate::support::{Daemon, Home};
use rustix::process::Signal;
use scripted_server::{Answer, Grant, Script, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const EXPIRED: Duration = Duration::ZERO;
/// Claude Code ends its helper after 10 s.
const LIMIT: Duration = Duration::from_secs(9);

/// A server called lab with a login, in a home of its own.
struct Lab {
    server: Server,
    grant: Grant,
    home: Home,
}

impl Lab {
    fn new(script: Script, left: Duration) -> Self {
        let server = Server::start(script).unwrap();
        let grant = server.grant(left);
        let home = Home::with([("lab", &grant)]);
        Self { server, grant, home }
    }

    /// One whose access token ended five minutes ago: no clock is that wrong.
    fn ended(script: Script) -> Self {
        let mut lab = Self::new(script, EXPIRED);
        lab.grant.expires_at_ms -= 300_000;
        lab.home.store(&scripted_server::credentials_json([("lab", &lab.grant)]));
        lab
    }

    /// The helper as Claude Code runs it: through a shell, and with the server's name and URL in its environment. This process is the session.
    fn helper(&self) -> Command {
        let mut shell = Command::new("/bin/sh");
        // Two commands, so that the shell stays in between.
        shell.args(["-c", "true; \"$PROGRAM\" headers; exit $?"]);
        self.of_client(shell)
    }

    /// The same for a session of its own: a process that is no shell.
    fn helper_of_another_session(&self) -> Command {
        let mut session = Command::new("timeout");
        session.args(["20", "/bin/sh", "-c", "true; \"$PROGRAM\" headers; exit $?"]);
        self.of_client(session)
    }

    fn of_client(&self, command: Command) -> Command {
        let mut command = self.home.in_here(command);
        command.env("PATH", "/usr/bin:/bin").env("PROGRAM", self.home.program());
        command.env("CLAUDE_CODE_MCP_SERVER_NAME", "lab");
        command.env("CLAUDE_CODE_MCP_SERVER_URL", self.server.mcp_url());
        command
    }

    fn stored_token(&self) -> String {
        let document: Value = serde_json::from_str(&self.home.stored()).unwrap();
        let entry = document["mcpOAuth"].as_object().unwrap().values().next().unwrap().clone();
        entry["accessToken"].as_str().unwrap().to_owned()
    }
}

/// The token in the headers that a helper printed; what it printed is that alone.
fn bearer(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let headers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(headers.as_object().unwrap().len(), 1, "{headers}");
    headers["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// Runs five at once, and gives their tokens.
fn at_once(commands: impl Iterator<Item = Command>) -> Vec<String> {
    let running: Vec<_> =
        commands.map(|mut one| one.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    running.into_iter().map(|one| bearer(&one.wait_with_output().unwrap())).collect()
}

#[test]
fn the_agent_hands_out_a_good_token_for_its_own_server_alone() {
    let lab = Lab::new(Script::default(), HOUR);
    let daemon = lab.home.daemon();
    let (mine, url) = (lab.grant.access_token.clone(), lab.server.mcp_url());
    assert_eq!(bearer(&lab.helper().output().unwrap()), mine);
    assert_eq!(bearer(&lab.home.run(&["headers", "lab"])), mine);
    assert_eq!(lab.home.told(&["token", "lab"]), (0, format!("{mine}\n"), String::new()));
    assert_eq!(lab.home.told(&["token", "lab", "--url", &url]).0, 0);

    let elsewhere = lab.helper().env("CLAUDE_CODE_MCP_SERVER_URL", format!("{url}/x")).output().unwrap();
    let told = String::from_utf8(elsewhere.stderr).unwrap();
    assert_eq!((elsewhere.status.code(), elsewhere.stdout.as_slice()), (Some(1), b"".as_slice()));
    assert!(told.contains("not handed out for another server") && told.contains(&url), "{told}");
    let (code, out, told) = lab.home.told(&["token", "la"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(told.contains("did you mean lab?"), "{told}");
    assert_eq!(lab.home.told(&["headers"]).0, 2);

    assert_eq!(lab.server.refreshes(), 0);
    let (_, log) = daemon.terminate();
    assert!(!log.contains(&mine) && !log.contains("at_"), "{log}");
}

#[test]
fn what_the_socket_says_holds_no_refresh_token() {
    let lab = Lab::new(Script::default(), HOUR);
    let _daemon = lab.home.daemon();
    let socket = lab.home.state().join("control.sock");
    let mut said = String::new();
    for request in [
        json!({"protocol": 1, "version": "0", "request": "access_token", "with": {"name": "lab"}}),
        json!({"protocol": 1, "version": "0", "request": "status"}),
    ] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        stream.read_to_string(&mut said).unwrap();
    }
    assert!(said.contains(&lab.grant.access_token), "{said}");
    assert!(!said.contains(&lab.grant.refresh_token) && !said.contains("rt_"), "{said}");
}

#[test]
fn five_sessions_at_once_on_an_expired_token_share_one_refresh() {
    let slow = Answer::default().before(Duration::from_millis(1500));
    let lab = Lab::new(Script { answer: slow, ..Script::default() }, EXPIRED);
    let _daemon = lab.home.daemon();
    let tokens = at_once((0..5).map(|_| lab.helper_of_another_session()));
    assert!(tokens.iter().all(|token| *token == lab.stored_token()), "{tokens:?}");
    assert!(lab.server.accepts(&tokens[0]));
    // They connect again at once: no session asked twice for the same token.
    at_once((0..5).map(|_| lab.helper_of_another_session()));
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn the_same_session_asking_again_within_seconds_gets_another_token_once() {
    let lab = Lab::new(Script::default(), HOUR);
    let _daemon = lab.home.daemon();
    let first = bearer(&lab.helper().output().unwrap());
    // Another session is none of its business, nor is a person who types it.
    assert_eq!(bearer(&lab.helper_of_another_session().output().unwrap()), first);
    assert_eq!(bearer(&lab.home.run(&["headers", "lab"])), first);
    assert_eq!(bearer(&lab.home.run(&["headers", "lab"])), first);
    assert_eq!(lab.server.refreshes(), 0);
    let second = bearer(&lab.helper().output().unwrap());
    assert!(second != first && lab.server.accepts(&second));
    // A server that refuses that one, too, objects to something else.
    assert_eq!(bearer(&lab.helper().output().unwrap()), second);
    assert_eq!(bearer(&lab.helper().output().unwrap()), second);
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn five_sessions_whose_token_was_refused_share_one_refresh() {
    let slow = Answer::default().before(Duration::from_millis(1500));
    let lab = Lab::new(Script { answer: slow, ..Script::default() }, HOUR);
    let _daemon = lab.home.daemon();
    let twice = "true; \"$PROGRAM\" headers >/dev/null; sleep 0.3; \"$PROGRAM\" headers; exit $?";
    let sessions = (0..5).map(|_| {
        let mut session = Command::new("timeout");
        session.args(["20", "/bin/sh", "-c", twice]);
        lab.of_client(session)
    });
    let tokens = at_once(sessions);
    assert!(tokens.iter().all(|token| *token == lab.stored_token()), "{tokens:?}");
    assert!(!tokens.contains(&lab.grant.access_token));
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn a_session_that_comes_back_after_each_rotation_costs_no_refresh() {
    let lab = Lab::new(Script { old_access_dies: true, ..Script::default() }, HOUR);
    let _daemon = lab.home.daemon();
    let mut last = bearer(&lab.helper().output().unwrap());
    for rotation in 1..=3 {
        assert_eq!(lab.home.told(&["refresh", "lab", "--force"]).0, 0);
        assert!(!lab.server.accepts(&last));
        let next = bearer(&lab.helper().output().unwrap());
        assert!(next != last && lab.server.accepts(&next));
        assert_eq!(lab.server.refreshes(), rotation);
        last = next;
    }
}

#[test]
fn a_slow_token_endpoint_does_not_hold_it_and_the_refresh_goes_on_in_the_agent() {
    let slow = Answer::default().before(Duration::from_secs(10));
    let lab = Lab::ended(Script { next: [slow].into(), ..Script::default() });
    let _daemon = lab.home.daemon();
    let began = Instant::now();
    let output = lab.helper().output().unwrap();
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert_eq!(bearer(&output), lab.grant.access_token, "an older token may still do");
    assert!(String::from_utf8_lossy(&output.stderr).contains("slow"), "{output:?}");
    // The server refuses it, so Claude Code asks again.
    let second = bearer(&lab.helper().output().unwrap());
    assert!(lab.server.accepts(&second));
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn nothing_but_an_ended_token_waits_for_the_end_of_a_short_pause() {
    let lab = Lab::ended(Script { next: [Answer::status(503)].into(), ..Script::default() });
    let mut daemon = lab.home.daemon();
    daemon.wait_for("503");
    let began = Instant::now();
    let tokens = at_once((0..3).map(|_| lab.helper_of_another_session()));
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    assert!(tokens.iter().all(|token| lab.server.accepts(token)), "{tokens:?}");
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn an_agent_stopped_by_a_signal_is_not_waited_for_and_the_store_is_read_instead() {
    let lab = Lab::new(Script::default(), HOUR);
    let daemon = lab.home.daemon();
    daemon.signal(Signal::STOP);
    let began = Instant::now();
    let output = lab.helper().output().unwrap();
    daemon.signal(Signal::CONT);
    assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
    assert_eq!(bearer(&output), lab.grant.access_token);
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"), "{output:?}");
}

#[test]
fn without_an_agent_five_sessions_on_an_expired_token_share_one_refresh() {
    let slow = Answer::default().before(Duration::from_millis(800));
    let lab = Lab::new(Script { answer: slow, ..Script::default() }, EXPIRED);
    let tokens = at_once((0..5).map(|_| lab.helper_of_another_session()));
    assert!(
        tokens.iter().all(|token| *token == lab.stored_token()),
        "{tokens:?} {}",
        lab.home.told(&["history", "-n", "all"]).1
    );
    assert!(lab.server.accepts(&tokens[0]));
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn without_an_agent_the_refresh_outlives_the_helper() {
    let slow = Answer::default().before(Duration::from_secs(2));
    let lab = Lab::new(Script { answer: slow, ..Script::default() }, EXPIRED);
    let mut helper = lab.helper_of_another_session().stdout(Stdio::null()).spawn().unwrap();
    assert!(lab.server.wait_for(crate::support::PATIENCE, |log| {
        log.iter().any(|entry| entry.field("grant_type").is_some())
    }));
    // As Claude Code ends it after 10 s.
    helper.kill().unwrap();
    helper.wait().unwrap();
    let began = Instant::now();
    while lab.stored_token() == lab.grant.access_token {
        assert!(began.elapsed() < crate::support::PATIENCE, "the new token never reached the store");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(lab.server.accepts(&lab.stored_token()));
    assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0));
}

#[test]
fn without_an_agent_a_failure_is_said_and_nothing_is_printed() {
    let lab = Lab::ended(Script::default());
    lab.server.answer_always(Answer::error(400, "invalid_grant", "revoked"));
    for command in ["headers", "token"] {
        let (code, out, told) = lab.home.told(&[command, "lab"]);
        assert_eq!((code, out.as_str()), (1, ""), "{told}");
        assert!(told.contains("no access token for lab"), "{told}");
    }
    let nobody = Home::new();
    let (code, out, told) = nobody.told(&["headers", "lab"]);
    assert_eq!((code, out.as_str()), (2, ""), "{told}");
    assert!(told.contains("no server is called lab"), "{told}");
}

#[test]
fn a_login_that_ended_is_said_with_what_to_type() {
    let lab = Lab::ended(Script::default());
    assert!(lab.server.kill(&lab.grant.refresh_token));
    let mut daemon = Daemon::start(lab.home.command(&["run"]));
    daemon.wait_for("login ended");
    let (code, out, told) = lab.home.told(&["headers", "lab"]);
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    assert!(told.contains("needs you") && told.contains("claude mcp login lab"), "{told}");
    drop(daemon);
    // Without an agent a refresh says it, which names the server, too.
    let ended = Lab::ended(Script::default());
    assert!(ended.server.kill(&ended.grant.refresh_token));
    let (code, out, told) = ended.home.told(&["headers", "lab"]);
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    assert!(told.contains("no access token for lab: login ended: "), "{told}");
    assert!(told.trim_end().ends_with("type: claude mcp login lab"), "{told}");
}

#[test]
fn a_token_about_to_expire_is_refreshed_first_by_the_agent_and_without_one() {
    for agent in [true, false] {
        let lab = Lab::new(Script::default(), HOUR);
        let daemon = agent.then(|| lab.home.daemon());
        // The agent does not see the change before it is asked.
        let soon = lab.server.grant(Duration::from_secs(120));
        lab.home.store(&scripted_server::credentials_json([("lab", &soon)]));
        let output = lab.helper().output().unwrap();
        let token = bearer(&output);
        assert_ne!(token, soon.access_token, "agent: {agent}: {output:?}");
        assert!(token != soon.access_token && lab.server.accepts(&token), "agent: {agent}");
        assert_eq!((lab.server.refreshes(), lab.server.families_revoked()), (1, 0), "agent: {agent}");
        drop(daemon);
    }
}

/// Half a minute, as long as a second request counts as a refusal by itself.
#[test]
fn after_half_a_minute_the_server_is_asked_whether_it_refused_the_token() {
    let good = Lab::new(Script::default(), HOUR);
    let mut forgotten = Lab::new(Script::default(), HOUR);
    forgotten.grant.access_token = "at_forgotten".to_owned();
    forgotten.home.store(&scripted_server::credentials_json([("lab", &forgotten.grant)]));
    let _daemons = (good.home.daemon(), forgotten.home.daemon());
    for lab in [&good, &forgotten] {
        assert_eq!(bearer(&lab.helper().output().unwrap()), lab.grant.access_token);
    }
    std::thread::sleep(Duration::from_secs(31));
    // It reconnects.
    assert_eq!(bearer(&good.helper().output().unwrap()), good.grant.access_token);
    assert_eq!((good.server.refreshes(), good.server.unauthorized()), (0, 0));
    let token = bearer(&forgotten.helper().output().unwrap());
    assert!(forgotten.server.accepts(&token));
    assert_eq!((forgotten.server.refreshes(), forgotten.server.unauthorized()), (1, 1));
}
