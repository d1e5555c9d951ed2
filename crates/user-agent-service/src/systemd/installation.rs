//! The files of the service as they should be, and the manager that reads them.

use super::{Systemd, UNIT, sandbox, unit};
use crate::files::read;
use crate::stamp::{Authorship, authorship, difference};
use crate::{Changes, Installed, Plan, ServiceError, ServiceManager, Step};
use std::path::{Path, PathBuf};

/// What `enable` means.
const ENABLED: &str = "enabled: starts at every login";

/// The mode of the files: world-readable, like the manager's own.
const MODE: u32 = 0o644;

/// The first systemd version with increasing restart delays.
pub(super) const WITH_RESTART_STEPS: u32 = 254;

impl Systemd {
    /// Updates all files and reloads the manager. Dropping `changes` rolls back the files; the caller then reloads the manager.
    pub(super) fn set_up(&self, plan: &Plan, changes: &mut Changes) -> Result<Installed, ServiceError> {
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
        let change = installed.steps.iter().any(Step::is_change);
        if changes.is_dry() {
            if !self.places.is_enabled() {
                installed.steps.push(Step::Told(ENABLED.to_owned()));
            }
            installed.remarks.extend(self.machine.without_linger());
            installed.needs_restart = change && self.runs()?;
            return Ok(installed);
        }
        self.ctl(&["daemon-reload"])?;
        let shown = self.ctl(&["show", "--property=LoadState,LoadError,FragmentPath", UNIT])?;
        let expected =
            packaged.filter(|_| !self.places.unit().exists()).unwrap_or_else(|| self.places.unit());
        judge_load(&shown, &expected)?;
        if !self.places.is_enabled() {
            self.ctl(&["enable", UNIT])?;
            installed.steps.push(Step::Told(ENABLED.to_owned()));
        }
        installed.remarks.extend(self.machine.without_linger());
        installed.needs_restart = change && self.runs()?;
        Ok(installed)
    }

    /// Every file with its desired content; `None` means no file.
    pub(super) fn files(
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
}

/// Checks that the manager read the expected file.
fn judge_load(shown: &str, expected: &Path) -> Result<(), ServiceError> {
    let value = |name: &str| {
        shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    if value("LoadState") != "loaded" {
        let (state, error) = (value("LoadState"), value("LoadError"));
        return Err(ServiceError::Refused(format!("systemd rejects the unit ({state}): {error}")));
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
