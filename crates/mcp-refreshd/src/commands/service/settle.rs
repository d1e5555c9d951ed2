//! Stopping the agent without leaving a token behind that is not in the store.

use crate::agent::Agent;
use crate::agent::runtime::block_on;
use crate::control::instance::Instance;
use crate::control::socket::reach_patiently;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::wording::visible;
use claude_store::OsFileSystem;
use compact::Arrange as _;
use refresh_engine::{Journal, Mode, State};
use std::time::{Duration, Instant};
use user_agent_service::{ServiceError, ServiceManager};

/// Pairs are saved as soon as the store's lock is released; a stale lock is taken over after 15 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a running agent is asked meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// Ends the service. A new token that its journal holds is written to the store; where that cannot be, the service goes on.
///
/// # Errors
/// It cannot be ended, or a token cannot be saved: says which, why, and what to do.
pub(super) fn end(manager: &dyn ServiceManager, paths: &Paths) -> Result<(), Failure> {
    let ran = manager.runs()?;
    if ran {
        block_on(saved_by_the_agent(paths))??;
    }
    match manager.stop() {
        Ok(()) | Err(ServiceError::NotInstalled) => {}
        Err(error) => return Err(error.into()),
    }
    let Err(failure) = save_what_is_left(paths) else { return Ok(()) };
    if !ran {
        return Err(failure);
    }
    manager.start()?;
    Err(Failure::new(
        Exit::Person,
        format!("{}\nThe agent keeps running and retries by itself", failure.message()),
    ))
}

/// Gives the running agent, which tries again and again, some time to save what it has.
///
/// # Errors
/// It cannot: says what, why, and what to do.
async fn saved_by_the_agent(paths: &Paths) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    loop {
        // An agent that does not answer is for the manager to end.
        let status = reach_patiently(&paths.state).await.ok().flatten();
        let stores = status.iter().flat_map(|status| &status.stores);
        let entries: Vec<_> = stores.flat_map(|store| &store.entries).collect();
        let unsaved = entries.iter().find_map(|entry| Some((&entry.name, entry.unsaved.as_ref()?)));
        let late = Instant::now() >= end;
        match unsaved {
            Some((name, why)) if late => return Err(refused(paths, &visible(name), &visible(why))),
            // What is on the wire may turn out to be hard to save; in the end the drain waits for it.
            None if late || !entries.iter().any(|entry| entry.state == State::Refreshing) => return Ok(()),
            Some(_) | None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn refused(paths: &Paths, names: &str, why: &str) -> Failure {
    Failure::new(
        Exit::Person,
        format!(
            "nothing was done: a new token for {names} is not in the store yet, and only the journal {} holds it: {why}\nFix that, and \
             try again",
            paths.state.join("journal").display(),
        ),
    )
}

/// Writes new tokens that only the journal holds to the store.
///
/// # Errors
/// One cannot be saved: says which, why, and what to do.
pub(super) fn save_what_is_left(paths: &Paths) -> Result<(), Failure> {
    if unsaved(paths).is_empty() {
        return Ok(());
    }
    let saved = block_on(save(paths))?;
    let left = unsaved(paths);
    if left.is_empty() {
        output::message("saved a new token that was not in the store yet");
        return Ok(());
    }
    let why = saved.err().unwrap_or_else(|| "it was not written".to_owned());
    Err(refused(paths, &left.join(", "), &why))
}

/// The servers whose new token only the journal holds.
fn unsaved(paths: &Paths) -> Vec<String> {
    // A journal that cannot be read is kept, and told by everything else.
    let open = Journal::peek(&OsFileSystem, &paths.state).unwrap_or_default();
    let mut names: Vec<_> = open
        .iter()
        .filter(|open| open.answer.is_some() && open.superseded_by.is_none())
        .map(|open| visible(open.intent.key.rsplit_once('|').map_or(&*open.intent.key, |(name, _)| name)))
        .collect();
    names.arrange();
    names.dedup();
    names
}

/// Has the engine do what it does at every start: bring the journal's open transactions to their ends.
///
/// # Errors
/// Why one could not be.
async fn save(paths: &Paths) -> Result<(), String> {
    let config = Config::load(&paths.config, &paths.home).map_err(|error| error.to_string())?;
    let _instance = Instance::claim(&paths.state).map_err(|error| error.to_string())?;
    let agent = Agent::start(&config, paths, Mode::OnlyAsked).await.map_err(|error| error.to_string())?;
    let work = async {
        agent.first_scan().await;
        agent.drain().await;
    };
    let in_time = tokio::time::timeout(PATIENCE, work).await;
    let status = agent.status(None);
    let stores = status.stores.iter();
    let why = stores
        .flat_map(|store| {
            let entries = store.entries.iter().filter_map(|entry| entry.unsaved.clone());
            entries.chain(store.unreadable.clone())
        })
        .next();
    match (why, in_time) {
        (Some(why), _) => Err(visible(&why)),
        (None, Err(_)) => Err(format!("it took longer than {} s", PATIENCE.as_secs())),
        (None, Ok(())) => Ok(()),
    }
}
