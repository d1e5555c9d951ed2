use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A machine with a systemd simulated by `tests/systemctl`.
struct Stage {
    root: TempDir,
    systemd: Systemd,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["bin", "home", "run/systemd/system"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemctl");
        let tool = |name: &str| {
            std::os::unix::fs::symlink(&script, at("bin").join(name)).unwrap();
            Tool::new(at("bin").join(name), Duration::from_secs(30))
        };
        let systemctl = tool("systemctl");
        let systemd = Systemd {
            places: Places::below(root.path()),
            machine: Machine::at(root.path(), systemctl.clone(), tool("systemd-run")),
            systemctl,
        };
        let stage = Self { root, systemd };
        stage.answer("version", "Version=252\n252");
        stage.answer("active", "inactive");
        stage.answer("unit", stage.systemd.places.unit().to_str().unwrap());
        stage.answer("packaged", stage.path("usr/lib/systemd/user/mcp-refreshd.service").to_str().unwrap());
        let enabled = stage.path("home/.config/systemd/user/default.target.wants/mcp-refreshd.service");
        stage.answer("enabled", enabled.to_str().unwrap());
        stage
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn answer(&self, name: &str, text: &str) {
        fs::write(self.path("bin").join(name), text).unwrap();
    }

    /// Every file in the home folder.
    fn written(&self) -> Vec<String> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), found),
                    false => found.push(entry.path()),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("home"), &mut found);
        let mut names: Vec<_> =
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    fn packaged(&self) {
        fs::create_dir_all(self.path("usr/lib/systemd/user")).unwrap();
        fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/mcp-refreshd.service"),
            self.path("usr/lib/systemd/user/mcp-refreshd.service"),
        )
        .unwrap();
    }
}

fn plan(program: &str) -> Plan {
    Plan {
        program: program.into(),
        version: "1".into(),
        writable: vec!["/home/me/.claude".into()],
        variables: Vec::new(),
    }
}

fn wrote(installed: &Installed) -> usize {
    installed.steps.iter().filter(|step| step.is_change()).count()
}

#[test]
fn a_second_installation_changes_nothing() {
    let stage = Stage::new();
    let first = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    assert_eq!(wrote(&first), 2);
    assert_eq!(stage.written(), ["mcp-refreshd.service", "mcp-refreshd.service", "sandbox.conf"]);
    stage.systemd.start().unwrap();
    let second = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    assert_eq!((wrote(&second), second.needs_restart), (0, false));
    let standing = stage.systemd.standing(&plan("/opt/mcp-refreshd"));
    assert_eq!((standing.origin, standing.enabled), (Some(Origin::Us), true));
    assert!(standing.edited.is_empty() && standing.outdated.is_empty(), "{standing:?}");
}

#[test]
fn a_preview_says_what_an_installation_would_do_and_changes_nothing() {
    let stage = Stage::new();
    let wanted = plan("/opt/mcp-refreshd");
    let first = stage.systemd.preview(&wanted).unwrap();
    assert_eq!((wrote(&first), first.steps.len()), (2, 3), "{:?}", first.steps);
    assert!(stage.written().is_empty());
    let calls = fs::read_to_string(stage.path("bin/calls")).unwrap();
    assert!(!calls.contains("daemon-reload") && !calls.contains("enable"), "{calls}");

    stage.systemd.install(&wanted).unwrap();
    stage.systemd.start().unwrap();
    let other = Plan { writable: vec!["/home/me/work".into()], ..wanted };
    let change = stage.systemd.preview(&other).unwrap();
    let shown: String = change.steps.iter().map(|step| step.planned() + "\n").collect();
    assert!(
        shown.contains("-ReadWritePaths=\"-/home/me/.claude\"\n+ReadWritePaths=\"-/home/me/work\""),
        "{shown}"
    );
    assert!(!shown.contains("sha256"), "{shown}");
    assert!(change.needs_restart);
    let removal = stage.systemd.preview_uninstall().unwrap();
    assert_eq!(removal.len(), 2, "{removal:?}");
    assert_eq!(stage.written().len(), 3);
}

#[test]
fn a_failure_at_any_step_leaves_nothing() {
    for obstacle in ["refused", "no-enable", "no-state"] {
        let stage = Stage::new();
        stage.answer(obstacle, "");
        let error = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap_err().to_string();
        assert!(["odd", "quota", "reset"].iter().any(|why| error.contains(why)), "{error}");
        assert!(stage.written().is_empty(), "{obstacle}: {:?}", stage.written());
        assert!(!stage.systemd.places.is_enabled(), "{obstacle}");
    }
}

#[test]
fn another_copy_of_the_program_takes_over_and_a_running_one_is_to_be_started_again() {
    let stage = Stage::new();
    stage.systemd.install(&plan("/opt/old")).unwrap();
    stage.systemd.start().unwrap();
    assert_eq!(stage.systemd.standing(&plan("/opt/new")).outdated, [stage.systemd.places.unit()]);
    let installed = stage.systemd.install(&plan("/opt/new")).unwrap();
    assert!(installed.needs_restart);
    assert_eq!(stage.systemd.standing(&plan("/opt/new")).program, Some("/opt/new".into()));
}

