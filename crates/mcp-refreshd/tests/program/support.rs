//! A home folder of its own for each test, and the real program in it.

#[cfg(unix)]
pub(crate) mod configured;
#[cfg(unix)]
pub(crate) mod cost;
#[cfg(unix)]
pub(crate) mod findings;
#[cfg(unix)]
pub(crate) mod many;
#[cfg(unix)]
pub(crate) mod needles;
#[cfg(unix)]
pub(crate) mod peer;
#[cfg(unix)]
pub(crate) mod schema;
#[cfg(unix)]
pub(crate) mod six;
#[cfg(unix)]
pub(crate) mod stage;
#[cfg(unix)]
pub(crate) mod telltales;
#[cfg(unix)]
pub(crate) mod terminal;

#[cfg(unix)]
use rustix::process::Signal;
use scripted_server::{Grant, credentials_json};
use std::ops::Deref;
#[cfg(unix)]
use std::process::ExitStatus;
use std::process::{Command, Output};
use std::time::Duration;

/// Far longer than anything here takes: reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A home folder: [`harness::Home`], where what cannot be done fails the test.
pub(crate) struct Home(harness::Home);

impl Deref for Home {
    type Target = harness::Home;

    fn deref(&self) -> &harness::Home {
        &self.0
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        // Another build of the program, where one is named: the footprint of a release build, say.
        let program = std::env::var_os("MCP_REFRESHD");
        Self(
            harness::Home::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-refreshd").into())).unwrap(),
        )
    }

    /// A home folder whose store holds these grants.
    pub(crate) fn with<'a>(grants: impl IntoIterator<Item = (&'a str, &'a Grant)>) -> Self {
        let home = Self::new();
        home.store(&credentials_json(grants));
        home
    }

    /// Replaces the store as the client does.
    pub(crate) fn store(&self, text: &str) {
        self.0.store(text).unwrap();
    }

    pub(crate) fn stored(&self) -> String {
        self.0.stored().unwrap()
    }

    pub(crate) fn configure(&self, text: &str) {
        self.0.configure(text).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs to the end, and gives exit code, standard output, and standard error.
    pub(crate) fn told(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// `status --json`.
    pub(crate) fn status(&self) -> serde_json::Value {
        self.0.status().unwrap()
    }

    /// Starts the agent and waits until it has started.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut daemon = Daemon::start(self.command(&["run"]));
        daemon.wait_for("started (process");
        daemon
    }
}

/// A running agent, killed at the test's end at the latest: [`harness::Daemon`], where what does not come fails the test.
pub(crate) struct Daemon(harness::Daemon);

impl Daemon {
    pub(crate) fn start(command: Command) -> Self {
        // Appended to: on Windows the agent and who reads its log share a position in it.
        let log = tempfile::Builder::new().append(true).tempfile().unwrap().into_file();
        Self(harness::Daemon::start(command, log).unwrap())
    }

    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Waits for a line of the log that has this text in it, and gives it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.0.wait_for(text, PATIENCE).unwrap()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// Waits for its end; gives its exit status and its whole log.
    #[cfg(unix)]
    pub(crate) fn end(self) -> (ExitStatus, String) {
        self.0.end(PATIENCE).unwrap()
    }

    /// Stops it: by SIGTERM, or where there are no signals as the Task Manager does.
    pub(crate) fn stop(&mut self) {
        #[cfg(unix)]
        self.signal(Signal::TERM);
        #[cfg(windows)]
        self.0.kill();
        assert!(harness::until(PATIENCE, || self.0.has_ended()));
    }

    #[cfg(unix)]
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.0.terminate(PATIENCE).unwrap()
    }
}
