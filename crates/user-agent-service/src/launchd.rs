//! launchd's domain of a logged-in user: a LaunchAgent.

mod answer;
mod domain;
mod plist;

use crate::files::{Changes, read, sweep};
use crate::log::last_lines;
use crate::{
    Authorship, Installed, Origin, Patience, Plan, ServiceError, ServiceManager, Standing, Step, Tool,
    authorship, difference,
};
use answer::{Answer, Job};
use std::path::PathBuf;
use std::time::Duration;

use plist::{LABEL, LOG_FILE};

/// Its fixed place on macOS, regardless of `PATH`.
const LAUNCHCTL: &str = "/bin/launchctl";
/// launchctl responds at once unless it is stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Where `brew services` puts its own agent for this program.
const BREW_AGENT: &str = "homebrew.mxcl.mcp-refreshd.plist";

/// The LaunchAgent of one user, in the domain `gui/<uid>`.
#[derive(Clone, Debug)]
pub struct Launchd {
    home: PathBuf,
    uid: u32,
    launchctl: Tool,
    patience: Patience,
}

impl Launchd {
    /// The agent of the user with this home folder and id.
    pub fn new(home: impl Into<PathBuf>, uid: u32) -> Self {
        let launchctl = Tool::new(LAUNCHCTL, ANSWER_LIMIT);
        Self { home: home.into(), uid, launchctl, patience: Patience::default() }
    }

    /// The same with another `launchctl`, for tests.
    #[must_use]
    pub fn with_launchctl(self, launchctl: Tool, patience: Patience) -> Self {
        Self { launchctl, patience, ..self }
    }

    /// Where the agent logs. launchd does not rotate logs; the agent does.
    pub fn log_file(&self) -> PathBuf {
        self.home.join(LOG_FILE)
    }

    fn agents(&self) -> PathBuf {
        self.home.join("Library/LaunchAgents")
    }

    fn file(&self) -> PathBuf {
        self.agents().join(format!("{LABEL}.plist"))
    }

    fn domain(&self) -> String {
        format!("gui/{}", self.uid)
    }

    fn service(&self) -> String {
        format!("{}/{LABEL}", self.domain())
    }

    fn written(&self) -> Result<Option<String>, ServiceError> {
        let content = read(&self.file())?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }
}

impl Launchd {
    /// The agent's file as it should be.
    fn set_up(&self, plan: &Plan, changes: &mut Changes) -> Result<Installed, ServiceError> {
        let brew = self.agents().join(BREW_AGENT);
        if brew.exists() {
            return Err(ServiceError::Refused(format!(
                "`brew services` already runs the agent ({}), and two agents would get in each other's way; \
                 to install it here instead, first type: brew services stop mcp-refreshd",
                brew.display()
            )));
        }
        let (file, wanted) = (self.file(), plist::stamped(plan)?);
        let mut installed = Installed::default();
        match self.written()? {
            Some(there) if there != wanted && authorship(&there) != Authorship::Ours => {
                installed.steps.push(Step::Kept(file, difference(&there, &wanted)));
            }
            _ => {
                let step = changes.write(&file, &wanted, 0o644)?;
                installed.needs_restart = step.is_change();
                installed.steps.push(step);
            }
        }
        // launchd reads the file only when it loads it.
        installed.needs_restart = installed.needs_restart && self.job()?.is_some();
        Ok(installed)
    }
}

impl ServiceManager for Launchd {
    fn preview(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        let mut changes = Changes::dry_run();
        self.set_up(plan, &mut changes)
    }

