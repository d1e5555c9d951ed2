//! The agent as a scheduled task, with a stand-in for `schtasks.exe`: Wine's own does nothing on `/Query`, `/Run` and `/End`.

use super::{ensure, is_refresh, wait_for_another_pair};
use crate::Fallible;
use crate::profile::{Machine, PATIENCE, Profile, until};
use scripted_server::{Answer, Script, Server, credentials_json};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// With a space and an umlaut, as a user's folder may have.
const FOLDER: &str = "drive_c/Jürgens Programme";
const PROGRAMS: [&str; 3] = ["mcp-refreshd.exe", "mcp-refreshdw.exe", "bcryptprimitives.dll"];
/// How long the token endpoint takes while the agent is stopped.
const SLOW: Duration = Duration::from_secs(4);

/// The stand-in in the place of Wine's `schtasks.exe`, which comes back when this is dropped.
struct StandIn {
    path: PathBuf,
    own: Vec<u8>,
    tasks: PathBuf,
}

impl StandIn {
    fn new(machine: &Machine) -> Fallible<Self> {
        let path = machine.prefix.join("drive_c/windows/system32/schtasks.exe");
        let own = fs::read(&path)?;
        fs::copy(machine.agent.with_file_name("schtasks.exe"), &path)?;
        let tasks = machine.prefix.join("drive_c/scripted-schtasks");
        let _ = fs::remove_dir_all(&tasks);
        Ok(Self { path, own, tasks })
    }

    /// How many tasks are registered.
    fn registered(&self) -> usize {
        let files = fs::read_dir(&self.tasks).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "xml")).count()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, &self.own);
        let _ = fs::remove_dir_all(&self.tasks);
    }
}

/// A service that is taken away again, also when the scenario fails: the next one finds no agent.
struct Service<'a>(&'a Profile<'a>);

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let _ = self.0.run(&["uninstall", "--purge", "--yes"]);
    }
}

impl Service<'_> {
    fn does(&self, words: &[&str]) -> Fallible<()> {
        let (code, said) = self.0.said(words)?;
        ensure(code == Some(0), || format!("{words:?}: {code:?} {said}"))
    }

    /// The process of the agent that runs as a service.
    fn process(&self) -> Fallible<Option<u64>> {
        let output = self.0.run(&["status", "--json"])?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let agent = status.get("agent").ok_or("status names no agent")?;
        let is = |member: &str| agent.get(member).and_then(Value::as_bool) == Some(true);
        ensure(!is("running") || is("service"), || format!("not as a service: {agent}"))?;
        Ok(agent.get("pid").and_then(Value::as_u64).filter(|_| is("running")))
    }

    fn runs_anew(&self, before: Option<u64>) -> Fallible<u64> {
        let mut now = None;
        until(PATIENCE, || {
            now = self.process().ok().flatten().filter(|process| Some(*process) != before);
            now.is_some()
        });
        now.ok_or_else(|| format!("no service runs after process {before:?}").into())
    }
}

/// Installed, killed, restarted, stopped during a request, started, and uninstalled.
pub(super) fn service(machine: &Machine) -> Fallible<String> {
    let folder = machine.prefix.join(FOLDER);
    fs::create_dir_all(&folder)?;
    for program in PROGRAMS {
        fs::copy(machine.agent.with_file_name(program), folder.join(program))?;
    }
    let installed = Machine {
        wine: machine.wine.clone(),
        prefix: machine.prefix.clone(),
        agent: folder.join("mcp-refreshd.exe"),
        client: machine.client.clone(),
    };
    let tasks = StandIn::new(machine)?;
    let server = Server::start(Script::default())?;
    let mut profile = Profile::new(&installed)?;
    profile.variables.push(("WINEDLLOVERRIDES", "schtasks.exe=n".to_owned()));
    let grant = server.grant(Duration::ZERO);
    profile.put_document(&credentials_json([("lab", &grant)]))?;

    let service = Service(&profile);
    service.does(&["install"])?;
    ensure(tasks.registered() == 1, || "no task is registered".to_owned())?;
    let first = service.runs_anew(None)?;
    wait_for_another_pair(&profile, &grant)?;

    profile.of_windows(&["taskkill", "/F", "/PID", &first.to_string()])?;
    let second = service.runs_anew(Some(first))?;
    service.does(&["restart"])?;
    let third = service.runs_anew(Some(second))?;

    server.set(|script| script.answer = Answer::default().before(SLOW));
    let grant = server.grant(Duration::ZERO);
    let before = server.count(is_refresh);
    profile.put_document(&credentials_json([("lab", &grant)]))?;
    ensure(until(PATIENCE, || server.count(is_refresh) > before), || "the agent does not begin".to_owned())?;
    service.does(&["stop"])?;
    let requests = server.count(is_refresh) - before;
    ensure(service.process()?.is_none(), || "it runs after `stop`".to_owned())?;
    let saved = profile.stored("refreshToken")? != grant.refresh_token
        && server.accepts(&profile.stored("accessToken")?);
    ensure(requests == 1 && saved, || format!("{requests} requests during `stop`; saved: {saved}"))?;

    service.does(&["start"])?;
    service.runs_anew(Some(third))?;
    let document = profile.document()?;
    service.does(&["uninstall", "--purge", "--yes"])?;
    ensure(profile.document()? == document, || "`uninstall --purge` changed the document".to_owned())?;
    let left = profile.left();
    ensure(tasks.registered() == 0 && left.is_empty(), || format!("left behind: {left:?}, or the task"))?;
    let all = server.count(is_refresh);
    ensure(all == 2 && server.families_revoked() == 0, || format!("{all} token requests, not 2"))?;
    Ok("installed, started again after a kill, restarted, stopped with the answer saved, uninstalled; 2 token requests".to_owned())
}
