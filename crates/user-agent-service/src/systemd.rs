//! systemd's user manager.

mod places;
mod probe;
mod sandbox;
mod unit;

use crate::files::{read, sweep};
use crate::stamp::{Authorship, authorship, difference};
use crate::{
    Changes, Installed, Origin, Plan, ServiceError, ServiceManager, Standing, Step, Surroundings, Tool,
};
use places::Places;
use probe::Machine;
use sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The service's name.
const UNIT: &str = "mcp-refreshd.service";

/// The manager responds at once, but a loaded machine may take a while.
const ANSWER: Duration = Duration::from_secs(30);
/// systemd itself gives up a start after 90 s.
const START: Duration = Duration::from_secs(100);
/// The unit's `TimeoutStopSec`, plus time for being killed.
const STOP: Duration = Duration::from_secs(100);

/// The mode of the files: world-readable, like the manager's own.
const MODE: u32 = 0o644;

/// The first systemd version with increasing restart delays.
const WITH_RESTART_STEPS: u32 = 254;

/// This user's systemd manager.
pub struct Systemd {
    places: Places,
    machine: Machine,
    systemctl: Tool,
}

impl Systemd {
    /// The manager of the user in this environment; its tools are looked up in `PATH`.
    pub fn new(surroundings: &Surroundings<'_>) -> Self {
        let systemctl = Tool::new("systemctl", ANSWER);
        Self {
            places: Places::new(surroundings),
            machine: Machine::new(surroundings, systemctl.clone(), Tool::new("systemd-run", ANSWER)),
            systemctl,
        }
    }

    fn ctl(&self, arguments: &[&str]) -> Result<String, ServiceError> {
        self.ctl_within(ANSWER, arguments)
    }

    fn ctl_within(&self, limit: Duration, arguments: &[&str]) -> Result<String, ServiceError> {
        let arguments: Vec<_> = ["--user", "--no-pager"].iter().chain(arguments).collect();
        Ok(self.systemctl.within(limit).run(&arguments)?.out)
    }

    /// Updates all files and reloads the manager. Dropping `changes` rolls back the files; the caller then reloads the manager.
    fn set_up(&self, plan: &Plan, changes: &mut Changes) -> Result<Installed, ServiceError> {
        let mut installed = Installed::default();
        let version = self.machine.version()?;
        let sandbox = match self.machine.sandbox(&self.places.home) {
            Ok(sandbox) => {
                let missing = sandbox.missing();
                if !missing.is_empty() {
                    installed.remarks.push(format!(
                        "this user manager (systemd {version}) supports the sandbox only without {}",
                        missing.join(", ")
                    ));
                }
                Some(sandbox::drop_in(&sandbox, plan)?)
            }
            Err(why) => {
                installed.remarks.push(format!(
                    "this user manager does not support a sandbox ({why}); the agent runs with its other protections only"
                ));
                None
            }
        };
        let packaged = self.places.packaged();
        for file in self.files(plan, packaged.is_some(), sandbox, version)? {
            installed.steps.extend(self.put(changes, file)?);
        }
        self.ctl(&["daemon-reload"])?;
        let shown = self.ctl(&["show", "--property=LoadState,LoadError,FragmentPath", UNIT])?;
        let expected =
            packaged.filter(|_| !self.places.unit().exists()).unwrap_or_else(|| self.places.unit());
        judge_load(&shown, &expected)?;
        if !self.places.is_enabled() {
            self.ctl(&["enable", UNIT])?;
            installed.steps.push(Step::Told("enabled: starts at every login".to_owned()));
        }
        installed.remarks.extend(self.machine.without_linger());
        let wrote = |step: &Step| matches!(step, Step::Wrote(_) | Step::Removed(_));
        installed.needs_restart = installed.steps.iter().any(wrote) && self.runs()?;
        Ok(installed)
    }

    /// Every file with its desired content; `None` means no file.
    fn files(
        &self,
        plan: &Plan,
        packaged: bool,
        sandbox: Option<String>,
        version: u32,
    ) -> Result<Vec<(PathBuf, Option<String>)>, ServiceError> {
        let places = &self.places;
        let stamped = |text: String| unit::stamped(&text);
        let (main, program) = if packaged {
            let packaged = self.places.packaged().and_then(|path| unit::program_in(&path));
            let other = packaged.as_deref() != Some(&*plan.program);
            (None, other.then(|| unit::program_drop_in(&plan.program)).transpose()?)
        } else {
            (Some(unit::main(&plan.program)?), None)
        };
        let steps = (version >= WITH_RESTART_STEPS).then(|| unit::RESTART_STEPS.to_owned());
        Ok(vec![
            (places.unit(), main.map(stamped)),
            (places.drop_in("program.conf"), program.map(stamped)),
            (places.drop_in("folders.conf"), unit::variables(&plan.variables)?.map(stamped)),
            (places.drop_in("restart.conf"), steps.map(stamped)),
            (places.drop_in("sandbox.conf"), sandbox.map(stamped)),
        ])
    }

    fn put(
        &self,
        changes: &mut Changes,
        (path, content): (PathBuf, Option<String>),
    ) -> Result<Option<Step>, ServiceError> {
        if std::fs::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null")) {
            return Err(ServiceError::Refused(format!(
                "{} is masked; to allow it, type: systemctl --user unmask {UNIT}",
                path.display()
            )));
        }
        let there = read(&path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match (there, content) {
            (None, None) => Ok(None),
            (Some(there), content) if authorship(&there) != Authorship::Ours => {
                Ok(Some(Step::Kept(path, difference(&there, content.as_deref().unwrap_or_default()))))
            }
            (_, Some(content)) => changes.write(&path, &content, MODE).map(Some),
            (Some(_), None) => changes.remove(&path),
        }
    }

