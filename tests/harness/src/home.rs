use crate::{Daemon, Fallible, platform, strace};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A temporary home folder, and the program that runs in it.
pub struct Home {
    folder: TempDir,
    program: PathBuf,
}

impl Home {
    /// An empty home.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn new(program: impl Into<PathBuf>) -> Fallible<Self> {
        Self::new_in(&std::env::temp_dir(), program)
    }

    /// A home with these credentials.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn with(program: impl Into<PathBuf>, document: &str) -> Fallible<Self> {
        let home = Self::new(program)?;
        home.store(document)?;
        Ok(home)
    }

    /// An empty home in this folder.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn new_in(parent: &Path, program: impl Into<PathBuf>) -> Fallible<Self> {
        Ok(Self { folder: tempfile::tempdir_in(parent)?, program: program.into() })
    }

    /// The home itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Claude Code's storage folder.
    #[must_use]
    pub fn claude(&self) -> PathBuf {
        self.path().join(".claude")
    }

    /// Claude Code's credentials.
    #[must_use]
    pub fn credentials(&self) -> PathBuf {
        self.claude().join(".credentials.json")
    }

    /// Claude Code's needs-auth cache.
    #[must_use]
    pub fn needs_auth(&self) -> PathBuf {
        self.claude().join("mcp-needs-auth-cache.json")
    }

    /// The agent's state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path().join(platform::STATE)
    }

    /// The journal's text.
    #[must_use]
    pub fn journal(&self) -> String {
        fs::read_to_string(self.state().join("journal")).unwrap_or_default()
    }

    /// The output of strace, if the agent is traced.
    #[must_use]
    pub fn trace(&self) -> PathBuf {
        self.path().join("trace")
    }

    /// The log of all agents run here.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.path().join("log")
    }

    /// Replaces the credentials like Claude Code.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn store(&self, text: &str) -> Fallible<()> {
        fs::create_dir_all(self.claude())?;
        let beside = self.claude().join(".credentials.json.tmp.0123abcd");
        fs::write(&beside, text)?;
        platform::make_private(&beside)?;
        Ok(fs::rename(&beside, self.credentials())?)
    }

    /// The credentials' text.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn stored(&self) -> Fallible<String> {
        Ok(fs::read_to_string(self.credentials())?)
    }

    /// The names in the storage folder, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Fallible<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.claude())? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Writes the agent's configuration.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, text: &str) -> Fallible<()> {
        let folder = self.path().join(platform::CONFIGURATION);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("config.toml"), text)?)
    }

    /// The command in this home, with an otherwise empty environment.
    #[must_use]
    pub fn in_here(&self, mut command: Command) -> Command {
        platform::set_home(command.env_clear().stdin(Stdio::null()), self.path());
        // What is said of services is the same on every machine.
        command.env("MCP_REFRESHD_TEST_SERVICES", "systemd");
        command
    }

    /// The program with these arguments, in this home.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        self.in_here(command)
    }

    /// `status --json`.
    ///
    /// # Errors
    /// The program cannot be started, or its output is not JSON.
    pub fn status(&self) -> Fallible<Value> {
        Ok(serde_json::from_slice(&self.command(&["status", "--json"]).output()?.stdout)?)
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn daemon(&self) -> Fallible<Daemon> {
        self.start(self.command(&["run"]))
    }

    /// Starts a command that becomes the agent, in this home and with an otherwise empty environment.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn daemon_by(&self, command: Command) -> Fallible<Daemon> {
        self.start(self.in_here(command))
    }

    /// Starts a command that becomes the agent, in the command's own environment.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, command: Command) -> Fallible<Daemon> {
        Daemon::start(command, File::options().append(true).read(true).create(true).open(self.log_file())?)
    }

    /// Starts the agent under strace, which records these system calls.
    ///
    /// # Errors
    /// strace cannot be started, or has no permission to trace.
    pub fn traced(&self, calls: &str, options: &[&str]) -> Fallible<Daemon> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ttt", "-T", "-y", "-q", "-s", "24", "-e", "signal=none"]);
        strace.arg("-e").arg(format!("trace={calls}")).arg("-o").arg(self.trace());
        strace.args(options).arg(&self.program).arg("run");
        let mut daemon = self.daemon_by(strace)?;
        let mut found = None;
        daemon.wait(Duration::from_secs(10), || {
            found = strace::read(&self.trace()).first().map(|call| call.thread);
            found.is_some()
        });
        Ok(daemon.known_as(found.ok_or("strace shows nothing; does it have permission to trace?")?))
    }
}
