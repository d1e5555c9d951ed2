//! systemd's user manager.

mod installation;
mod places;
mod probe;
mod sandbox;
mod unit;

use crate::files::sweep;
use crate::stamp::{Authorship, authorship};
use crate::{
    Changes, Installed, Origin, Plan, ServiceError, ServiceManager, Standing, Step, Surroundings, Tool,
    ToolError,
};
use installation::WITH_RESTART_STEPS;
use places::Places;
use probe::Machine;
use sandbox::Sandbox;
use std::time::Duration;

/// The service's name.
const UNIT: &str = "mcp-refreshd.service";

/// The manager responds at once, but a loaded machine may take a while.
const ANSWER: Duration = Duration::from_secs(30);
/// systemd itself gives up a start after 90 s.
const START: Duration = Duration::from_secs(100);
/// The unit's `TimeoutStopSec`, plus time for being killed.
const STOP: Duration = Duration::from_secs(100);

/// How often, and how far apart, the journal is asked for the last words of a run.
const JOURNAL_LOOKS: u32 = 10;
const JOURNAL_PACE: Duration = Duration::from_millis(200);

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

    /// The agent's last log lines, for a service that does not start.
    fn last_words(&self) -> String {
        let run = self.ctl(&["show", "--property=InvocationID", "--value", UNIT]).unwrap_or_default();
        let run = format!("_SYSTEMD_INVOCATION_ID={}", run.trim());
        let arguments = ["--user", &run, "--lines=3", "--output=cat", "--no-pager", "--quiet"];
        for _ in 0..JOURNAL_LOOKS {
            let said =
                Tool::new("journalctl", ANSWER).ask(&arguments).map(|said| said.out).unwrap_or_default();
            if !said.trim().is_empty() {
                return format!("its log says:\n{}", said.trim());
            }
            // What a process wrote last may take a moment to be in the journal.
            std::thread::sleep(JOURNAL_PACE);
        }
        format!("see: journalctl --user -u {UNIT}")
    }
}

impl ServiceManager for Systemd {
    fn present(&self) -> Result<(), ServiceError> {
        self.machine.booted()
    }

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

    fn preview(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        self.machine.reached()?;
        let mut changes = Changes::dry_run();
        self.set_up(plan, &mut changes)
    }

    fn preview_uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        let mut steps = Vec::new();
        let mut changes = Changes::dry_run();
        for path in self.places.all_drop_ins().chain([self.places.unit()]) {
            steps.extend(changes.take_away(&path, &path.with_extension("edited"))?);
        }
        Ok(steps)
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
            // systemd only says that it failed, and where to read why.
            Err(ServiceError::Tool(ToolError::Failed { .. })) => {
                Err(ServiceError::Refused(format!("the agent did not start; {}", self.last_words())))
            }
            Err(error) => {
                Err(ServiceError::Refused(format!("the agent did not start: {error}; {}", self.last_words())))
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

    fn is_installed(&self) -> bool {
        self.places.main().is_some()
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

// A script plays systemctl, which only Unix can run.
#[cfg(unix)]
#[cfg(test)]
mod tests;
