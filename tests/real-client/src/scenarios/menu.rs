//! The client in a terminal of its own, and the keys that a person presses in it.

use crate::Fallible;
use crate::user::{SERVER, User, finish};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);
const TURN: Duration = Duration::from_millis(200);

/// A running client in tmux. Everything ends with [`close`](Self::close).
pub(crate) struct Menu<'a> {
    person: &'a User,
    socket: PathBuf,
}

impl<'a> Menu<'a> {
    /// Starts the client of a person who is [used to it](get_used_to_it), and waits for its prompt.
    pub(crate) async fn open(person: &'a User) -> Fallible<Self> {
        let menu = Self { person, socket: person.log("tmux") };
        let client = person.client(&[]);
        // What it says at its end stays on the screen.
        let client = format!("'{}'; sleep 600", client.as_std().get_program().to_string_lossy());
        menu.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50", &client]).await?;
        menu.wait_for("❯").await?;
        Ok(menu)
    }

    /// `/mcp`, the server, Re-authenticate; gives back the page that the browser was given.
    pub(crate) async fn reauthenticate(&self, person: &User) -> Fallible<String> {
        person.let_the_browser_wait()?;
        self.tmux(&["send-keys", "/mcp"]).await?;
        tokio::time::sleep(TURN * 3).await;
        self.press("Enter").await?;
        self.wait_for(SERVER).await?;
        self.wait_for(&format!("✔ {SERVER}")).await?;
        self.press("Enter").await?;
        self.wait_for("Re-authenticate").await?;
        self.choose("Re-authenticate").await?;
        self.press("Enter").await?;
        self.page(person).await
    }

    /// Moves the cursor to the line with these words. On a busy machine a key shows late, and other lines move meanwhile: what was pressed
    /// once too often is taken back.
    async fn choose(&self, words: &str) -> Fallible<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let (cursor, wanted) = self.positions(words).await?;
            match (cursor, wanted) {
                (Some(cursor), Some(wanted)) if cursor == wanted => return Ok(()),
                (Some(cursor), Some(wanted)) => {
                    self.press(if cursor < wanted { "Down" } else { "Up" }).await?
                }
                _ => {}
            }
            let patience = Instant::now() + PATIENCE / 10;
            while self.positions(words).await?.0 == cursor && Instant::now() < patience {
                tokio::time::sleep(TURN).await;
            }
        }
        let screen = self.screen().await?;
        let seen: Vec<&str> = screen.lines().filter(|line| !line.trim().is_empty()).collect();
        Err(format!("{words} cannot be chosen:\n{}", seen.join("\n")).into())
    }

    /// The lines of the cursor and of these words.
    async fn positions(&self, words: &str) -> Fallible<(Option<usize>, Option<usize>)> {
        let screen = self.screen().await?;
        let line_of = |words: &str| screen.lines().position(|line| line.contains(words));
        Ok((line_of("❯"), line_of(words)))
    }

    async fn page(&self, person: &User) -> Fallible<String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(page) = person.page() {
                return Ok(page);
            }
            tokio::time::sleep(TURN).await;
        }
        Err(format!("the browser is not opened:\n{}", self.screen().await?).into())
    }

    /// Closes the terminal.
    pub(crate) async fn close(self) -> Fallible<()> {
        self.tmux(&["kill-server"]).await.map(drop)
    }

    async fn press(&self, key: &str) -> Fallible<()> {
        self.tmux(&["send-keys", key]).await?;
        tokio::time::sleep(TURN).await;
        Ok(())
    }

    async fn screen(&self) -> Fallible<String> {
        self.tmux(&["capture-pane", "-p"]).await
    }

    async fn wait_for(&self, words: &str) -> Fallible<()> {
        let end = Instant::now() + PATIENCE;
        while !self.screen().await?.contains(words) {
            if Instant::now() > end {
                return Err(format!("no \"{words}\" on the screen:\n{}", self.screen().await?).into());
            }
            tokio::time::sleep(TURN).await;
        }
        Ok(())
    }

    async fn tmux(&self, arguments: &[&str]) -> Fallible<String> {
        let mut command = self.person.command("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(arguments);
        finish(command, "tmux").await
    }
}

/// Answers what the client asks a person once and never again. To be called before any session runs: what another one writes there could
/// take it away.
pub(crate) fn get_used_to_it(person: &User) -> Fallible<()> {
    let path = person.home().join(".claude.json");
    let mut known: Map<String, Value> = serde_json::from_slice(&fs::read(&path)?)?;
    let project = person.project().canonicalize()?.to_string_lossy().into_owned();
    let trusted =
        json!({"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true, "allowedTools": []});
    let answers = [
        ("hasCompletedOnboarding", json!(true)),
        ("theme", json!("dark")),
        ("customApiKeyResponses", json!({"approved": ["made-up"], "rejected": []})),
        ("projects", json!({project: trusted})),
    ];
    known.extend(answers.map(|(name, answer)| (name.to_owned(), answer)));
    Ok(fs::write(path, Value::Object(known).to_string())?)
}
