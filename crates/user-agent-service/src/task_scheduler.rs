//! Windows' Task Scheduler: a task at the logon of one user, without administrator rights.
//!
//! The Task Scheduler keeps its tasks where a user cannot read them, and `schtasks.exe` shows them in the language of the system. So the
//! definition that was registered is kept beside the agent's records, and whether the agent runs is asked of the agent itself.

mod definition;
mod tools;

use crate::files::{Changes, read, sweep};
use crate::log::last_lines;
use crate::{
    Authorship, Installed, Origin, Patience, Plan, RunningAgent, ServiceError, ServiceManager, Standing,
    Step, Surroundings, authorship, difference,
};
use definition::Definition;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use tools::Tools;

/// The name of the kept definition.
const FILE: &str = "task.xml";
/// The name of the agent's log file.
const LOG_FILE: &str = "mcp-refreshd.log";
/// How often a start is tried again: a task whose last instance has not quite ended ignores it.
const STARTS: u32 = 3;

/// The scheduled task of one user.
pub struct TaskScheduler {
    home: PathBuf,
    state: PathBuf,
    /// The user by name, where no tool tells the SID.
    user: String,
    agent: Rc<dyn RunningAgent>,
    tools: Tools,
    patience: Patience,
}

impl TaskScheduler {
    /// The task of this user.
    pub fn new(surroundings: &Surroundings<'_>) -> Self {
        let Surroundings { home, state, agent, env, .. } = surroundings;
        let variable = |name: &str| env(name).map(|value| value.to_string_lossy().into_owned());
        let user = variable("USERNAME").unwrap_or_default();
        let root = variable("SystemRoot").unwrap_or_else(|| r"C:\Windows".to_owned());
        Self {
            home: home.clone(),
            state: state.clone(),
            user: variable("USERDOMAIN").map_or_else(|| user.clone(), |domain| format!("{domain}\\{user}")),
            agent: Rc::clone(agent),
            tools: Tools::of(&Path::new(&root).join("System32")),
            patience: Patience::default(),
        }
    }

    /// The same with other tools, for tests.
    #[must_use]
    pub fn with_tools(self, folder: &Path, patience: Patience) -> Self {
        Self { tools: Tools::of(folder), patience, ..self }
    }

    fn file(&self) -> PathBuf {
        self.state.join(FILE)
    }

    /// The definition that was registered.
    fn kept(&self) -> Result<Option<String>, ServiceError> {
        Ok(read(&self.file())?.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }

    /// The name of the task that was registered.
    fn installed(&self) -> Result<String, ServiceError> {
        let kept = self.kept()?.ok_or(ServiceError::NotInstalled)?;
        let name = definition::user(&kept).map(|user| definition::task_name(&user));
        name.ok_or_else(|| {
            ServiceError::Refused(format!(
                "{} names no user, so it does not say which task is meant; type: mcp-refreshd install",
                self.file().display()
            ))
        })
    }

    /// The definition as it should be, for this user.
    fn wanted(&self, plan: &Plan, user: &str) -> Result<String, ServiceError> {
        let launcher = definition::launcher_of(&plan.program);
        let log_file = self.state.join(LOG_FILE);
        Definition { user, launcher: &launcher, log_file: &log_file, folder: &self.home }.stamped()
    }

    fn set_up(&self, plan: &Plan, changes: &mut Changes) -> Result<(Installed, String), ServiceError> {
        let launcher = definition::launcher_of(&plan.program);
        if !launcher.is_file() {
            return Err(ServiceError::Refused(format!(
                "{} is missing, which runs the agent without a window; it comes with the program: put it back, and try again",
                launcher.display()
            )));
        }
        let user = self.tools.user_id()?.unwrap_or_else(|| self.user.clone());
        let (file, wanted) = (self.file(), self.wanted(plan, &user)?);
        let mut installed = Installed::default();
        match self.kept()? {
            Some(there) if there != wanted && authorship(&there) != Authorship::Ours => {
                installed.steps.push(Step::Kept(file, difference(&there, &wanted)));
            }
            _ => {
                let step = changes.write(&file, &wanted, 0o600)?;
                installed.needs_restart = step.is_change();
                installed.steps.push(step);
            }
        }
        installed.needs_restart = installed.needs_restart && self.runs()?;
        Ok((installed, definition::task_name(&user)))
    }

    /// Polls until `done` holds; false on timeout.
    fn wait(&self, patience: Duration, running: bool) -> Result<bool, ServiceError> {
        let began = Instant::now();
        loop {
            if self.runs()? == running {
                return Ok(true);
            }
            if began.elapsed() >= patience {
                return Ok(false);
            }
            thread::sleep(self.patience.look);
        }
    }

    fn process(&self) -> Result<Option<u32>, ServiceError> {
        self.agent.process().map_err(ServiceError::Unreachable)
    }

    fn gone(name: &str) -> ServiceError {
        ServiceError::Refused(format!(
            "the Task Scheduler has no task {name} any more; to make it again, type: mcp-refreshd install"
        ))
    }
}

impl ServiceManager for TaskScheduler {
    fn preview(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        Ok(self.set_up(plan, &mut Changes::dry_run())?.0)
    }

