//! A terminal in which one client after the other is started, and some are killed.

use super::plan::{Action, SERVERS, Start};
use super::sighting::Sighting;
use super::{World, now_us};
use crate::Fallible;
use crate::messages;
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

/// Nothing here takes that long, not even a client that waits for every lock.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between the first prompt of a session and the second.
const TYPING: Duration = Duration::from_secs(3);

/// One client, from its start to its end.
#[derive(Debug)]
pub(super) struct Visit {
    /// Which of the versions.
    pub(super) version: usize,
    /// Microseconds since the epoch.
    pub(super) began_us: u64,
    pub(super) ended_us: u64,
    pub(super) end: End,
    /// How many tool calls it was asked for.
    pub(super) calls: usize,
    pub(super) sighting: Sighting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ByItself,
    Killed,
    /// It did not end in 90 s.
    Hung,
}

/// Starts what was drawn for this terminal, one after the other.
pub(super) async fn work(world: &World, number: usize) -> Fallible<Vec<Visit>> {
    let mut visits = Vec::new();
    for start in world.plan.terminals.get(number).into_iter().flatten() {
        tokio::time::sleep(start.at.saturating_sub(world.elapsed())).await;
        if world.is_over() {
            break;
        }
        visits.push(visit(world, &world.person.log(&format!("terminal-{number}.out")), start).await?);
    }
    Ok(visits)
}

async fn visit(world: &World, output: &Path, start: &Start) -> Fallible<Visit> {
    let (_, program) = world.clients.get(start.version).ok_or("there is no such version")?;
    let mut command = world.person.command(program);
    command.args(arguments(start.action));
    // A file, since a pipe may outlive a client that is killed, and does not end then.
    let file = File::create(output)?;
    command.stdout(file.try_clone()?).stderr(file);
    command.stdin(Stdio::piped());
    let began_us = now_us();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let input = child.stdin.take().ok_or("the client has no standard input")?;
    let (calls, patience, typing) = match start.action {
        Action::Session { calls, every } => {
            let typing = tokio::task::spawn_local(type_prompts(input, calls, every));
            (calls, PATIENCE + every * u32::try_from(calls)?, Some(typing))
        }
        _ => (0, PATIENCE, None),
    };
    let limit = start.killed_after.unwrap_or(patience);
    let end = match tokio::time::timeout(limit, child.wait()).await {
        Ok(status) => status.map(|_| End::ByItself)?,
        Err(_) => {
            child.start_kill()?;
            if start.killed_after.is_some() { End::Killed } else { End::Hung }
        }
    };
    let ended_us = now_us();
    child.wait().await?;
    if let Some(typing) = typing {
        typing.abort();
    }
    let said = fs::read(output)?;
    let sighting = Sighting::read(&String::from_utf8_lossy(&said), &SERVERS);
    Ok(Visit { version: start.version, began_us, ended_us, end, calls, sighting })
}

/// A first prompt without calls: the newest client does not wait for its servers, and a person does not type that fast. Then the calls.
/// The session ends with its input. A client that was killed reads no more, which is no error here.
async fn type_prompts(mut input: ChildStdin, calls: usize, every: Duration) -> io::Result<()> {
    for calls in [0, calls] {
        let prompt = messages::Plan { calls, every }.prompt();
        let message = json!({"role": "user", "content": [{"type": "text", "text": prompt}]});
        let line = format!("{}\n", json!({"type": "user", "message": message}));
        input.write_all(line.as_bytes()).await?;
        if calls == 0 {
            tokio::time::sleep(TYPING).await;
        }
    }
    Ok(())
}

fn arguments(action: Action) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match action {
        Action::List => words(&["mcp", "list"]),
        Action::Get(server) => words(&["mcp", "get", SERVERS.get(server).copied().unwrap_or_default()]),
        Action::Session { .. } => {
            let tools = SERVERS.map(|name| format!("mcp__{name}__echo")).join(",");
            words(&[
                "-p",
                "--verbose",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
                "--allowedTools",
                &tools,
            ])
        }
    }
}
