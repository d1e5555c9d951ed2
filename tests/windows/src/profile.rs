use crate::Fallible;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the agent keeps its records and its configuration.
const AGENTS_FOLDERS: [&str; 2] = ["AppData/Local/mcp-refreshd", "AppData/Roaming/mcp-refreshd"];

/// Programs, and where Wine keeps its drives.
pub(crate) struct Machine {
    pub(crate) wine: PathBuf,
    pub(crate) prefix: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) client: PathBuf,
}

/// The one user of a machine, with a profile in which nothing has been run yet.
pub(crate) struct Profile<'a> {
    machine: &'a Machine,
    folder: PathBuf,
    /// What the environment says besides.
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) storage: PathBuf,
}

impl<'a> Profile<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Fallible<Self> {
        let users = fs::read_dir(machine.prefix.join("drive_c/users"))?.flatten().map(|entry| entry.path());
        let folder = users.into_iter().find(|path| !path.ends_with("Public")).ok_or("Wine has no user")?;
        for path in [".claude", ".claude.json"].iter().chain(&AGENTS_FOLDERS) {
            let path = folder.join(path);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        let storage = folder.join(".claude");
        fs::create_dir(&storage)?;
        Ok(Self { machine, folder, variables: Vec::new(), storage })
    }

    /// With this storage folder, named by `CLAUDE_CONFIG_DIR` as Windows calls it.
    pub(crate) fn with_storage(machine: &'a Machine, storage: &Path, called: String) -> Fallible<Self> {
        let mut profile = Self::new(machine)?;
        fs::create_dir_all(storage)?;
        profile.variables.push(("CLAUDE_CONFIG_DIR", called));
        storage.clone_into(&mut profile.storage);
        Ok(profile)
    }

    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(&self.machine.wine);
        command.arg(program).args(words).env_clear().stdin(Stdio::null());
        command.env("WINEPREFIX", &self.machine.prefix).env("WINEDEBUG", "-all").env("PATH", "/usr/bin:/bin");
        command.env("HOME", &self.machine.prefix).env("LC_ALL", "C.UTF-8");
        for name in ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER"] {
            command.env(name, "1");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The agent's program, run to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Fallible<Output> {
        output_of(&mut self.command(&self.machine.agent, words))
    }

    /// Its exit code, and what it printed.
    pub(crate) fn said(&self, words: &[&str]) -> Fallible<(Option<i32>, String)> {
        let output = self.run(words)?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    }

    pub(crate) fn agent(&self) -> Fallible<Agent> {
        let path = self.folder.join("agent.log");
        let log = File::create(&path)?;
        let mut command = self.command(&self.machine.agent, &["run"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        let agent = Agent { child, path };
        agent.wait_for("started (process")?;
        Ok(agent)
    }

    /// The client as it starts a session and looks whether the server can be reached.
    pub(crate) fn client(&self, words: &[&str]) -> Fallible<Child> {
        let mut command = self.command(&self.machine.client, words);
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    /// A program that comes with Windows, run to its end.
    pub(crate) fn of_windows(&self, words: &[&str]) -> Fallible<Output> {
        let mut command = Command::new(&self.machine.wine);
        command.args(words).env_clear().env("WINEPREFIX", &self.machine.prefix);
        command.env("WINEDEBUG", "-all").env("HOME", &self.machine.prefix).stdin(Stdio::null());
        output_of(&mut command)
    }

    /// Another program that holds the document open and shares it with nobody.
    pub(crate) fn hold(&self, seconds: u32) -> Fallible<Child> {
        let program = self.machine.agent.with_file_name("hold.exe");
        let (path, seconds) = (windows_path(&self.document_path()), seconds.to_string());
        let mut child = self.command(&program, &[&path, &seconds]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.as_mut() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)?;
        }
        if line.trim() == "held" { Ok(child) } else { Err(format!("hold.exe: {line}").into()) }
    }

    /// What the agent has noted of requests that have not ended; empty if it has noted nothing.
    pub(crate) fn journal(&self) -> String {
        fs::read_to_string(self.folder.join("AppData/Local/mcp-refreshd/journal")).unwrap_or_default()
    }

    /// The agent's folders that are there.
    pub(crate) fn left(&self) -> Vec<PathBuf> {
        AGENTS_FOLDERS.iter().map(|path| self.folder.join(path)).filter(|path| path.exists()).collect()
    }

    pub(crate) fn document_path(&self) -> PathBuf {
        self.storage.join(".credentials.json")
    }

    pub(crate) fn document(&self) -> Fallible<String> {
        Ok(fs::read_to_string(self.document_path())?)
    }

    pub(crate) fn put_document(&self, text: &str) -> Fallible<()> {
        let beside = self.storage.join("beside");
        fs::write(&beside, text)?;
        Ok(fs::rename(beside, self.document_path())?)
    }

    /// A member of the one entry.
    pub(crate) fn stored(&self, member: &str) -> Fallible<String> {
        let document: Value = serde_json::from_str(&self.document()?)?;
        let entries = document.get("mcpOAuth").and_then(Value::as_object).ok_or("no mcpOAuth")?;
        let entry = entries.values().next().ok_or("no entry")?;
        Ok(entry
            .get(member)
            .map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
            .unwrap_or_default())
    }
}

/// A running agent, killed when it is dropped.
pub(crate) struct Agent {
    child: Child,
    path: PathBuf,
}

impl Agent {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    pub(crate) fn wait_for(&self, text: &str) -> Fallible<()> {
        match until(PATIENCE, || self.log().contains(text)) {
            true => Ok(()),
            false => Err(format!("the agent never said \"{text}\"; it said:\n{}", self.log()).into()),
        }
    }

    /// As the Task Manager ends a process.
    pub(crate) fn kill(&mut self) -> Fallible<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Looks again and again until the condition holds or patience ends; says whether it held.
pub(crate) fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A path of this machine as Wine's programs see it.
pub(crate) fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// Like [`Command::output`], which waits until nobody holds the pipe any more: under Wine, whatever the program starts inherits it.
fn output_of(command: &mut Command) -> Fallible<Output> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let status = command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).status()?;
    let read = |file: &mut File| -> Fallible<Vec<u8>> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(Output { status, stdout: read(&mut stdout)?, stderr: read(&mut stderr)? })
}
