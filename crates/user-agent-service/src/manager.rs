use crate::ServiceError;
use std::fmt;
use std::path::PathBuf;

/// What the service is to run, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The program, by its absolute path. It is started with the one argument `run`.
    pub program: PathBuf,
    /// The program's version, told in what is written.
    pub version: String,
    /// Folders that it writes to. Those that do not exist are no trouble.
    pub writable: Vec<PathBuf>,
    /// Variables that the service needs and the manager does not give it by itself. No secrets: anybody may read them.
    pub variables: Vec<(String, String)>,
}

/// A service manager of one user.
pub trait ServiceManager {
    /// Installs the service, or brings it up to date, and has it started at every login. It is not started now.
    ///
    /// # Errors
    /// Says why; everything that was written is taken back.
    fn install(&self, plan: &Plan) -> Result<Installed, ServiceError>;

    /// What [`install`](Self::install) would do now. Changes nothing.
    ///
    /// # Errors
    /// As [`install`](Self::install), as far as it can be known beforehand.
    fn preview(&self, plan: &Plan) -> Result<Installed, ServiceError>;

    /// Ends the service and takes away everything that [`install`](Self::install) wrote. Where nothing is installed there is nothing to do.
    ///
    /// # Errors
    /// Says what is left and why.
    fn uninstall(&self) -> Result<Vec<Step>, ServiceError>;

    /// What [`uninstall`](Self::uninstall) would do to files now. Changes nothing.
    ///
    /// # Errors
    /// A file cannot be read.
    fn preview_uninstall(&self) -> Result<Vec<Step>, ServiceError>;

    /// Starts the service and waits until it is ready. One that runs is left alone.
    ///
    /// # Errors
    /// It is not installed, or does not come up; the manager's own words are part of the message.
    fn start(&self) -> Result<(), ServiceError>;

    /// Ends the service and waits until it has ended. One that does not run is no error.
    ///
    /// # Errors
    /// The manager cannot be asked, or the service does not end in time.
    fn stop(&self) -> Result<(), ServiceError>;

    /// Ends the service if it runs, and starts it.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    fn restart(&self) -> Result<(), ServiceError>;

    /// How the service stands, from the disk alone: quick, and without asking the manager.
    fn standing(&self, plan: &Plan) -> Standing;

    /// Whether the manager runs the service now.
    ///
    /// # Errors
    /// The manager cannot be asked.
    fn runs(&self) -> Result<bool, ServiceError>;
}

/// What an installation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What the person should know: what could not be had, what to type to have it.
    pub remarks: Vec<String>,
    /// True where a running service works by what was before and has to be started again.
    pub needs_restart: bool,
}

/// One thing that was done, or found done already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file is new.
    Wrote(PathBuf),
    /// A file has other content now; the second value is the difference.
    Changed(PathBuf, String),
    /// A file was as it should be.
    Unchanged(PathBuf),
    /// A file was edited by hand and left alone; the second value is how it differs from what would have been written.
    Kept(PathBuf, String),
    /// A file is gone.
    Removed(PathBuf),
    /// A file that was edited by hand was moved out of the way, to the second path.
    SetAside(PathBuf, PathBuf),
    /// The manager was told something.
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
                    "kept {}, which was edited by hand (-: your version, +: what install would write):\n{difference}",
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

/// How a service stands, as far as the disk tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who brought it; `None` where it is not installed.
    pub origin: Option<Origin>,
    /// Whether it starts by itself at a login.
    pub enabled: bool,
    /// The program that it runs, where its files tell.
    pub program: Option<PathBuf>,
    /// The file that says what it runs.
    pub file: Option<PathBuf>,
    /// Files that were edited by hand.
    pub edited: Vec<PathBuf>,
    /// Files that this program would write otherwise.
    pub outdated: Vec<PathBuf>,
}

/// Who brought a service's main file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// [`ServiceManager::install`].
    Us,
    /// A package of the system, in the manager's own folders.
    Package,
}
