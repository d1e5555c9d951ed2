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
        for _ in 0..6 {
            let screen = self.screen().await?;
            if screen.lines().any(|line| line.contains('❯') && line.contains("Re-authenticate")) {
                self.press("Enter").await?;
                return self.page(person).await;
            }
            self.press("Down").await?;
            self.wait_for_another(&screen).await?;
        }
        Err(format!("Re-authenticate cannot be chosen:\n{}", self.screen().await?).into())
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

    /// On a busy machine a key shows late: who looks too early presses it once too often. What shows nothing at all was the last line.
    async fn wait_for_another(&self, screen: &str) -> Fallible<()> {
        let end = Instant::now() + PATIENCE / 10;
        while self.screen().await? == screen && Instant::now() < end {
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
