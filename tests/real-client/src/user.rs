//! A user of the machine: a home folder, one MCP server in it called `lab` (several in a soak), and the real client.

use crate::Fallible;
use harness::Home;
use scripted_server::{Grant, Site};
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::process::Command;

/// The name of every user's only server.
pub(crate) const SERVER: &str = "lab";
/// Where there are two, the other one's.
pub(crate) const SECOND: &str = "second";
/// Longer than any command of the client takes, even with the slowest endpoint here.
const PATIENCE: Duration = Duration::from_secs(90);

/// Shared by all users.
#[derive(Clone)]
pub(crate) struct Machine {
    /// The real client's binary.
    pub(crate) client: PathBuf,
    /// The base URL of the simulated Messages API.
    pub(crate) messages: String,
}

/// A user's home. Dropping it removes the folder; its processes must have exited by then.
pub(crate) struct User {
    machine: Machine,
    home: Home,
    folder: TempDir,
}

impl User {
    /// A new home with the server `lab`, added by the client itself.
    pub(crate) async fn with_server(machine: &Machine, site: &Site) -> Fallible<Self> {
        Self::with_servers(machine, &[(SERVER, site)]).await
    }

    /// A new home with these servers, added by the client itself.
    pub(crate) async fn with_servers(machine: &Machine, servers: &[(&str, &Site)]) -> Fallible<Self> {
        let person = Self::with_nothing(machine)?;
        for (name, site) in servers {
            let add = ["mcp", "add", "--transport", "http", "--scope", "user", name, &site.mcp_url()];
            person.claude(&add).await?;
        }
        Ok(person)
    }

    /// A new home in which nothing has ever run.
    pub(crate) fn with_nothing(machine: &Machine) -> Fallible<Self> {
        let folder = TempDir::with_prefix("real-client-")?;
        let home = Home::new_in(folder.path(), &machine.client)?;
        let person = Self { machine: machine.clone(), home, folder };
        for folder in [person.home.claude(), person.project(), person.log("tmp"), person.run_folder()] {
            fs::DirBuilder::new().mode(0o700).create(folder)?;
        }
        let browser = format!("#!/bin/sh\nexec '{}' --browse \"$1\"\n", std::env::current_exe()?.display());
        fs::write(person.browser(), browser)?;
        fs::set_permissions(person.browser(), fs::Permissions::from_mode(0o700))?;
        Ok(person)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A folder for an agent's control socket.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A file for a process's output.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.home.credentials()
    }

