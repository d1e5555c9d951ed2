//! From the command line to an exit code.

use crate::agent::{StartError, status_from_disk, storage_folders};
use crate::cli::{Cli, Command};
use crate::config::{self, Config, ConfigError};
use crate::exit::Exit;
use crate::history::{Question, Recent, history};
use crate::instance::InstanceError;
use crate::logs::logs;
use crate::look::Look;
use crate::paths::{FolderError, NoHome, Paths};
use crate::protocol::{Answer, Ask};
use crate::refresh::{Wish, refresh};
use crate::report::Status;
use crate::socket::{self, AskError};
use crate::{check, completions, daemon, doctor, environment, memory, output, service, status};
use jiff::Timestamp;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::runtime;
use tokio::task::LocalSet;

/// Name look-ups run on these threads, and nothing of ours waits behind them.
const BLOCKING_THREADS: usize = 4;
/// How long such a thread waits for the next look-up; a refresh is seldom followed by another one.
const BLOCKING_THREADS_KEPT: Duration = Duration::from_secs(1);

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// What the person is told.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

macro_rules! failure_from {
    ($($error:ty => $exit:ident),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Exit::$exit, error.to_string())
            }
        })+
    };
}

failure_from! {
    ConfigError => Usage,
    NoHome => Usage,
    FolderError => Person,
    InstanceError => Person,
    AskError => Person,
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::Network(_) => Exit::Usage,
            StartError::Records(_) | StartError::Journal(_) => Exit::Person,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Person, format!("the result cannot be written: {error}"))
    }
}

/// Carries out a command.
pub(crate) fn execute(cli: Cli) -> Exit {
    match dispatch(cli.command) {
        Ok(exit) => exit,
        Err(Failure { exit, message }) => {
            output::message(&message);
            exit
        }
    }
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    // What cannot be had is for the daemon to tell, which lives for years.
    let _ = memory::keep_private();
    let paths = Paths::of_this_process();
    let alone = matches!(command, Command::Config { defaults: true } | Command::Completions { .. });
    if let (Ok(paths), false) = (&paths, alone) {
        environment::complete(paths)?;
    }
    match command {
        Command::Run { log_file } => daemon::run(&paths?, log_file.as_deref()),
        Command::Install { allow_root } => service::install(&paths?, allow_root),
        Command::Uninstall { purge, yes } => service::uninstall(&paths?, &service::Removal { purge, yes }),
        Command::Start => service::start(&paths?),
        Command::Stop => service::stop(&paths?),
        Command::Restart => service::restart(&paths?),
        Command::Status { name, json: _, watch: true } => block_on(status::watch(&paths?, name.as_deref()))?,
        Command::Status { name, json, watch: false } => block_on(status(&paths?, name.as_deref(), json))?,
        Command::Refresh { names, force, dry_run } => {
            block_on(refresh(&paths?, Wish { names, force, dry_run }))?
        }
        Command::Check { names, min_valid, live, quiet } => {
            block_on(check::check(&paths?, check::Wish { names, min_valid, live, quiet }))?
        }
        Command::Doctor { fix, dry_run, yes, offline, live, json } => {
            block_on(doctor::doctor(&paths?, doctor::Wish { fix, dry_run, yes, offline, live, json }))?
        }
        Command::History { name, since, json, svg } => {
            block_on(history(&paths?, Question { name, since, json, svg }))?
        }
        Command::Config { defaults: true } => {
            output::result(config::DEFAULTS)?;
            Ok(Exit::Well)
        }
        Command::Config { defaults: false } => configuration(&paths?),
        Command::Logs { follow } => logs(&paths?, follow),
        Command::Completions { shell } => {
            completions::print(shell)?;
            Ok(Exit::Well)
        }
    }
}

/// Runs a future with everything that it may spawn, on this thread.
///
/// # Errors
/// The system gives no event queue.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREADS_KEPT)
        .build()
        .map_err(|error| Failure::new(Exit::Person, format!("cannot start: {error}")))?;
    let end = LocalSet::new().block_on(&runtime, future);
    // A name look-up that hangs must not hold up the end of the process.
    runtime.shutdown_background();
    Ok(end)
}

/// How the running daemon says that everything is; `None` where none runs.
///
/// # Errors
/// One runs, and does not answer as it should.
pub(crate) async fn reach(state: &Path) -> Result<Option<Status>, AskError> {
    match socket::ask(state, &Ask::Status).await? {
        Some(Answer::Status(status)) => Ok(Some(status)),
        Some(_) | None => Ok(None),
    }
}

/// How everything is, from the daemon if it runs, else from the disk.
///
/// # Errors
/// A daemon runs and does not answer as it should, or the configuration cannot be used.
pub(crate) async fn gather(paths: &Paths) -> Result<Status, Failure> {
    Ok(match reach(&paths.state).await? {
        Some(status) => status,
        None => status_from_disk(&Config::load(&paths.config, &paths.home)?, paths).await,
    })
}

async fn status(paths: &Paths, name: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let mut status = gather(paths).await?;
    if let Some(name) = name {
        status = status::only(status, name)?;
    }
    let (now, look) = (Timestamp::now(), Look::of_stdout());
    let text = if json {
        status::json(&status).map_err(io::Error::from)?
    } else if name.is_some() {
        let mut recent = Recent::default();
        recent.look_again(&paths.state, &status);
        status::detailed(&status, &recent, now, &look)
    } else {
        status::overview(&status, now, &look)
    };
    output::result(&text)?;
    for remark in status::remarks(&status).into_iter().chain(service::remarks(paths)) {
        output::message(&remark);
    }
    Ok(status::exit(&status))
}

fn configuration(paths: &Paths) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    let source = paths.config.exists().then_some(paths.config.as_path());
    let folders = storage_folders(&config, paths);
    let stores: Vec<_> = folders.iter().map(|folder| folder.path()).collect();
    output::result(&config::effective(&config, source, &stores))?;
    Ok(Exit::Well)
}
