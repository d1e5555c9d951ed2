mod bad_input;
mod kills;
mod service;

use crate::Fallible;
use crate::profile::{Machine, PATIENCE, Profile, until};
use scripted_server::{Answer, Entry, Grant, Script, Server, credentials_json};
use std::fs;
use std::process::Child;
use std::time::Duration;

type Scenario = fn(&Machine) -> Fallible<String>;

pub(crate) const ALL: [(&str, Scenario); 14] = [
    ("commands", commands),
    ("bytes", bytes),
    ("sessions_expired", sessions_expired),
    ("sessions_during_a_refresh", sessions_during_a_refresh),
    ("kills", kills::without_grace),
    ("kills_with_grace", kills::with_grace),
    ("held_open", held_open),
    ("two_agents", two_agents),
    ("attributes", bad_input::attributes),
    ("documents", bad_input::documents),
    ("folders", bad_input::folders),
    ("other_drive", bad_input::other_drive),
    ("long_path", bad_input::long_path),
    ("service", service::service),
];

const SESSIONS: usize = 5;

fn is_by_agent(entry: &Entry) -> bool {
    entry.user_agent.starts_with("mcp-refreshd")
}

fn is_refresh(entry: &Entry) -> bool {
    entry.field("refresh_token").is_some()
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Fallible<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// A server without grace for spent refresh tokens, and a profile that is logged in to it.
fn logged_in<'a>(
    machine: &'a Machine,
    left: Duration,
    script: Script,
) -> Fallible<(Server, Profile<'a>, Grant)> {
    let server = Server::start(script)?;
    let profile = Profile::new(machine)?;
    let grant = server.grant(left);
    profile.put_document(&credentials_json([("lab", &grant)]))?;
    Ok((server, profile, grant))
}

fn wait_for_another_pair(profile: &Profile<'_>, grant: &Grant) -> Fallible<()> {
    let replaced = || profile.stored("refreshToken").is_ok_and(|token| token != grant.refresh_token);
    ensure(until(PATIENCE, replaced), || "the agent did not refresh".to_owned())
}

/// What a person types, with the agent and without it.
fn commands(machine: &Machine) -> Fallible<String> {
    let (server, profile, grant) = logged_in(machine, Duration::ZERO, Script::default())?;
    let expect = |words: &[&str], code: i32, text: &str| {
        let (was, said) = profile.said(words)?;
        ensure(was == Some(code) && said.contains(text), || format!("{words:?}: {was:?} {said}"))
    };
    expect(&["status"], 1, "lab").or_else(|_| expect(&["status"], 3, "lab"))?;
    expect(&["check"], 1, "lab")?;
    expect(&["refresh"], 0, "refreshed")?;
    ensure(profile.stored("refreshToken")? != grant.refresh_token, || "nothing was stored".to_owned())?;
    expect(&["check"], 0, "")?;
    let agent = profile.agent()?;
    expect(&["status"], 0, "fresh")?;
    expect(&["refresh", "--force"], 0, "refreshed")?;
    expect(&["history"], 0, "lab")?;
    expect(&["config"], 0, "")?;
    let (code, doctor) = profile.said(&["doctor"])?;
    ensure(code.is_some_and(|code| code < 2) && !doctor.contains("panicked"), || doctor.clone())?;
    ensure(server.count(is_refresh) == 2 && server.families_revoked() == 0, || {
        "not two requests".to_owned()
    })?;
    drop(agent);
    expect(&["nonsense"], 2, "unrecognized")?;
    Ok("status, check, refresh, history, config, doctor".to_owned())
}