    fn preview_uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        let file = self.file();
        let step = Changes::dry_run().take_away(&file, &file.with_extension("xml.edited"))?;
        Ok(step.into_iter().collect())
    }

    /// Registers the task again even if its definition is unchanged: the user may have deleted it in the Task Scheduler.
    fn install(&self, plan: &Plan) -> Result<Installed, ServiceError> {
        let mut changes = Changes::new();
        let (mut installed, name) = self.set_up(plan, &mut changes)?;
        self.tools.create(&name, &self.file())?;
        installed.steps.push(Step::Told(format!("registered the task {name}")));
        changes.keep();
        Ok(installed)
    }

    fn uninstall(&self) -> Result<Vec<Step>, ServiceError> {
        sweep(&self.state);
        let name = match self.installed() {
            Err(ServiceError::NotInstalled) => return Ok(Vec::new()),
            other => other?,
        };
        self.stop()?;
        let mut steps = Vec::new();
        // The task goes first: as long as the file is there, another try finds the task.
        if self.tools.knows(&name)? {
            self.tools.delete(&name)?;
            steps.push(Step::Told(format!("deleted the task {name}")));
        }
        let file = self.file();
        let mut changes = Changes::new();
        steps.extend(changes.take_away(&file, &file.with_extension("xml.edited"))?);
        changes.keep();
        Ok(steps)
    }

    fn start(&self) -> Result<(), ServiceError> {
        let name = self.installed()?;
        if self.runs()? {
            return Ok(());
        }
        if !self.tools.knows(&name)? {
            return Err(Self::gone(&name));
        }
        for _ in 0..STARTS {
            self.tools.run(&name)?;
            if self.wait(self.patience.up / STARTS, true)? {
                return Ok(());
            }
        }
        Err(ServiceError::Refused(format!(
            "the agent did not start; {}",
            last_lines(&self.state.join(LOG_FILE))
        )))
    }

    /// The agent ends itself, since the Task Scheduler can only kill. One that does not is killed after a while.
    fn stop(&self) -> Result<(), ServiceError> {
        let Some(process) = self.process()? else { return Ok(()) };
        // One that is too busy to listen reads it later.
        let asked = self.agent.ask_to_stop();
        if self.wait(self.patience.gone, false)? {
            return Ok(());
        }
        let name = self.installed()?;
        // Without its supervisor the agent is not started again.
        self.tools.end(&name)?;
        self.tools.kill(process)?;
        if self.wait(self.patience.up, false)? {
            return Ok(());
        }
        let why = asked.err().map_or_else(String::new, |why| format!(": {why}"));
        Err(ServiceError::Refused(format!(
            "the agent (process {process}) does not end{why}; end it in the Task Manager, and try again"
        )))
    }

    fn restart(&self) -> Result<(), ServiceError> {
        self.installed()?;
        self.stop()?;
        self.start()
    }

    fn is_installed(&self) -> bool {
        matches!(self.kept(), Ok(Some(_)))
    }

    fn standing(&self, plan: &Plan) -> Standing {
        let file = self.file();
        let Ok(Some(there)) = self.kept() else { return Standing::default() };
        let user = definition::user(&there);
        let wanted = user.and_then(|user| self.wanted(plan, &user).ok());
        let hand = authorship(&there);
        let differs = wanted.is_some_and(|wanted| wanted != there);
        Standing {
            origin: Some(Origin::Us),
            enabled: true,
            program: definition::program(&there),
            edited: (hand != Authorship::Ours && differs).then(|| file.clone()).into_iter().collect(),
            outdated: (hand == Authorship::Ours && differs).then(|| file.clone()).into_iter().collect(),
            file: Some(file),
        }
    }

    fn runs(&self) -> Result<bool, ServiceError> {
        Ok(self.process()?.is_some())
    }
}
