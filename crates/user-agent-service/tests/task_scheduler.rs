//! The scheduled task, with scripts in the place of Windows' tools.
#![cfg(unix)] // Scripts play the tools, which only Unix can run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tempfile::TempDir;
use user_agent_service::{
    Origin, Patience, Plan, RunningAgent, ServiceError, ServiceManager, Step, Surroundings, TaskScheduler,
};

const TASK: &str = "mcp-refreshd-S-1-5-21-1-2-3-1001";

struct Windows {
    place: TempDir,
}

/// The agent, as its named pipe shows it: it runs while there is a file with its process id.
struct Agent(PathBuf);

impl RunningAgent for Agent {
    fn process(&self) -> Result<Option<u32>, String> {
        Ok(fs::read_to_string(self.0.join("process")).ok().and_then(|text| text.trim().parse().ok()))
    }

    fn ask_to_stop(&self) -> Result<(), String> {
        if self.0.join("hangs").exists() {
            return Err("the agent does not answer".to_owned());
        }
        fs::write(self.0.join("asked"), "").unwrap();
        fs::remove_file(self.0.join("process")).map_err(|error| error.to_string())
    }
}

impl Windows {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let windows = Self { place };
        for folder in ["home", "state", "bin dir"] {
            fs::create_dir(windows.at(folder)).unwrap();
        }
        let schtasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schtasks.sh");
        windows.tool("schtasks.exe", &fs::read_to_string(schtasks).unwrap());
        windows.tool("whoami.exe", "#!/bin/sh\nprintf '\"pc\\\\j\\204rg\",\"S-1-5-21-1-2-3-1001\"\\r\\n'\n");
        windows.tool("taskkill.exe", "#!/bin/sh\ncd \"${0%/*}\"; echo \"kill $*\" >> calls; rm -f process\n");
        windows.set("bin dir/mcp-refreshdw.exe", "");
        windows
    }

    fn installed() -> Self {
        let windows = Self::new();
        windows.manager().install(&windows.plan()).unwrap();
        windows.calls();
        windows
    }

    fn running() -> Self {
        let windows = Self::installed();
        windows.manager().start().unwrap();
        windows.calls();
        windows
    }

    fn tool(&self, name: &str, script: &str) {
        self.set(name, script);
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn manager(&self) -> TaskScheduler {
        let patience = Patience {
            gone: Duration::from_millis(300),
            up: Duration::from_millis(300),
            look: Duration::from_millis(10),
        };
        let surroundings = Surroundings {
            home: self.at("home"),
            uid: 0,
            state: self.at("state"),
            agent: Rc::new(Agent(self.place.path().to_owned())),
            env: &|_| None,
        };
        TaskScheduler::new(&surroundings).with_tools(self.place.path(), patience)
    }

    fn plan(&self) -> Plan {
        Plan {
            program: self.at("bin dir/mcp-refreshd.exe"),
            version: "1".into(),
            writable: vec![],
            variables: vec![],
        }
    }

    fn file(&self) -> PathBuf {
        self.at("state/task.xml")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn set(&self, name: &str, content: &str) {
        fs::write(self.at(name), content).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.at(name).exists()
    }

    fn has_task(&self) -> bool {
        self.has(&format!("task-{TASK}"))
    }

    /// What the tools were asked since the last time.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn an_installed_agent_is_started_stopped_and_taken_away_again() {
    let windows = Windows::new();
    let manager = windows.manager();
    assert_eq!(manager.standing(&windows.plan()).origin, None);
    assert!(matches!(manager.start(), Err(ServiceError::NotInstalled)));
    let installed = manager.install(&windows.plan()).unwrap();
    assert_eq!(installed.steps[0], Step::Wrote(windows.file()));
    assert!(!installed.needs_restart && installed.remarks.is_empty(), "{installed:?}");
    assert_eq!(windows.calls(), [format!("/Create /TN {TASK} /XML {} /F", windows.file().display())]);
    let standing = manager.standing(&windows.plan());
    assert_eq!((standing.origin, standing.program), (Some(Origin::Us), Some(windows.plan().program)));
    assert!(standing.enabled && standing.outdated.is_empty() && standing.edited.is_empty());
    assert!(!manager.runs().unwrap());
    manager.start().unwrap();
    assert_eq!(windows.calls(), [format!("/Query /TN {TASK}"), format!("/Run /TN {TASK}")]);
    manager.start().unwrap();
    assert!(windows.calls().is_empty(), "it runs already");
    manager.stop().unwrap();
    assert!(windows.has("asked") && windows.calls().is_empty(), "it ends by itself, nothing is killed");
    manager.stop().unwrap();
    manager.restart().unwrap();
    assert!(manager.runs().unwrap());
    let steps = manager.uninstall().unwrap();
    assert_eq!(steps, [Step::Told(format!("deleted the task {TASK}")), Step::Removed(windows.file())]);
    assert!(!windows.has_task() && !windows.file().exists() && !windows.has("process"));
    assert!(manager.uninstall().unwrap().is_empty());
}

#[test]
fn a_dry_run_changes_nothing() {
    let windows = Windows::new();
    let steps = windows.manager().preview(&windows.plan()).unwrap().steps;
    assert_eq!(steps, [Step::Wrote(windows.file())]);
    assert!(windows.calls().is_empty() && !windows.file().exists());
    let windows = Windows::installed();
    assert_eq!(windows.manager().preview_uninstall().unwrap(), [Step::Removed(windows.file())]);
    assert!(windows.has_task() && windows.file().exists());
}

#[test]
fn a_task_that_is_refused_leaves_nothing_behind() {
    let windows = Windows::new();
    windows.set("denied", "");
    let refused = windows.manager().install(&windows.plan()).unwrap_err().to_string();
    assert!(refused.contains("/Create") && refused.contains("Zugriff verweigert"), "{refused}");
    assert!(!windows.file().exists());
}

#[test]
fn another_program_or_user_makes_another_task_and_an_edited_one_stays() {
    let windows = Windows::running();
    let mut plan = windows.plan();
    plan.program = windows.at("home/mcp-refreshd.exe");
    let refused = windows.manager().install(&plan).unwrap_err().to_string();
    assert!(refused.contains("home/mcp-refreshdw.exe is missing"), "{refused}");
    windows.set("home/mcp-refreshdw.exe", "");
    assert_eq!(windows.manager().standing(&plan).outdated, [windows.file()]);
    let installed = windows.manager().install(&plan).unwrap();
    assert!(matches!(installed.steps[0], Step::Changed(..)) && installed.needs_restart, "{installed:?}");

    let edited = fs::read_to_string(windows.file()).unwrap().replace("<Priority>5", "<Priority>7");
    fs::write(windows.file(), &edited).unwrap();
    assert_eq!(windows.manager().standing(&plan).edited, [windows.file()]);
    let installed = windows.manager().install(&plan).unwrap();
    assert!(matches!(installed.steps[0], Step::Kept(..)) && !installed.needs_restart);
    let registered = fs::read_to_string(windows.at(&format!("task-{TASK}"))).unwrap();
    assert_eq!(registered, edited, "what is kept is what runs");
    let steps = windows.manager().uninstall().unwrap();
    assert!(matches!(&steps[1], Step::SetAside(_, aside) if aside.ends_with("task.xml.edited")), "{steps:?}");
}

#[test]
fn a_start_that_comes_too_early_is_repeated() {
    let windows = Windows::installed();
    windows.set("deaf", "");
    windows.manager().start().unwrap();
    assert_eq!(windows.calls().iter().filter(|call| call.starts_with("/Run")).count(), 2);
}

#[test]
fn an_agent_that_does_not_start_is_reported_with_the_end_of_its_log() {
    let windows = Windows::installed();
    windows.set("dead", "");
    let failed = windows.manager().start().unwrap_err().to_string();
    assert!(failed.contains("did not start") && failed.contains("mcp-refreshd logs"), "{failed}");
    windows.set("state/mcp-refreshd.log", "one\ntwo\nERROR the configuration\n");
    let failed = windows.manager().start().unwrap_err().to_string();
    assert!(failed.ends_with("its log ends with:\none\ntwo\nERROR the configuration"), "{failed}");
}

#[test]
fn a_task_that_was_deleted_by_hand_is_reported_and_made_again() {
    let windows = Windows::installed();
    fs::remove_file(windows.at(&format!("task-{TASK}"))).unwrap();
    let failed = windows.manager().start().unwrap_err().to_string();
    assert!(failed.contains("no task") && failed.ends_with("mcp-refreshd install"), "{failed}");
    let installed = windows.manager().install(&windows.plan()).unwrap();
    assert!(matches!(installed.steps[0], Step::Unchanged(_)) && windows.has_task());
    fs::remove_file(windows.at(&format!("task-{TASK}"))).unwrap();
    assert_eq!(windows.manager().uninstall().unwrap(), [Step::Removed(windows.file())]);
}

#[test]
fn an_agent_that_hangs_is_killed_after_its_supervisor() {
    let windows = Windows::running();
    windows.set("hangs", "");
    windows.manager().stop().unwrap();
    assert_eq!(windows.calls(), [format!("/End /TN {TASK}"), "kill /F /PID 4711".to_owned()]);
    assert!(!windows.manager().runs().unwrap());
}

#[test]
fn without_the_tools_there_is_no_task_scheduler() {
    let windows = Windows::new();
    fs::remove_file(windows.at("whoami.exe")).unwrap();
    fs::remove_file(windows.at("schtasks.exe")).unwrap();
    let failed = windows.manager().install(&windows.plan()).unwrap_err();
    assert!(matches!(failed, ServiceError::NoManager(_)), "{failed}");
    assert!(
        failed.to_string().starts_with("the Task Scheduler does not run on this machine")
            && !windows.file().exists(),
        "{failed}"
    );
}

#[test]
fn a_definition_without_a_user_is_not_guessed_at() {
    let windows = Windows::installed();
    fs::write(windows.file(), "<Task/>").unwrap();
    let refused = windows.manager().stop();
    assert!(refused.is_ok(), "nothing runs");
    let refused = windows.manager().uninstall().unwrap_err().to_string();
    assert!(refused.contains("names no user") && refused.ends_with("mcp-refreshd install"), "{refused}");
}