    pub(crate) fn needs_auth_cache(&self) -> PathBuf {
        self.home.needs_auth()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn browser(&self) -> PathBuf {
        self.folder.path().join("browser")
    }

    /// From now on, the browser only records the page; the user opens it later (see [`page`](Self::page)).
    pub(crate) fn let_the_browser_wait(&self) -> Fallible<()> {
        let page = self.log("page");
        Ok(fs::write(self.browser(), format!("#!/bin/sh\nprintf %s \"$1\" >'{}'\n", page.display()))?)
    }

    /// The page recorded by the waiting browser.
    pub(crate) fn page(&self) -> Option<String> {
        fs::read_to_string(self.log("page")).ok().filter(|page| !page.is_empty())
    }

    /// A program in this user's environment, killed when its handle is dropped.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.log("tmp"))
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .env("XDG_RUNTIME_DIR", self.run_folder())
            .env("BROWSER", self.browser())
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_TELEMETRY", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .env("ENABLE_TOOL_SEARCH", "false")
            .env("ANTHROPIC_API_KEY", "made-up")
            .env("ANTHROPIC_BASE_URL", &self.machine.messages)
            .current_dir(self.project())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The real client with these arguments, not started.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.machine.client);
        command.args(arguments);
        command
    }

    /// Runs the real client to completion; returns its output.
    pub(crate) async fn claude(&self, arguments: &[&str]) -> Fallible<String> {
        finish(self.client(arguments), &format!("claude {}", arguments.join(" "))).await
    }

    /// A complete login with the real client, which requires a terminal.
    pub(crate) async fn login(&self) -> Fallible<()> {
        let mut command = self.command("script");
        let login = format!("'{}' mcp login {SERVER}", self.machine.client.display());
        command.args(["--quiet", "--return", "--command", &login, "/dev/null"]);
        finish(command, "claude mcp login").await?;
        self.pair().map(drop).ok_or_else(|| "claude mcp login left no tokens in the store".into())
    }

    /// Whether the server is connected according to `claude mcp get`.
    pub(crate) async fn connects(&self) -> Fallible<bool> {
        let said = self.claude(&["mcp", "get", SERVER]).await?;
        // Older versions have another mark.
        Ok(["✔ Connected", "✓ Connected"].iter().any(|connected| said.contains(connected)))
    }

    /// Stores a grant like the client after a login, next to an unknown member.
    pub(crate) fn store(&self, grant: &Grant) -> Fallible<()> {
        let document = json!({"mcpOAuth": {grant.key(SERVER): grant.entry(SERVER)}, "unknown": {"kept": [1, 2.50, "ü"]}});
        self.write(&document)
    }

    /// The same with a unique callback port, so that two users can log in at the same time.
    pub(crate) fn store_with_own_port(&self, grant: &Grant) -> Fallible<()> {
        let port = own_port().ok_or("no port is free")?;
        let mut entry = grant.entry(SERVER);
        if let Some(redirect_uri) = entry.get_mut("redirectUri") {
            *redirect_uri = json!(format!("http://localhost:{port}/callback"));
        }
        self.write(&json!({"mcpOAuth": {grant.key(SERVER): entry}, "unknown": {"kept": [1, 2.50, "ü"]}}))
    }

    /// Moves the stored expiry to `left` from now, as if the server had issued the token with that lifetime.
    pub(crate) fn expire_in(&self, left: Duration) -> Fallible<()> {
        let mut document = self.document().ok_or("the store cannot be read")?;
        let expires_at = (SystemTime::now() + left).duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let entry =
            document.get_mut("mcpOAuth").and_then(|entries| entries.as_object_mut()?.values_mut().next());
        let entry = entry.and_then(Value::as_object_mut).ok_or("the store has no entry")?;
        entry.insert("expiresAt".to_owned(), json!(u64::try_from(expires_at)?));
        self.write(&document)
    }

    /// Writes the document like the client does: to a temporary file, then renamed.
    pub(crate) fn write(&self, document: &Value) -> Fallible<()> {
        self.home.store(&document.to_string())
    }

    /// The document, unless it is missing or malformed.
    pub(crate) fn document(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.credentials()).ok()?).ok()
    }

    /// The store's only entry.
    pub(crate) fn entry(&self) -> Option<Map<String, Value>> {
        self.document()?.get("mcpOAuth")?.as_object()?.values().next()?.as_object().cloned()
    }

    /// The tokens of the only entry, if it has both.
    pub(crate) fn pair(&self) -> Option<Pair> {
        Pair::of(&self.entry()?)
    }
}

impl Pair {
    /// The tokens of an entry, if it has both.
    pub(crate) fn of(entry: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| Some(entry.get(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let expires_at = entry.get("expiresAt").and_then(Value::as_f64);
        Some(Self { access_token: text("accessToken")?, refresh_token: text("refreshToken")?, expires_at })
    }
}

/// The tokens of one entry. Made up, like everything here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Milliseconds since the epoch.
    pub(crate) expires_at: Option<f64>,
}

/// A port for one user only, below the range that the system assigns to connections: if its port is taken, the client does not start a
/// login with its existing registration.
fn own_port() -> Option<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed)).take(1000);
    ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// Runs a command to completion within a time limit; returns its combined output.
pub(crate) async fn finish(mut command: Command, what: &str) -> Fallible<String> {
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("{what} does not end"))??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{what}: {}: {said}", output.status).into()) }
}

/// The last lines of a file, for a report.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}