/// Nothing of the document changes but the entry's own tokens.
fn bytes(machine: &Machine) -> Fallible<String> {
    let (_server, profile, grant) = logged_in(machine, Duration::from_secs(360), Script::default())?;
    let odd = profile.document()?.replacen(
        '{',
        "{\"claudeAiOauth\":{\"x\": 1E+0005,\"n\":123456789012345678901}, ",
        1,
    );
    profile.put_document(&odd)?;
    let before = [profile.stored("accessToken")?, profile.stored("expiresAt")?];
    let _agent = profile.agent()?;
    wait_for_another_pair(&profile, &grant)?;
    let text = fs::read_to_string(profile.document_path())?;
    let now = |member: &str| -> Fallible<String> {
        let entries = text.split("\"mcpOAuth\":").nth(1).ok_or("no entries")?;
        let part = entries.split(&format!("\"{member}\":")).nth(1).ok_or("no member")?;
        Ok(part.trim_start_matches('"').split(['"', ',', '}']).next().unwrap_or_default().to_owned())
    };
    let [access, expires] = before;
    let expected = odd
        .replace(&access, &now("accessToken")?)
        .replace(&grant.refresh_token, &now("refreshToken")?)
        .replace(&expires, &now("expiresAt")?);
    ensure(text == expected, || format!("wanted\n{expected}\nfound\n{text}"))?;
    let tidy = || {
        let mut left = fs::read_dir(&profile.storage).into_iter().flatten().flatten();
        left.all(|entry| {
            [".credentials.json", "mcp-needs-auth-cache.json"].iter().any(|name| entry.file_name() == *name)
        })
    };
    ensure(until(PATIENCE, tidy), || "something is left beside the document".to_owned())?;
    Ok("the document is the same but for the tokens".to_owned())
}

/// Starts sessions of the real client side by side; gives how many are connected.
fn sessions(profile: &Profile<'_>) -> Fallible<usize> {
    let started: Vec<Child> =
        (0..SESSIONS).map(|_| profile.client(&["mcp", "get", "lab"])).collect::<Fallible<_>>()?;
    let mut connected = 0;
    for session in started {
        let output = session.wait_with_output()?;
        connected += usize::from(String::from_utf8_lossy(&output.stdout).contains("Connected"));
    }
    Ok(connected)
}

fn judge(server: &Server, connected: usize) -> Fallible<String> {
    let (agent, others) = (
        server.count(|entry| is_refresh(entry) && is_by_agent(entry)),
        server.count(|entry| is_refresh(entry) && !is_by_agent(entry)),
    );
    let seen =
        format!("{connected} of {SESSIONS} connected, {agent} request by the agent, {others} by clients");
    ensure(connected == SESSIONS && agent == 1 && others == 0, || seen.clone())?;
    Ok(seen)
}

fn with_client<'a>(machine: &'a Machine, script: Script) -> Fallible<(Server, Profile<'a>, Grant)> {
    let (server, profile, grant) = logged_in(machine, Duration::ZERO, script)?;
    let url = server.mcp_url();
    let add = profile
        .client(&["mcp", "add", "--transport", "http", "--scope", "user", "lab", &url])?
        .wait_with_output()?;
    ensure(add.status.success(), || String::from_utf8_lossy(&add.stderr).into_owned())?;
    Ok((server, profile, grant))
}

/// An expired token, refreshed by the agent; then five sessions at once.
fn sessions_expired(machine: &Machine) -> Fallible<String> {
    let (server, profile, grant) = with_client(machine, Script::default())?;
    let _agent = profile.agent()?;
    wait_for_another_pair(&profile, &grant)?;
    judge(&server, sessions(&profile)?)
}

/// Five sessions start while the agent's request is on the wire.
fn sessions_during_a_refresh(machine: &Machine) -> Fallible<String> {
    let script = Script { answer: Answer::default().before(Duration::from_secs(5)), ..Script::default() };
    let (server, profile, _) = with_client(machine, script)?;
    let _agent = profile.agent()?;
    ensure(until(PATIENCE, || server.count(is_refresh) > 0), || "the agent does not begin".to_owned())?;
    judge(&server, sessions(&profile)?)
}

/// Another program holds the document open while the answer comes.
fn held_open(machine: &Machine) -> Fallible<String> {
    let script = Script { answer: Answer::default().before(Duration::from_secs(2)), ..Script::default() };
    let (server, profile, grant) = logged_in(machine, Duration::ZERO, script)?;
    let _agent = profile.agent()?;
    ensure(until(PATIENCE, || server.count(is_refresh) > 0), || "the agent does not begin".to_owned())?;
    let mut hold = profile.hold(6)?;
    hold.wait()?;
    wait_for_another_pair(&profile, &grant)?;
    ensure(server.count(is_refresh) == 1, || "more than one request".to_owned())?;
    Ok("stored as soon as it was let go, with one request".to_owned())
}

/// One agent for each user.
fn two_agents(machine: &Machine) -> Fallible<String> {
    let (_server, profile, _) = logged_in(machine, Duration::from_secs(3600), Script::default())?;
    let _agent = profile.agent()?;
    let (code, said) = profile.said(&["run"])?;
    ensure(code == Some(1) && said.contains("already running"), || format!("{code:?} {said}"))?;
    Ok("the second is told of the first".to_owned())
}