#[test]
fn an_edited_unit_is_kept_and_set_aside_on_uninstall() {
    let stage = Stage::new();
    stage.systemd.install(&plan("/opt/old")).unwrap();
    let unit = stage.systemd.places.unit();
    let edited = fs::read_to_string(&unit).unwrap().replace("RestartSec=2", "RestartSec=9");
    fs::write(&unit, &edited).unwrap();
    let installed = stage.systemd.install(&plan("/opt/new")).unwrap();
    let kept = installed.steps.iter().find_map(|step| match step {
        Step::Kept(path, difference) if *path == unit => Some(difference),
        _ => None,
    });
    assert!(kept.unwrap().contains("-RestartSec=9\n+RestartSec=2\n"), "{kept:?}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), edited);
    stage.systemd.uninstall().unwrap();
    assert_eq!(stage.written(), ["mcp-refreshd.edited"]);
}

#[test]
fn a_packages_unit_gets_drop_ins_only() {
    let stage = Stage::new();
    stage.packaged();
    stage.systemd.install(&plan("/usr/bin/mcp-refreshd")).unwrap();
    assert_eq!(
        stage.written(),
        ["mcp-refreshd.service", "sandbox.conf"],
        "the first is the link that enables it"
    );
    stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    assert_eq!(stage.written(), ["mcp-refreshd.service", "program.conf", "sandbox.conf"]);
    let standing = stage.systemd.standing(&plan("/opt/mcp-refreshd"));
    assert_eq!(
        (standing.origin, standing.program),
        (Some(Origin::Package), Some("/opt/mcp-refreshd".into()))
    );
    stage.systemd.install(&plan("/usr/bin/mcp-refreshd")).unwrap();
    assert_eq!(stage.written(), ["mcp-refreshd.service", "sandbox.conf"]);
    stage.systemd.uninstall().unwrap();
    assert!(stage.written().is_empty());
    assert!(stage.systemd.places.packaged().is_some());
}

#[test]
fn a_unit_of_ours_makes_room_for_a_package_that_came_later() {
    let stage = Stage::new();
    stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    stage.packaged();
    stage.systemd.install(&plan("/usr/bin/mcp-refreshd")).unwrap();
    assert_eq!(stage.written(), ["mcp-refreshd.service", "sandbox.conf"]);
    assert!(!stage.systemd.places.unit().exists());
}

#[test]
fn what_a_newer_systemd_can_do_is_used_there_only() {
    let stage = Stage::new();
    stage.answer("version", "254.5");
    stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    let steps = fs::read_to_string(stage.systemd.places.drop_in("restart.conf")).unwrap();
    assert!(steps.contains("RestartSteps="), "{steps}");
    assert!(!fs::read_to_string(stage.systemd.places.unit()).unwrap().contains("RestartSteps="));
    stage.answer("version", "245");
    stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    assert!(!stage.systemd.places.drop_in("restart.conf").exists());
}

#[test]
fn without_user_namespaces_there_is_no_sandbox_and_the_user_is_told() {
    let stage = Stage::new();
    stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    stage.answer("no-sandbox", "");
    let installed = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap();
    assert!(installed.remarks[0].contains("user namespacing"), "{:?}", installed.remarks);
    assert!(!stage.systemd.places.drop_in("sandbox.conf").exists());
}

#[test]
fn a_masked_unit_is_left_masked() {
    let stage = Stage::new();
    let unit = stage.systemd.places.unit();
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/null", &unit).unwrap();
    let refused = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap_err().to_string();
    assert!(refused.contains("systemctl --user unmask"), "{refused}");
    assert_eq!(fs::read_link(&unit).unwrap(), Path::new("/dev/null"));
}

#[test]
fn an_unreachable_manager_is_reported_with_a_remedy() {
    let stage = Stage::new();
    stage.answer("no-bus", "");
    let refused = stage.systemd.install(&plan("/opt/mcp-refreshd")).unwrap_err().to_string();
    for part in ["No medium found", "XDG_RUNTIME_DIR", "loginctl enable-linger"] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(stage.systemd.present().is_ok());
    // Where there is none, the command knows how the agent is started without it.
    fs::remove_dir(stage.path("run/systemd/system")).unwrap();
    for refused in [stage.systemd.install(&plan("/opt/mcp-refreshd")).map(drop), stage.systemd.present()] {
        assert!(matches!(refused, Err(ServiceError::NoManager("systemd"))), "{refused:?}");
    }
}

#[test]
fn a_service_that_is_not_installed_cannot_be_started() {
    let stage = Stage::new();
    assert!(matches!(stage.systemd.start(), Err(ServiceError::NotInstalled)));
    assert_eq!(stage.systemd.uninstall().unwrap(), []);
    assert_eq!(stage.systemd.standing(&plan("/opt/x")), Standing::default());
}