    /// The last lines of the journal, for a service that does not start.
    fn last_words(&self) -> String {
        let arguments = ["--user", "--unit", UNIT, "--lines=3", "--output=cat", "--no-pager", "--quiet"];
        let said = Tool::new("journalctl", ANSWER).ask(&arguments);
        said.ok().map(|said| said.out.trim().to_owned()).filter(|said| !said.is_empty()).map_or_else(
            || format!("; see: journalctl --user -u {UNIT}"),
            |said| format!("; its log ends with:\n{said}"),
        )
    }
}

/// Checks that the manager read the expected file.
fn judge_load(shown: &str, expected: &Path) -> Result<(), ServiceError> {
    let value = |name: &str| {
        shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    if value("LoadState") != "loaded" {
        let (state, error) = (value("LoadState"), value("LoadError"));
        return Err(ServiceError::Refused(format!("systemd does not take the unit ({state}): {error}")));
    }
    let fragment = Path::new(value("FragmentPath"));
    let same = |a: &Path, b: &Path| {
        a == b || a.canonicalize().ok().is_some_and(|a| Some(a) == b.canonicalize().ok())
    };
    if !same(fragment, expected) {
        return Err(ServiceError::Refused(format!(
            "the user manager reads {} and not {}; its XDG_CONFIG_HOME is not the one of this shell",
            fragment.display(),
            expected.display()
        )));
    }
    Ok(())
}

impl ServiceManager for Systemd {
    fn install(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        self.machine.reached()?;
        let was_enabled = self.places.is_enabled();
        let mut changes = Changes::new();
        match self.set_up(plan, &mut changes) {
            Ok(installed) => {
                changes.keep();
                Ok(installed)
            }
            Err(error) => {
                // The original error is the one to report.
                if !was_enabled && self.places.is_enabled() {
                    let _ = self.ctl(&["disable", UNIT]);
                }
                drop(changes);
                let _ = self.ctl(&["daemon-reload"]);
                Err(error)
            }
        }
    }

    fn uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        self.machine.reached()?;
        let mut steps = Vec::new();
        if self.runs()? {
            self.stop()?;
            steps.push(Step::Told("stopped".to_owned()));
        }
        if self.places.is_enabled() {
            self.ctl(&["disable", UNIT])?;
            steps.push(Step::Told("disabled: no longer starts at login".to_owned()));
        }
        let mut changes = Changes::new();
        // Remove the unit last: after an interruption, another uninstall still finds the rest.
        for path in self.places.all_drop_ins() {
            steps.extend(changes.take_away(&path, &path.with_extension("edited"))?);
        }
        sweep(&self.places.drop_ins());
        // The folder stays if the user has other drop-ins.
        let _ = std::fs::remove_dir(self.places.drop_ins());
        let unit = self.places.unit();
        unit.parent().map(sweep);
        steps.extend(changes.take_away(&unit, &unit.with_extension("edited"))?);
        changes.keep();
        self.ctl(&["daemon-reload"])?;
        // A unit that never failed has nothing to reset.
        let _ = self.ctl(&["reset-failed", UNIT]);
        Ok(steps)
    }

    fn start(&self) -> Result<(), ServiceError> {
        self.machine.reached()?;
        if self.places.main().is_none() {
            return Err(ServiceError::NotInstalled);
        }
        // A unit that failed too often does not start without this; one that never failed has nothing to reset.
        let _ = self.ctl(&["reset-failed", UNIT]);
        match self.ctl_within(START, &["start", UNIT]) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(ServiceError::Refused(format!("the agent does not start: {error}{}", self.last_words())))
            }
        }
    }

    fn stop(&self) -> Result<(), ServiceError> {
        self.machine.reached()?;
        if self.places.main().is_none() {
            return Err(ServiceError::NotInstalled);
        }
        self.ctl_within(STOP, &["stop", UNIT]).map(drop)
    }

    fn restart(&self) -> Result<(), ServiceError> {
        self.stop()?;
        self.start()
    }

    fn standing(&self, plan: &Plan) -> Standing {
        let Some((main, origin)) = self.places.main() else { return Standing::default() };
        let program = [self.places.drop_in("program.conf"), main.clone()];
        let mut standing = Standing {
            origin: Some(origin),
            enabled: self.places.is_enabled(),
            program: program.iter().find_map(|path| unit::program_in(path)),
            file: Some(main),
            ..Standing::default()
        };
        let sandbox = std::fs::read_to_string(self.places.drop_in("sandbox.conf")).ok();
        let sandbox = sandbox.and_then(|there| sandbox::drop_in(&Sandbox::of(&there), plan).ok());
        let restart = if self.places.drop_in("restart.conf").exists() { WITH_RESTART_STEPS } else { 0 };
        for (path, wanted) in
            self.files(plan, origin == Origin::Package, sandbox, restart).unwrap_or_default()
        {
            let Ok(there) = std::fs::read_to_string(&path) else {
                standing.outdated.extend(wanted.map(|_| path));
                continue;
            };
            match authorship(&there) {
                Authorship::Ours if wanted.as_ref() == Some(&there) => {}
                Authorship::Ours => standing.outdated.push(path),
                Authorship::Edited | Authorship::Foreign => standing.edited.push(path),
            }
        }
        standing
    }

    fn runs(&self) -> Result<bool, ServiceError> {
        let state = self.ctl(&["show", "--property=ActiveState", "--value", UNIT])?;
        Ok(matches!(state.trim(), "active" | "activating" | "reloading" | "deactivating"))
    }
}

#[cfg(test)]
mod tests;
