//! Nobody has used the server for long, so that the agent lets its access token end; then somebody comes.

use super::{Bench, stop, tries};
use crate::report::Report;
use crate::session::Session;
use crate::traffic::Traffic;
use crate::user::{User, tail};
use crate::{Fallible, until};
use scripted_server::{Answer, Script, Server, TokenState};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinSet;

/// So long ago somebody was here last.
const AWAY: Duration = Duration::from_secs(20 * 24 * 3600);
const PATIENCE: Duration = Duration::from_secs(20);
const SESSIONS: usize = 5;

/// Who comes.
#[derive(Clone, Copy)]
enum Comes {
    /// Sessions, which say that they have begun before they connect.
    Sessions(usize),
    /// `claude mcp get`, which does not.
    Command,
}

pub(super) async fn resting_is_woken(bench: Rc<Bench>) -> Fallible<Report> {
    tries(bench, |bench, number| {
        let comes = match number % 3 {
            0 => Comes::Sessions(1),
            1 => Comes::Sessions(SESSIONS),
            _ => Comes::Command,
        };
        Box::pin(woken(bench, comes))
    })
    .await
}

/// Whoever is first: nothing is lost, nothing is asked for twice, and the agent knows what came of it.
async fn woken(bench: Rc<Bench>, comes: Comes) -> Fallible<Report> {
    let answer = Answer::default().before(Duration::from_millis(500));
    let server = Server::start(Script { old_access_dies: true, answer, ..Script::default() })?;
    let person = bench.person(&server).await?;
    let grant = server.grant(Duration::ZERO);
    person.store(&grant)?;
    be_away(&person)?;
    let refresher = bench.start(&person)?;
    let mut report = Report::default();
    if refresher.is_somebody() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if let Some(state) = refresher.state().await? {
            report.demand("the entry rests", state == "resting");
        }
        report.demand("nobody asks before somebody comes", Traffic::of(&server).by_agent == 0);
    }

    let began = Instant::now();
    let connected = match comes {
        Comes::Sessions(number) => {
            let mut sessions = JoinSet::new();
            for _ in 0..number {
                let person = Rc::clone(&person);
                sessions.spawn_local(async move { connects(&person).await.unwrap_or(false) });
            }
            report.figure("sessions", number);
            sessions.join_all().await.into_iter().all(|connected| connected)
        }
        Comes::Command => person.connects().await?,
    };
    report.demand("all of them connect", connected);
    report.figure("after", format_args!("{:.1} s", began.elapsed().as_secs_f64()));
    let lives = || {
        person.pair().is_some_and(|pair| {
            server.state_of(&pair.refresh_token) == TokenState::Current && server.accepts(&pair.access_token)
        })
    };
    report.demand("the store holds a good pair", until(PATIENCE, lives).await);
    // Long enough for a second request that nobody needs.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let traffic = Traffic::of(&server);
    report.figure("requests by the agent", traffic.by_agent);
    report.figure("by the client", traffic.by_client);
    report.demand("one request", traffic.by_agent + traffic.by_client == 1);
    report.demand_eq("reuses", traffic.reuses_by_agent + traffic.reuses_by_client, 0);
    report.demand_eq("families revoked", server.families_revoked(), 0);
    if let Some(state) = refresher.state().await? {
        report.demand_eq("state", state.as_str(), "fresh");
    }
    stop(refresher, &mut report).await;
    if !report.unmet().is_empty() {
        report.demand(&format!("\n{}", tail(&person.log("agent.log"))), false);
    }
    Ok(report)
}

/// A session that calls the tool once.
async fn connects(person: &User) -> Fallible<bool> {
    let mut session = Session::start(person)?;
    let turn = session.connect().await?;
    session.end().await?;
    Ok(turn.is_good(1))
}

/// Makes everything that tells of sessions as old as the last one, of which there is a log.
fn be_away(person: &User) -> Fallible<()> {
    let project = person.home().join(".claude/projects/before");
    fs::create_dir_all(&project)?;
    File::create(project.join("session.jsonl"))?;
    let mut files = Vec::new();
    for folder in [".claude/projects", ".claude/sessions", ".cache/claude-cli-nodejs"] {
        files_below(&person.home().join(folder), &mut files);
    }
    let then = SystemTime::now() - AWAY;
    files.iter().try_for_each(|file| File::options().append(true).open(file)?.set_modified(then))?;
    Ok(())
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}
