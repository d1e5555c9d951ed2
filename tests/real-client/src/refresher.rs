//! Who refreshes tokens in a run: the agent under test, nobody, or a naive refresher.
//!
//! The other two prove that a scenario can fail. "Nobody" is the world without the agent; "naive" is an agent without locks or quiet
//! moments, so that scenarios in which the agent must *not* act can fail, too.

use crate::naive_refresher::NaiveRefresher;
use crate::user::{User, finish, tail};
use crate::{Fallible, until};
use harness::Daemon;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::process::Child;

/// How the User-Agent of the agent and its naive substitute begins.
pub(crate) const USER_AGENT: &str = "mcp-refreshd";

/// Which one to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// `mcp-refreshd` at this path.
    Agent(PathBuf),
    NaiveRefresher,
    Nobody,
}

impl Choice {
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Agent(_) => "with the agent",
            Self::NaiveRefresher => "with a naive agent",
            Self::Nobody => "without an agent",
        }
    }
}

/// The running one, killed when dropped.
pub(crate) enum Refresher {
    Agent(Agent),
    NaiveRefresher(NaiveRefresher),
    Nobody,
}

impl Refresher {
    pub(crate) fn start(choice: &Choice, person: &Rc<User>) -> Fallible<Self> {
        match choice {
            Choice::Agent(program) => Ok(Self::Agent(Agent::start(program.clone(), Rc::clone(person))?)),
            Choice::NaiveRefresher => Ok(Self::NaiveRefresher(NaiveRefresher::start(Rc::clone(person)))),
            Choice::Nobody => Ok(Self::Nobody),
        }
    }

    /// Whether there is one at all.
    pub(crate) fn is_somebody(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// Whether it has exited by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self {
            Self::Agent(agent) => agent.daemon.has_ended(),
            Self::NaiveRefresher(_) | Self::Nobody => false,
        }
    }

    /// Refreshes now, whether due or not.
    pub(crate) async fn force(&self, person: &User) -> Fallible<()> {
        match self {
            Self::Agent(agent) => agent.command(&["refresh", crate::user::SERVER, "--force"]).await.map(drop),
            Self::NaiveRefresher(naive) => naive.refresh(person).await,
            Self::Nobody => Ok(()),
        }
    }

    /// The server's state according to the agent, if it is the agent.
    pub(crate) async fn state(&self) -> Fallible<Option<String>> {
        let status = self.status().await?;
        Ok(status.pointer("/servers/0/state").and_then(Value::as_str).map(str::to_owned))
    }

    /// Starts a command of the agent in the background, if it is the agent.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Fallible<Option<Child>> {
        let Self::Agent(agent) = self else { return Ok(None) };
        let mut command = agent.person.command(&agent.program);
        let log = File::options().append(true).create(true).open(agent.person.log("command.log"))?;
        Ok(Some(command.args(arguments).stdout(log.try_clone()?).stderr(log).spawn()?))
    }

    /// Runs a command of the agent to its end, if it is the agent.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Fallible<()> {
        match self {
            Self::Agent(agent) => agent.command(arguments).await.map(drop),
            Self::NaiveRefresher(_) | Self::Nobody => Ok(()),
        }
    }

    /// The output of `status --json`, whatever its exit status, if it is the agent.
    pub(crate) async fn status(&self) -> Fallible<Value> {
        let Self::Agent(agent) = self else { return Ok(Value::Null) };
        let output = agent.person.command(&agent.program).args(["status", "--json"]).output().await?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Shuts it down.
    pub(crate) async fn stop(self) -> Fallible<()> {
        match self {
            Self::Agent(agent) => agent.stop().await,
            _ => Ok(()),
        }
    }
}

/// A running `mcp-refreshd`.
pub(crate) struct Agent {
    program: PathBuf,
    person: Rc<User>,
    daemon: Daemon,
}

impl Agent {
    fn start(program: PathBuf, person: Rc<User>) -> Fallible<Self> {
        let mut command = person.command(&program).into_std();
        command.arg("run");
        let log = File::options().append(true).read(true).create(true).open(person.log("agent.log"))?;
        let daemon = Daemon::start(command, log)?;
        Ok(Self { program, person, daemon })
    }

    async fn command(&self, arguments: &[&str]) -> Fallible<String> {
        let mut command = self.person.command(&self.program);
        command.args(arguments);
        finish(command, &format!("mcp-refreshd {}", arguments.join(" "))).await
    }

    async fn stop(mut self) -> Fallible<()> {
        let failed = |what: &str| format!("{what}:\n{}", tail(&self.person.log("agent.log")));
        if self.daemon.has_ended() {
            return Err(failed("the agent ended by itself").into());
        }
        self.daemon.signal(Signal::TERM);
        until(Duration::from_secs(70), || self.daemon.has_ended()).await;
        match self.daemon.end(Duration::ZERO) {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, _)) => Err(failed(&format!("the agent ended with {status}")).into()),
            Err(_) => Err(failed("the agent does not end").into()),
        }
    }
}
