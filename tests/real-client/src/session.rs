//! A running session of the real client, controlled through its stream of JSON lines.

use crate::Fallible;
use crate::messages::Plan;
use crate::user::{SECOND, SERVER, User};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The time limit of a turn, in addition to what its plan takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A session waiting for prompts. Dropping it kills it, like a crash but unlike a closed terminal.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// The result of one prompt.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The server's state at the beginning of the turn, according to the client: `connected`, `needs-auth`, `failed`, `pending`.
    pub(crate) server: String,
    /// How many tool calls succeeded.
    pub(crate) answered: usize,
    /// The client's messages about those that failed.
    pub(crate) errors: Vec<String>,
    pub(crate) took: Duration,
}

impl Turn {
    /// Whether the server was connected and every call succeeded.
    pub(crate) fn is_good(&self, calls: usize) -> bool {
        self.answered == calls && self.errors.is_empty()
    }
}

impl Session {
    pub(crate) fn start(person: &User) -> Fallible<Self> {
        Self::of(person, person.client(&[]))
    }

    /// A session of another version of the client.
    pub(crate) fn start_other(person: &User, client: &Path) -> Fallible<Self> {
        Self::of(person, person.command(client))
    }

    fn of(person: &User, mut command: Command) -> Fallible<Self> {
        command.args(["-p", "--verbose", "--input-format", "stream-json", "--output-format", "stream-json"]);
        command.args(["--allowedTools", &format!("mcp__{SERVER}__echo,mcp__{SECOND}__echo")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(person.log("session.err"))?);
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("the session has no standard input")?;
        let output = child.stdout.take().ok_or("the session has no standard output")?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// A turn with this many tool calls, and a pause before each but the first.
    pub(crate) async fn call(&mut self, calls: usize, every: Duration) -> Fallible<Turn> {
        let prompt = Plan { calls, every }.prompt();
        let message = json!({"role": "user", "content": [{"type": "text", "text": prompt}]});
        let line = format!("{}\n", json!({"type": "user", "message": message}));
        self.input.write_all(line.as_bytes()).await?;
        let patience = PATIENCE + every * u32::try_from(calls)?;
        tokio::time::timeout(patience, self.turn()).await.map_err(|_| "the session does not respond")?
    }

    /// Asks the client to reauthenticate, like the SDK and VS Code do; returns the page that the user has to open.
    pub(crate) async fn authenticate(&mut self) -> Fallible<String> {
        let request = json!({"subtype": "mcp_authenticate", "serverName": SERVER});
        let line =
            format!("{}\n", json!({"type": "control_request", "request_id": "login", "request": request}));
        self.input.write_all(line.as_bytes()).await?;
        let page = tokio::time::timeout(PATIENCE, self.page()).await;
        page.map_err(|_| "the session does not start a login")?
    }

    async fn page(&mut self) -> Fallible<String> {
        while let Some(line) = self.output.next_line().await? {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event.get("type") == Some(&json!("control_response")) {
                let page = event.pointer("/response/response/authUrl").and_then(Value::as_str);
                return page
                    .map(str::to_owned)
                    .ok_or_else(|| format!("no login was started: {event}").into());
            }
        }
        Err("the session ended".into())
    }

    /// Prompts until the client has determined the server's state, which it does not wait for: with a slow server, a session starts without
    /// it. The returned turn calls the tool once, if it is available.
    pub(crate) async fn connect(&mut self) -> Fallible<Turn> {
        let began = Instant::now();
        loop {
            let mut turn = self.call(1, Duration::ZERO).await?;
            turn.took = began.elapsed();
            if turn.server != "pending" || turn.took > PATIENCE {
                return Ok(turn);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn turn(&mut self) -> Fallible<Turn> {
        let began = Instant::now();
        let mut turn = Turn::default();
        while let Some(line) = self.output.next_line().await? {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            match event.get("type").and_then(Value::as_str) {
                Some("system") if event.get("subtype") == Some(&json!("init")) => {
                    turn.server = server_status(&event);
                }
                Some("user") => turn.note_results(&event),
                Some("result") => {
                    turn.took = began.elapsed();
                    return Ok(turn);
                }
                _ => {}
            }
        }
        Err("the session ended in the middle of a turn".into())
    }

    /// Ends the session like a user.
    pub(crate) async fn end(self) -> Fallible<()> {
        let Self { mut child, input, output } = self;
        drop((input, output));
        tokio::time::timeout(PATIENCE, child.wait()).await.map_err(|_| "the session does not end")??;
        Ok(())
    }
}

impl Turn {
    fn note_results(&mut self, event: &Value) {
        let blocks = event.pointer("/message/content").and_then(Value::as_array);
        for block in
            blocks.into_iter().flatten().filter(|block| block.get("type") == Some(&json!("tool_result")))
        {
            match block.get("is_error").and_then(Value::as_bool) {
                Some(true) => {
                    self.errors.push(block.get("content").map(Value::to_string).unwrap_or_default())
                }
                _ => self.answered += 1,
            }
        }
    }
}

fn server_status(init: &Value) -> String {
    let servers = init.get("mcp_servers").and_then(Value::as_array);
    let lab =
        servers.and_then(|servers| servers.iter().find(|server| server.get("name") == Some(&json!(SERVER))));
    lab.and_then(|lab| lab.get("status")?.as_str()).unwrap_or("absent").to_owned()
}
