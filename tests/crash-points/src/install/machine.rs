//! A home folder, a service manager that is played, and the real program as a person calls it.

use super::story::Story;
use crate::Fallible;
use crate::disk::{Disk, Kind};
use crate::trace::{SHOWN, Step, Trace};
use harness::Home;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use user_agent_service::authorship;

/// The manager.
const SYSTEMCTL: &str = include_str!("systemctl");
/// Everything in a folder: its mode, and the text of a file or the target of a link.
pub(super) type Picture = BTreeMap<String, (u32, Vec<u8>)>;

/// Removed from bottom to top: the home before the disk that it lies on.
pub(super) struct Machine {
    home: Home,
    /// What the manager has in its memory, and where it lies; not on the disk.
    manager: TempDir,
    disk: Option<Disk>,
}

impl Machine {
    /// A machine as it is before the story's command.
    pub(super) fn new(program: &Path, story: Story, disk: Option<Kind>) -> Fallible<Self> {
        let disk = disk.map(Disk::new).transpose()?;
        let home = match &disk {
            Some(disk) => Home::new_in(disk.path(), program)?,
            None => Home::new(program)?,
        };
        home.store(story.document())?;
        let machine = Self { home, manager: tempfile::tempdir()?, disk };
        fs::write(machine.in_manager("play"), SYSTEMCTL)?;
        fs::set_permissions(machine.in_manager("play"), fs::Permissions::from_mode(0o755))?;
        for name in ["systemctl", "systemd-run"] {
            symlink("play", machine.in_manager(name))?;
        }
        fs::write(machine.in_manager("home"), machine.home.path().as_os_str().as_encoded_bytes())?;
        machine.set_version("252")?;
        story.prepare(&machine)?;
        if let Some(disk) = &machine.disk {
            disk.sync()?;
        }
        Ok(machine)
    }

    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn set_version(&self, version: &str) -> Fallible<()> {
        Ok(fs::write(self.in_manager("version"), version)?)
    }

    fn in_manager(&self, name: &str) -> PathBuf {
        self.manager.path().join(name)
    }

    /// Whether the manager fails in the middle.
    pub(super) fn obstacle(&self, there: bool) -> Fallible<()> {
        match there {
            true => Ok(fs::write(self.in_manager("no-enable"), "")?),
            false => Ok(fs::remove_file(self.in_manager("no-enable"))?),
        }
    }

    pub(super) fn unit(&self) -> PathBuf {
        self.home.path().join(".config/systemd/user/mcp-refreshd.service")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.home.path().join(".local/state/mcp-refreshd")
    }

    /// Carries out a command to its end.
    pub(super) fn command(&self, arguments: &[&str], path: &str) -> Fallible<Output> {
        self.to_its_end(Command::new(self.home.program()), arguments, path)
    }

    /// The same under strace, to its end or to its death right before `death`.
    pub(super) fn traced(&self, arguments: &[&str], death: Option<&Step>) -> Fallible<Output> {
        let mut command = Command::new("strace");
        // The main thread alone: the tools that it starts are none of its steps.
        command.args(["-ttt", "-y", "-q", "-s", "24", "-e", "signal=none", "-e"]);
        command.arg(format!("trace={SHOWN}")).arg("-o").arg(self.in_manager("trace"));
        if let Some(step) = death {
            command.arg("-e").arg(format!("inject={}:signal=KILL:when={}", step.call, step.nth));
        }
        command.arg(self.home.program());
        self.to_its_end(command, arguments, "")
    }

    fn to_its_end(&self, mut command: Command, arguments: &[&str], path: &str) -> Fallible<Output> {
        command.args(arguments);
        if arguments.first() == Some(&"install") {
            command.arg("--allow-root");
        }
        let mut command = self.home.in_here(command);
        let tools = self.manager.path().display();
        command.env("PATH", format!("{tools}:{path}/usr/sbin:/usr/bin:/sbin:/bin")).env("DISPLAY", ":0");
        command.env("HTTPS_PROXY", "http://127.0.0.1:9");
        let output = command.output()?;
        self.wait_for_tools()?;
        Ok(output)
    }

