//! The LaunchAgent, with a script in launchctl's place that answers as the real one does.
#![cfg(unix)] // A script plays launchctl, which only Unix can run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use user_agent_service::{Launchd, Patience, Plan, ServiceError, ServiceManager, Step, Tool};

const SERVICE: &str = "gui/501/dev.mcp-refreshd";

struct Mac {
    place: TempDir,
}

impl Mac {
    /// A Mac with user 501 logged in.
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/launchctl.sh");
        fs::copy(script, place.path().join("launchctl")).unwrap();
        fs::create_dir(place.path().join("home")).unwrap();
        let mac = Self { place };
        mac.set("domain", "");
        mac
    }

    fn installed() -> Self {
        let mac = Self::new();
        mac.agent().install(&mac.plan()).unwrap();
        mac
    }

    fn running() -> Self {
        let mac = Self::installed();
        mac.agent().start().unwrap();
        mac
    }

    fn agent(&self) -> Launchd {
        // A script takes a few hundredths of a second for an answer.
        let patience = Patience {
            gone: Duration::from_millis(1500),
            up: Duration::from_millis(600),
            look: Duration::from_millis(10),
        };
        let launchctl = Tool::new(self.place.path().join("launchctl"), Duration::from_secs(20));
        Launchd::new(self.home(), 501).with_launchctl(launchctl, patience)
    }

    fn plan(&self) -> Plan {
        Plan {
            program: "/opt/bin/mcp-refreshd".into(),
            version: "1".into(),
            writable: vec![],
            variables: vec![],
        }
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    fn file(&self) -> PathBuf {
        self.home().join("Library/LaunchAgents/dev.mcp-refreshd.plist")
    }

    fn set(&self, name: &str, content: &str) {
        fs::write(self.place.path().join(name), content).unwrap();
    }

    fn clear(&self, name: &str) {
        fs::remove_file(self.place.path().join(name)).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.place.path().join(name).exists()
    }

    /// What launchctl was asked since the last time.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.place.path().join("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.place.path().join("calls"));
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn an_installed_agent_is_started_stopped_and_taken_away_again() {
    let mac = Mac::new();
    let agent = mac.agent();
    assert_eq!(agent.standing(&mac.plan()).origin, None);
    assert!(matches!(agent.start(), Err(ServiceError::NotInstalled)));
    let installed = agent.install(&mac.plan()).unwrap();
    assert_eq!(installed.steps[0], Step::Wrote(mac.file()));
    assert!(!installed.needs_restart && installed.remarks.is_empty(), "{installed:?}");
    assert_eq!(mac.calls().iter().filter(|call| call.starts_with("bootstrap")).count(), 0);
    assert!(!agent.runs().unwrap());
    agent.start().unwrap();
    assert!(agent.runs().unwrap());
    assert_eq!(mac.calls()[2], format!("bootstrap gui/501 {}", mac.file().display()));
    agent.start().unwrap();
    assert_eq!(mac.calls(), [format!("print {SERVICE}")]);
    agent.stop().unwrap();
    assert!(!agent.runs().unwrap());
    agent.stop().unwrap();
    agent.start().unwrap();
    assert_eq!(agent.uninstall().unwrap(), [Step::Removed(mac.file())]);
    assert!(!mac.has("loaded") && !mac.file().exists());
    assert_eq!(agent.uninstall().unwrap(), []);
}

#[test]
fn a_second_install_changes_nothing_and_a_new_program_asks_for_a_restart() {
    let mac = Mac::running();
    let agent = mac.agent();
    let again = agent.install(&mac.plan()).unwrap();
    assert_eq!((&again.steps[0], again.needs_restart), (&Step::Unchanged(mac.file()), false));
    let moved = Plan { program: "/Users/Zoë/my bin/mcp-refreshd".into(), ..mac.plan() };
    assert_eq!(agent.standing(&moved).outdated, [mac.file()]);
    assert!(agent.install(&moved).unwrap().needs_restart);
    let standing = agent.standing(&moved);
    assert_eq!((standing.program, standing.outdated.len()), (Some(moved.program), 0));
    mac.calls();
    agent.restart().unwrap();
    let verbs: Vec<_> = mac.calls().iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(verbs, ["bootout", "print", "print", "bootstrap", "print"]);
    assert!(fs::read_to_string(mac.place.path().join("loaded")).unwrap().contains("Zoë/my bin"));
}

#[test]
fn a_restart_waits_until_the_old_process_has_ended() {
    let mac = Mac::running();
    mac.set("leaving", "3");
    mac.calls();
    mac.agent().restart().unwrap();
    let calls = mac.calls();
    let bootstrap = calls.iter().position(|call| call.starts_with("bootstrap")).unwrap();
    let looks = calls[..bootstrap].iter().filter(|call| call.starts_with("print ")).count();
    assert!(looks >= 4, "{calls:?}");
    assert!(mac.agent().runs().unwrap());
}

#[test]
fn a_process_that_does_not_stop_is_reported_and_its_file_stays() {
    let mac = Mac::running();
    mac.set("leaving", "1000000");
    let error = mac.agent().uninstall().unwrap_err().to_string();
    assert!(error.contains("did not end within") && error.contains("launchctl print gui/501"), "{error}");
    assert!(mac.file().exists());
}

#[test]
fn one_that_is_leaving_is_started_when_it_has_gone() {
    let mac = Mac::running();
    mac.set("leaving", "2");
    mac.set("state", "SIGTERMed\n");
    mac.agent().start().unwrap();
    let bootstraps = mac.calls().iter().filter(|call| call.starts_with("bootstrap")).count();
    assert!(bootstraps >= 2, "it was given to launchd {bootstraps} times");
    assert!(mac.agent().runs().unwrap());
}

#[test]
fn already_loaded_is_not_an_error_in_any_version() {
    for words in [
        "5\nBootstrap failed: 5: Input/output error\n",
        "37\nBootstrap failed: 37: Operation already in progress\n",
        "17\nservice already loaded\n",
    ] {
        let mac = Mac::installed();
        // Somebody else is quicker: between our look and our call it is there.
        mac.set("answer-print", "113\nCould not find service\n");
        mac.set("loaded", "");
        mac.set("state", "running\n");
        mac.set("answer-bootstrap", words);
        mac.agent().start().unwrap_or_else(|error| panic!("{words}: {error}"));
    }
}

#[test]
fn a_loaded_agent_that_does_not_run_is_kicked_and_not_killed() {
    let mac = Mac::running();
    mac.set("state", "not running\n");
    mac.calls();
    mac.agent().start().unwrap();
    assert_eq!(mac.calls()[1], format!("kickstart {SERVICE}"));
}

#[test]
fn a_disabled_agent_is_named_as_such_and_install_enables_it() {
    let mac = Mac::installed();
    mac.set("disabled", "");
    let told = |error: ServiceError| {
        let error = error.to_string();
        assert!(error.contains(&format!("launchctl enable {SERVICE}")), "{error}");
    };
    told(mac.agent().start().unwrap_err());
    mac.set("answer-bootstrap", "119\nBootstrap failed: 119: Service is disabled\n");
    told(mac.agent().start().unwrap_err());
    mac.agent().install(&mac.plan()).unwrap();
    mac.agent().start().unwrap();
    mac.set("disabled", "");
    mac.set("state", "not running\n");
    told(mac.agent().start().unwrap_err());
}

#[test]
fn without_a_graphical_login_it_is_installed_for_the_next_one() {
    let mac = Mac::new();
    mac.clear("domain");
    let installed = mac.agent().install(&mac.plan()).unwrap();
    assert!(mac.file().exists());
    assert!(installed.remarks[0].contains("logged in at the screen"), "{installed:?}");
    let error = mac.agent().start().unwrap_err();
    assert!(matches!(error, ServiceError::Unreachable(_)), "{error}");
    assert!(
        error.to_string().contains("gui/501") && error.to_string().contains("mcp-refreshd start"),
        "{error}"
    );
    assert!(!mac.agent().runs().unwrap());
    mac.agent().stop().unwrap();
    mac.agent().uninstall().unwrap();
    assert!(!mac.file().exists());
}

#[test]
fn an_input_output_error_without_a_reason_says_where_to_look() {
    let mac = Mac::installed();
    // The same answer for as long as it is asked.
    let script = fs::read_to_string(mac.place.path().join("launchctl")).unwrap();
    mac.set("launchctl", &script.replace("rm \"$here/answer-$verb\"", ":"));
    mac.set("answer-bootstrap", "5\nBootstrap failed: 5: Input/output error\n");
    let error = mac.agent().start().unwrap_err().to_string();
    for part in ["Input/output error", "Login Items", mac.file().to_str().unwrap(), "mcp-refreshd start"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn an_agent_that_exits_at_once_is_reported_with_its_exit_code() {
    let mac = Mac::installed();
    mac.set("fails-at-once", "");
    let error = mac.agent().start().unwrap_err().to_string();
    assert!(error.contains("last exit code: 1") && error.contains("mcp-refreshd logs"), "{error}");
}

#[test]
fn a_refusal_of_launchctl_is_quoted_and_rolled_back() {
    let mac = Mac::new();
    mac.set("answer-enable", "150\nOperation not permitted while System Integrity Protection is engaged\n");
    let error = mac.agent().install(&mac.plan()).unwrap_err().to_string();
    assert!(error.contains("System Integrity Protection") && error.contains("launchctl enable"), "{error}");
    assert_eq!(fs::read_dir(mac.home()).unwrap().count(), 0);
    for verb in ["bootstrap", "print", "bootout"] {
        let mac = Mac::running();
        mac.set(&format!("answer-{verb}"), "64\nUsage: launchctl\n");
        if verb == "bootstrap" {
            mac.agent().stop().unwrap();
        }
        let error = match verb {
            "bootout" => mac.agent().stop(),
            _ => mac.agent().start(),
        };
        let error = error.unwrap_err().to_string();
        assert!(error.contains("Usage: launchctl") && error.contains("(64)"), "{verb}: {error}");
    }
}

#[test]
fn a_hanging_or_missing_launchctl_is_reported() {
    let mac = Mac::running();
    mac.set("answer-print", "hang\n");
    let quick = Tool::new(mac.place.path().join("launchctl"), Duration::from_millis(100));
    let agent = mac.agent().with_launchctl(quick, Patience::default());
    let error = agent.runs().unwrap_err().to_string();
    assert!(error.contains("timed out") && error.contains("launchctl print"), "{error}");
    let none = Tool::new("/nowhere/launchctl", Duration::from_secs(1));
    let error = mac.agent().with_launchctl(none, Patience::default()).install(&mac.plan()).unwrap_err();
    assert!(matches!(error, ServiceError::NoManager(_)), "{error}");
}

#[test]
fn a_file_that_was_edited_by_hand_is_kept_shown_and_set_aside() {
    let mac = Mac::installed();
    let edited =
        fs::read_to_string(mac.file()).unwrap().replace("<integer>10</integer>", "<integer>60</integer>");
    fs::write(mac.file(), &edited).unwrap();
    assert_eq!(mac.agent().standing(&mac.plan()).edited, [mac.file()]);
    let installed = mac.agent().install(&mac.plan()).unwrap();
    let Step::Kept(_, difference) = &installed.steps[0] else { panic!("{installed:?}") };
    assert!(
        difference.contains("-\t<integer>60</integer>") && difference.contains("+\t<integer>10</integer>")
    );
    assert_eq!(fs::read_to_string(mac.file()).unwrap(), edited);
    let Step::SetAside(_, aside) = &mac.agent().uninstall().unwrap()[0] else { panic!() };
    assert_eq!((mac.file().exists(), fs::read_to_string(aside).unwrap()), (false, edited));
}

#[test]
fn an_agent_of_brew_is_not_duplicated() {
    let mac = Mac::new();
    let agents = mac.home().join("Library/LaunchAgents");
    fs::create_dir_all(&agents).unwrap();
    fs::write(agents.join("homebrew.mxcl.mcp-refreshd.plist"), "").unwrap();
    let error = mac.agent().install(&mac.plan()).unwrap_err().to_string();
    assert!(error.contains("brew services stop mcp-refreshd"), "{error}");
    assert!(!mac.file().exists() && mac.calls().is_empty());
}

#[test]
fn an_obstacle_on_the_disk_leaves_nothing_half_installed() {
    let mac = Mac::new();
    fs::create_dir(mac.home().join("Library")).unwrap();
    fs::write(mac.home().join("Library/LaunchAgents"), "a file").unwrap();
    let error = mac.agent().install(&mac.plan()).unwrap_err().to_string();
    assert!(error.contains("LaunchAgents"), "{error}");
    assert!(mac.calls().is_empty());
}
