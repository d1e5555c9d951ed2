use crate::ServiceError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The service to run, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The program's absolute path. It is started with the single argument `run`.
    pub program: PathBuf,
    /// The program's version, stated in the files.
    pub version: String,
    /// Folders that it writes to. They need not exist.
    pub writable: Vec<PathBuf>,
    /// Variables that the service needs but the manager does not set. No secrets: the files are world-readable.
    pub variables: Vec<(String, String)>,
}

/// A user's service manager.
pub trait ServiceManager {
    /// Checks that the manager runs on this machine, without contacting it. Nothing that the user types changes that.
    ///
    /// # Errors
    /// It does not.
    fn present(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    /// Installs or updates the service, and enables it for every login. Does not start it.
    ///
    /// # Errors
    /// Says why; all changes are rolled back.
    fn install(&self, plan: &Plan) -> Result<Installed, ServiceError>;

    /// What [`install`](Self::install) would do now. Changes nothing.
    ///
    /// # Errors
    /// As [`install`](Self::install), as far as it can be known beforehand.
    fn preview(&self, plan: &Plan) -> Result<Installed, ServiceError>;

    /// Stops the service and removes everything that [`install`](Self::install) wrote. Does nothing if it is not installed.
    ///
    /// # Errors
    /// Says what remains and why.
    fn uninstall(&self) -> Result<Vec<Step>, ServiceError>;

    /// What [`uninstall`](Self::uninstall) would do to files now. Changes nothing.
    ///
    /// # Errors
    /// A file cannot be read.
    fn preview_uninstall(&self) -> Result<Vec<Step>, ServiceError>;

    /// Starts the service and waits until it is ready. A running service is left alone.
    ///
    /// # Errors
    /// It is not installed, or does not start; the message includes the manager's own.
    fn start(&self) -> Result<(), ServiceError>;

    /// Stops the service and waits until it has ended. A service that is not running is not an error.
    ///
    /// # Errors
    /// The manager cannot be reached, or the service does not stop in time.
    fn stop(&self) -> Result<(), ServiceError>;

    /// Stops the service if it is running, and starts it.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop) and [`start`](Self::start).
    fn restart(&self) -> Result<(), ServiceError>;

    /// Whether a file of the service is there, whoever wrote it.
    fn is_installed(&self) -> bool;

    /// The service's state on disk: fast, without contacting the manager.
    fn standing(&self, plan: &Plan) -> Standing;

    /// Whether the service is running.
    ///
    /// # Errors
    /// The manager cannot be reached.
    fn runs(&self) -> Result<bool, ServiceError>;
}

/// The running agent, for a manager that neither says reliably whether its program runs nor ends it gracefully.
pub trait RunningAgent {
    /// The agent's process id, if one runs as a service.
    ///
    /// # Errors
    /// Why it cannot be found out.
    fn process(&self) -> Result<Option<u32>, String>;

    /// Asks the agent to stop once its requests are answered; does not wait for that.
    ///
    /// # Errors
    /// Why it cannot be asked.
    fn ask_to_stop(&self) -> Result<(), String>;
}

/// How long to wait for a manager.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a stopped service to disappear: longer than the agent gives a request in flight, plus the manager's own cleanup.
    pub gone: Duration,
    /// For a started service to run: more than launchd's `ThrottleInterval`, which delays a service that ran a moment ago.
    pub up: Duration,
    /// The polling interval.
    pub look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { gone: Duration::from_secs(90), up: Duration::from_secs(15), look: Duration::from_millis(200) }
    }
}

/// The result of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Remarks for the user: what is not available, and how to get it.
    pub remarks: Vec<String>,
    /// Whether a running service must be restarted to apply the changes.
    pub needs_restart: bool,
}

/// A change, or the finding that none was needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file was created.
    Wrote(PathBuf),
    /// A file was updated; the second value is the diff.
    Changed(PathBuf, String),
    /// A file was already up to date.
    Unchanged(PathBuf),
    /// A file was edited by hand and left alone; the second value is the diff to what would have been written.
    Kept(PathBuf, String),
    /// A file was removed.
    Removed(PathBuf),
    /// A file that was edited by hand was moved to the second path.
    SetAside(PathBuf, PathBuf),
    /// A command to the manager.
    Told(String),
}

impl Step {
    /// Whether it changes what a running service works by.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self, Self::Wrote(_) | Self::Changed(..) | Self::Removed(_))
    }

    /// The same step, before it is done.
    #[must_use]
    pub fn planned(&self) -> String {
        match self {
            Self::Wrote(path) => format!("would write {}", path.display()),
            Self::Changed(path, difference) => format!("would change {}:\n{difference}", path.display()),
            Self::Removed(path) => format!("would remove {}", path.display()),
            Self::SetAside(path, aside) => {
                format!("would move {}, which was edited by hand, to {}", path.display(), aside.display())
            }
            Self::Told(what) => format!("would be done: {what}"),
            Self::Unchanged(_) | Self::Kept(..) => self.to_string(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrote(path) => write!(f, "wrote {}", path.display()),
            Self::Changed(path, difference) => write!(f, "changed {}:\n{difference}", path.display()),
            Self::Unchanged(path) => write!(f, "unchanged: {}", path.display()),
            Self::Kept(path, difference) => {
                write!(
                    f,
                    "kept {}, which was edited by hand; - is current, + is what would be written:\n{difference}",
                    path.display()
                )
            }
            Self::Removed(path) => write!(f, "removed {}", path.display()),
            Self::SetAside(path, aside) => {
                write!(f, "moved {}, which was edited by hand, to {}", path.display(), aside.display())
            }
            Self::Told(what) => f.write_str(what),
        }
    }
}

/// A service's state on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who installed it; `None` if it is not installed.
    pub origin: Option<Origin>,
    /// Whether it starts at login.
    pub enabled: bool,
    /// The program that it runs, if its files say so.
    pub program: Option<PathBuf>,
    /// The file that names the program.
    pub file: Option<PathBuf>,
    /// Files that were edited by hand.
    pub edited: Vec<PathBuf>,
    /// Files that this version would write differently.
    pub outdated: Vec<PathBuf>,
}

/// Who installed a service's main file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// [`ServiceManager::install`].
    Us,
    /// A package of the system, in the manager's own folders.
    Package,
}