    /// What a command started goes on when the command is dead.
    fn wait_for_tools(&self) -> Fallible<()> {
        let is_tool = |process: &fs::DirEntry| {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&*self.manager.path().to_string_lossy())
        };
        let end = Instant::now() + Duration::from_secs(20);
        while fs::read_dir("/proc")?.flatten().any(|process| is_tool(&process)) {
            if Instant::now() > end {
                return Err("a tool that was started does not end".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn trace(&self) -> Trace {
        Trace::read(&self.in_manager("trace"))
    }

    /// The power goes and comes back, and the user logs in: a service that is enabled is started.
    pub(super) fn cut_power(&self) -> Fallible<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        disk.cut_power()?;
        let play =
            |verb: &str| Command::new(self.in_manager("systemctl")).args(["--user", verb, ""]).output();
        play("stop")?;
        play("daemon-reload")?;
        if self.unit().with_file_name("default.target.wants/mcp-refreshd.service").symlink_metadata().is_ok()
        {
            // A unit that is not there does not start.
            play("start")?;
        }
        Ok(())
    }

    /// Everything in the home folder, but what differs from run to run: its own path, a process id, times.
    pub(super) fn picture(&self) -> Fallible<Picture> {
        let mut picture = picture_of(self.home.path())?;
        // A lock of the dead goes with whoever wants it next.
        picture.retain(|name, _| !(name.starts_with(".claude/") && name.ends_with(".lock")));
        let home = self.home.path().to_string_lossy();
        for (name, (_, content)) in &mut picture {
            match name.strip_prefix(".local/state/mcp-refreshd/") {
                Some("lock" | "records.jsonl" | "history.jsonl") => content.clear(),
                // It has nothing open either.
                Some("journal") if content.is_empty() => {
                    *content = b"{\"journal\":{\"version\":1}}\n".to_vec()
                }
                _ => *content = comparable(&String::from_utf8_lossy(content), &home).into_bytes(),
            }
        }
        Ok(picture)
    }

    /// Where the manager's memory is not what lies on the disk.
    pub(super) fn manager_is_behind(&self) -> Fallible<Vec<String>> {
        let mut wrong = Vec::new();
        let folder = self.unit().with_file_name("");
        let mut there = picture_of(&folder)?;
        there.retain(|path, _| path.starts_with("mcp-refreshd.service"));
        let loaded = picture_of(&self.in_manager("loaded"))?;
        if there != loaded {
            wrong.push(format!(
                "the manager was not told of the last change: {}",
                difference(&loaded, &there)
            ));
        }
        if self.runs() {
            let config = self.home.path().join(".config/mcp-refreshd/config.toml");
            if let Ok(content) = fs::read(config) {
                there.insert("config.toml".to_owned(), (0o600, content));
            }
            let running = picture_of(&self.in_manager("running"))?;
            if there != running {
                let difference = difference(&running, &there);
                wrong.push(format!("the service runs by what was before: {difference}"));
            }
        }
        Ok(wrong)
    }

    /// Whether the service runs.
    pub(super) fn runs(&self) -> bool {
        self.in_manager("running").exists()
    }
}

/// A text without the path of the home, and with what a checksum says instead of the checksum.
fn comparable(text: &str, home: &str) -> String {
    let line = |line: &str| match line.split_once("sha256 of the other lines: ") {
        Some((before, _)) => format!("{before}{:?}\n", authorship(text)),
        None => line.replace(home, "@HOME@"),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// What two pictures do not have in common.
pub(super) fn difference(was: &Picture, is: &Picture) -> String {
    let names: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let differ = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    let say = |name: &String| match (was.get(name), is.get(name)) {
        (Some(_), None) => format!("no {name}"),
        (None, _) => format!("{name} in addition"),
        (Some(was), Some(is)) => format!(
            "{name} otherwise: {:?} instead of {:?}",
            String::from_utf8_lossy(&is.1),
            String::from_utf8_lossy(&was.1)
        ),
    };
    differ.map(say).collect::<Vec<_>>().join(", ")
}

fn picture_of(folder: &Path) -> Fallible<Picture> {
    let mut picture = Picture::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry?.path();
            let about = path.symlink_metadata()?;
            let content = if about.is_dir() {
                left.push(path.clone());
                Vec::new()
            } else if about.is_symlink() {
                fs::read_link(&path)?.into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path)?
            };
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            picture.insert(name, (about.permissions().mode() & 0o777, content));
        }
    }
    Ok(picture)
}
