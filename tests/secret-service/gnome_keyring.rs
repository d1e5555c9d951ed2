//! A real `gnome-keyring-daemon` for tests, on the session bus that `run.sh` makes.

// Each test file is a program of its own and uses only some of this.
#![allow(dead_code, unreachable_pub)]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The names of the item that tests use.
pub const SERVICE: &str = "Claude Code-credentials";
pub const ACCOUNT: &str = "tester";

/// The collection that the item lies in, as `dbus-send` wants it.
pub const LOGIN: &str = "array:objpath:/org/freedesktop/secrets/collection/login";

/// There is one bus, and on it one keyring at a time.
static BUS: Mutex<()> = Mutex::new(());

/// A keyring daemon with its files, of its own for each test.
pub struct GnomeKeyring {
    process: Child,
    files: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl GnomeKeyring {
    /// A daemon whose keyring is open and empty.
    pub fn start() -> Self {
        let turn = BUS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder =
            std::env::var_os("SECRET_SERVICE_TEST").expect("run tests/secret-service/run.sh instead");
        let files = PathBuf::from(folder);
        let _ = fs::remove_dir_all(&files);
        fs::create_dir_all(&files).unwrap();
        let mut daemon = Self { process: spawn(&files, true), files, _turn: turn };
        daemon.wait_until_it_answers();
        daemon
    }

    /// Kills it without warning and starts another on the same files.
    pub fn restart(&mut self, unlock: bool) {
        self.kill();
        self.process = spawn(&self.files, unlock);
        self.wait_until_it_answers();
    }

    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Kills it a while from now, whatever it does then.
    pub fn kill_in(&self, pause: Duration) -> JoinHandle<()> {
        let pid = Pid::from_child(&self.process);
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            kill_process(pid, Signal::KILL).unwrap();
        })
    }

    fn wait_until_it_answers(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while !call(&["org.freedesktop.Secret.Service.ReadAlias", "string:default"]).contains("collection") {
            assert!(Instant::now() < until, "gnome-keyring-daemon does not come up");
            assert!(self.process.try_wait().unwrap().is_none(), "gnome-keyring-daemon ended");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn lock(&self) {
        call(&["org.freedesktop.Secret.Service.Lock", LOGIN]);
    }
}

impl Drop for GnomeKeyring {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(files: &Path, unlock: bool) -> Child {
    let mut command = Command::new("gnome-keyring-daemon");
    command.args(["--foreground", "--components=secrets"]).env("XDG_DATA_HOME", files);
    if unlock {
        command.arg("--unlock");
    }
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut password = process.stdin.take().unwrap();
    password.write_all(b"a made-up password").unwrap();
    process
}

/// One call to the service, and what it answered.
pub fn call(arguments: &[&str]) -> String {
    let mut command = Command::new("dbus-send");
    command.args(["--session", "--print-reply", "--reply-timeout=5000", "--dest=org.freedesktop.secrets"]);
    let output = command.arg("/org/freedesktop/secrets").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts an item there, as a person would.
pub fn put(attributes: &[&str], secret: &str) {
    let mut command = Command::new("secret-tool");
    command.args(["store", "--label=the client's logins"]).args(attributes);
    let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    assert!(process.wait().unwrap().success());
}

pub fn put_document(document: &str) {
    put(&["service", SERVICE, "account", ACCOUNT], document);
}

/// The document that is there.
pub fn document() -> String {
    let output =
        Command::new("secret-tool").args(["lookup", "service", SERVICE, "account", ACCOUNT]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Everything that the keyring holds of the client's, as `secret-tool` shows it.
pub fn items() -> String {
    let output = Command::new("secret-tool").args(["search", "--all", "service", SERVICE]).output().unwrap();
    // Attributes are on standard error.
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
