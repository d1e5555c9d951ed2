//! Who refreshes while grants move: the running agent, or this process in its place.

use crate::agent::Agent;
use crate::control::instance::Instance;
use crate::control::protocol::{Done, How, Reply, Request, VERSION};
use crate::control::socket::{self, reach_patiently};
use crate::observers::log;
use crate::settings::config::{Config, LogConfig, LogLevel};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::wording::visible;
use refresh_engine::Mode;
use std::time::Duration;

/// At the end what still runs is waited for this long; the journal keeps it.
const DRAIN: Duration = Duration::from_secs(60);

/// Whoever refreshes now.
pub(super) enum Hands {
    /// The running agent, asked by its socket.
    Agents(Paths),
    /// This process, under the same lock.
    Ours { agent: Box<Agent>, _instance: Instance },
}

impl Hands {
    /// The running agent, else this process: it finishes first what the journal holds.
    pub(super) async fn join(config: &Config, paths: &Paths) -> Result<Self, Failure> {
        if let Some(status) = reach_patiently(&paths.state).await? {
            let theirs = status.daemon.map(|daemon| daemon.version).unwrap_or_default();
            return match theirs == VERSION {
                true => Ok(Self::Agents(paths.clone())),
                false => Err(Failure::new(
                    Exit::Person,
                    format!(
                        "the running agent is mcp-refreshd {}, this is {VERSION}; restart it first",
                        visible(&theirs)
                    ),
                )),
            };
        }
        log::init(LogConfig { level: LogLevel::Error, ..config.log });
        let instance = Instance::claim(&paths.state)?;
        let agent = Agent::start(config, paths, Mode::OnlyAsked).await?;
        agent.first_scan().await;
        Ok(Self::Ours { agent: Box::new(agent), _instance: instance })
    }

    /// Has the ledger read again. On return nothing runs for a grant that moves.
    pub(super) async fn heed(&self) -> Result<(), Failure> {
        match self {
            Self::Agents(paths) => match socket::ask(&paths.state, &Request::Moves).await? {
                Some(Reply::MovesHeeded) => Ok(()),
                Some(_) | None => Err(Failure::new(Exit::Person, "the agent stopped meanwhile; try again")),
            },
            Self::Ours { agent, .. } => Ok(agent.heed_moves().await?),
        }
    }

    /// Refreshes one entry of one store now; in words why it could not.
    pub(super) async fn refresh(&self, key: &str, store: &str) -> Result<(), String> {
        let names = vec![key.to_owned()];
        let done = match self {
            Self::Agents(paths) => {
                let ask = Request::Refresh { names, force: true, store: Some(store.to_owned()) };
                match socket::ask(&paths.state, &ask).await.map_err(|error| error.to_string())? {
                    Some(Reply::Refreshed(done)) => done,
                    Some(_) | None => return Err("the agent stopped meanwhile; try again".to_owned()),
                }
            }
            Self::Ours { agent, .. } => agent.refresh(&names, true, Some(store)).await,
        };
        match done.into_iter().find(|done| done.key == key) {
            Some(Done { how: How::Fresh, .. }) => Ok(()),
            Some(done) => Err(done.detail),
            None => Err("no agent keeps its store".to_owned()),
        }
    }

    /// Lets what runs end.
    pub(super) async fn leave(self) {
        if let Self::Ours { agent, .. } = self {
            // What does not end in time is in the journal.
            let _ = tokio::time::timeout(DRAIN, agent.drain()).await;
        }
    }
}