    fn preview_uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        let file = self.file();
        let mut changes = Changes::dry_run();
        let step = changes.take_away(&file, &file.with_extension("plist.edited"))?;
        Ok(step.into_iter().collect())
    }

    fn install(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        let mut changes = Changes::new();
        let mut installed = self.set_up(plan, &mut changes)?;
        // It may have been disabled before; installing it enables it again.
        let service = self.service();
        let arguments = ["enable", service.as_str()];
        let (answer, said) = self.ask(&arguments)?;
        match answer {
            Answer::Done => {
                installed.steps.push(Step::Told(format!("told launchd: {}", arguments.join(" "))))
            }
            Answer::NoDomain => installed.remarks.push(self.unreachable().to_string()),
            _ => return Err(self.failed(&arguments, said)),
        }
        changes.keep();
        Ok(installed)
    }

    fn uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        sweep(&self.agents());
        let file = self.file();
        if !file.exists() {
            return Ok(Vec::new());
        }
        self.stop()?;
        let mut changes = Changes::new();
        let step = changes.take_away(&file, &file.with_extension("plist.edited"))?;
        changes.keep();
        Ok(step.into_iter().collect())
    }

    fn start(&self) -> Result<(), ServiceError> {
        if !self.file().exists() {
            return Err(ServiceError::NotInstalled);
        }
        match self.job()? {
            Some(job) if job.runs() => return Ok(()),
            Some(job) if !job.is_leaving() => {
                let service = self.service();
                let arguments = ["kickstart", service.as_str()];
                let (answer, said) = self.ask(&arguments)?;
                match answer {
                    Answer::Done | Answer::AlreadyLoaded | Answer::InProgress => {}
                    Answer::Disabled => return Err(self.disabled()),
                    // It has just disappeared.
                    Answer::NotLoaded => self.load()?,
                    _ => return Err(self.failed(&arguments, said)),
                }
            }
            _ => self.load()?,
        }
        let up = |this: &Self| Ok(this.job()?.filter(Job::runs).map(drop));
        match self.wait(self.patience.up, up)? {
            Some(()) => Ok(()),
            None => {
                let how = self.job()?.map_or_else(String::new, |job| job.to_string());
                Err(ServiceError::Refused(format!(
                    "the agent did not start{how}; {}",
                    last_lines(&self.log_file())
                )))
            }
        }
    }

    fn stop(&self) -> Result<(), ServiceError> {
        let service = self.service();
        let arguments = ["bootout", service.as_str()];
        let (answer, said) = self.ask(&arguments)?;
        match answer {
            // Without the domain, nothing can run in it.
            Answer::NotLoaded | Answer::NoDomain => return Ok(()),
            Answer::Done | Answer::InProgress | Answer::AlreadyLoaded => {}
            // Also returned if another `bootout` is already removing the service.
            Answer::InputOutput if self.job()?.is_none_or(|job| job.is_leaving()) => {}
            _ => return Err(self.failed(&arguments, said)),
        }
        // launchctl returns before the service has ended: a request in flight has a minute, and a new agent must not start earlier.
        let gone = |this: &Self| Ok(this.job()?.is_none().then_some(()));
        self.wait(self.patience.gone, gone)?.ok_or_else(|| {
            ServiceError::Refused(format!(
                "the agent did not end within {} s of `launchctl bootout`; see `launchctl print {service}`, and try again",
                self.patience.gone.as_secs()
            ))
        })
    }

    /// Unloads and loads the service instead of using `kickstart -k`, so that launchd rereads a changed file and the agent can finish its
    /// requests.
    fn restart(&self) -> Result<(), ServiceError> {
        if !self.file().exists() {
            return Err(ServiceError::NotInstalled);
        }
        self.stop()?;
        self.start()
    }

    fn is_installed(&self) -> bool {
        matches!(self.written(), Ok(Some(_)))
    }

    fn standing(&self, plan: &Plan) -> Standing {
        let file = self.file();
        let Ok(Some(there)) = self.written() else { return Standing::default() };
        let wanted = plist::stamped(plan).ok();
        let hand = authorship(&there);
        let differs = wanted.is_some_and(|wanted| wanted != there);
        Standing {
            origin: Some(Origin::Us),
            enabled: true,
            program: plist::program(there.as_bytes()),
            edited: (hand != Authorship::Ours && differs).then(|| file.clone()).into_iter().collect(),
            outdated: (hand == Authorship::Ours && differs).then(|| file.clone()).into_iter().collect(),
            file: Some(file),
        }
    }

    fn runs(&self) -> Result<bool, ServiceError> {
        Ok(self.job()?.is_some_and(|job| job.runs()))
    }
}
