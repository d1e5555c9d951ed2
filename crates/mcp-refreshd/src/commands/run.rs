//! `mcp-refreshd run`: the keepers, what wakes them, and what stops them.

mod notices;
mod notify;
mod reload;
mod token_socket;
mod watch;

use crate::agent::runtime::block_on;
use crate::agent::{Agent, Machine, StartError, config_check};
use crate::commands::doctor;
use crate::control::instance::Instance;
use crate::control::protocol::{Reply, Request, TokenRequest, VERSION};
use crate::control::report::Daemon;
use crate::control::socket::Listener;
use crate::observers::log;
use crate::observers::notices::delivery;
use crate::platform::clock::SleepWatch;
use crate::platform::memory;
use crate::platform::process;
use crate::platform::signals::{self, Ends};
use crate::settings::config::{self, Config};
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::counted;
use compact::spawn_local;
use jiff::Timestamp;
use refresh_engine::{Keeper, Mode};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

/// What is on the wire may take this long: one request (30 s), a second one after a lost answer, and the write. Anything unfinished
/// is in the journal.
const DRAIN: Duration = Duration::from_secs(60);
/// Extra time for the rest of a shutdown.
const MARGIN: Duration = Duration::from_secs(10);
/// How often to look whether a move was cut off: until then nobody refreshes its grant.
const MOVE_LOOK: Duration = Duration::from_secs(2);
/// A burst of events becomes one status line for the service manager.
const STATUS_PACE: Duration = Duration::from_secs(1);

/// Runs until a signal stops it.
///
/// # Errors
/// Why it cannot start.
#[inline(never)]
pub(crate) fn run(paths: &Paths, log_file: Option<&Path>) -> Result<Exit, Failure> {
    if let Some(file) = log_file {
        let file = config::path_argument(file, &paths.home).map_err(|error| {
            Failure::new(Exit::Usage, format!("the log file {} cannot be found: {error}", file.display()))
        })?;
        // Before the configuration is read: its problems belong in the log, too.
        log::into_file(file);
    }
    started_up(paths).inspect_err(|failure| log::end_of_all(failure.message()))
}

fn started_up(paths: &Paths) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    if let (None, Some(file)) = (log::goes_to(), &config.log_file) {
        log::into_file(file.clone());
    }
    log::init(config.log);
    memory::keep_private().iter().for_each(|failure| tracing::warn!("{failure}"));
    paths.home_exists()?;
    private_folder(&paths.state)?;
    let instance = Instance::claim_after(&paths.state, DRAIN + MARGIN)?;
    instance.tell(None, log::goes_to().as_deref())?;
    block_on(keep(&config, paths, &instance))?
}

async fn keep(config: &Config, paths: &Paths, instance: &Instance) -> Result<Exit, Failure> {
    remedy::for_any_shell();
    let unheard = |error| Failure::new(Exit::Person, format!("cannot handle signals: {error}"));
    let mut signals = Ends::new().map_err(unheard)?;
    let mut hangup = signals::hangup().map_err(unheard)?;
    let agent = Rc::new(Agent::start(config, paths, Mode::Watch).await?);
    agent.observer().history.agent_started();
    let listener = listen(paths, instance)?.map(Rc::new);
    let identity = Daemon {
        pid: std::process::id(),
        version: VERSION.to_owned(),
        started_at: started(),
        service: Some(process::is_service()),
    };
    let (anew, asked) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    watch_all(&agent, &anew);
    let allowed = token_socket::Allowed::default();
    let reloader = reload::Reloader::new(config.clone(), paths.clone(), allowed.clone());
    let reloader = Rc::new(Mutex::new(reloader));
    let serving = listener.as_ref().map(|listener| {
        let (listener, agent, identity) = (Rc::clone(listener), Rc::clone(&agent), identity.clone());
        let (reloader, anew, asked) = (Rc::clone(&reloader), Rc::clone(&anew), Rc::clone(&asked));
        spawn_local(async move {
            listener
                .serve(async move |ask| {
                    let reply = answer(&agent, &reloader, &identity, &asked, ask).await;
                    watch_all(&agent, &anew);
                    reply
                })
                .await;
        })
    });
    let tokens = config.token_socket.as_ref().and_then(|config| token_socket::listen(config, paths, allowed));
    let handing_out = tokens.map(|tokens| spawn_local(tokens.serve(Rc::clone(&agent))));
    agent.first_scan().await;
    tracing::info!("mcp-refreshd {VERSION} started (process {})", identity.pid);
    notify::ready(&notify::summary(&agent.status(None)));
    {
        let (agent, state) = (Rc::clone(&agent), paths.state.clone());
        spawn_local(async move { notices::tell(agent, &state).await });
    }
    spawn_local(settle(Rc::clone(&agent)));
    spawn_local(note_sleep(Rc::clone(&agent)));
    if notify::is_heard() {
        spawn_local(tell_status(Rc::clone(&agent)));
    }
    if let Some(pace) = notify::watchdog() {
        spawn_local(feed_watchdog(Rc::clone(&agent), pace));
    }
    spawn_local(tell_remarks(Rc::clone(&agent), config.clone()));
    let why = loop {
        tokio::select! {
            name = signals.next() => {
                tracing::info!("{name}: stopping");
                break Exit::Well;
            }
            () = asked.notified() => {
                tracing::info!("asked to stop: stopping");
                // A supervisor starts an agent again that ended by itself or was killed, but not this one.
                break if process::is_service() { Exit::NotRunning } else { Exit::Well };
            }
            () = anew.notified() => {
                tracing::info!("stopping, to restart with access to the new folder");
                // The manager restarts it after a success as well, and a failure in its log would alarm readers.
                break Exit::Well;
            }
            // In its own task: a stop signal must not wait for a file.
            _ = hangup.recv() => {
                let (agent, reloader) = (Rc::clone(&agent), Rc::clone(&reloader));
                spawn_local(async move { drop(reloader.lock().await.reload(&agent).await) });
            }
        }
    };
    notify::stopping();
    if let Err(error) = instance.ending() {
        // Without the note a successor is refused instead of waiting, and its manager restarts it.
        tracing::debug!("{error}");
    }
    let end = drain(&agent, &mut signals).await;
    // Its file goes with it.
    handing_out.iter().for_each(JoinHandle::abort);
    agent.observer().history.agent_ended();
    if let (Some(listener), Some(serving)) = (listener, serving) {
        serving.abort();
        // An aborted task ends with an error that says nothing else.
        let _ = serving.await;
        listener.farewell().await;
    }
    Ok(if why == Exit::NotRunning { why } else { end.max(why) })
}

/// Listens for clients, or goes on without: fresh tokens matter more than answering questions about them.
fn listen(paths: &Paths, instance: &Instance) -> Result<Option<Listener>, Failure> {
    match Listener::bind(&paths.sockets) {
        Ok((listener, passed_over)) => {
            passed_over
                .iter()
                .for_each(|error| tracing::warn!("{error}; listening at {}", listener.path().display()));
            instance.tell(Some(listener.path()), log::goes_to().as_deref())?;
            Ok(Some(listener))
        }
        Err(errors) => {
            errors.iter().for_each(|error| tracing::error!("{error}"));
            instance.without_socket()?;
            tracing::error!(
                "without a control socket `status` and `refresh` cannot reach this agent; it still keeps the tokens fresh"
            );
            Ok(None)
        }
    }
}

fn started() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Logs which settings have no effect.
async fn tell_remarks(agent: Rc<Agent>, config: Config) {
    let folders = agent.kept().iter().map(|kept| kept.folder.clone()).collect();
    let remarks = config_check::remarks(&config, folders, &agent.status(None)).await;
    remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
}

async fn answer(
    agent: &Rc<Agent>,
    reloader: &Mutex<reload::Reloader>,
    identity: &Daemon,
    stop: &Notify,
    ask: Request,
) -> Reply {
    if ask != Request::Stop {
        agent.first_scan().await;
    }
    match ask {
        Request::Status => Reply::Status(agent.status(Some(identity.clone()))),
        Request::Refresh { names, force, store } => {
            Reply::Refreshed(agent.refresh(&names, force, store.as_deref()).await)
        }
        Request::ProxyVariables => {
            Reply::ProxyVariables(doctor::proxy_variables().map(str::to_owned).collect())
        }
        Request::Reload => Reply::Reloaded(reloader.lock().await.reload(agent).await),
        Request::TestNotice => {
            let config = agent.observer().notices.config();
            Reply::NoticeTested(delivery::test(&config).await)
        }
        Request::Moves => match heed(agent).await {
            Ok(()) => {
                spawn_local(settle(Rc::clone(agent)));
                Reply::MovesHeeded
            }
            Err(error) => Reply::Refused(error.to_string()),
        },
        Request::AccessToken(request) => token_socket::hand_out(agent, &request).await,
        Request::AccessTokenFrom { store, request } => {
            token_socket::hand_out(agent, &TokenRequest { store: Some(store), ..request }).await
        }
        #[cfg(feature = "cluster")]
        Request::Cluster { name, add } => match agent.move_grant(&name, add).await {
            Ok(moved) => Reply::Moved(moved),
            Err(why) => Reply::Refused(why),
        },
        Request::Restore { store } => Reply::Restored(agent.restore(&store).await),
        Request::Stop => {
            stop.notify_one();
            Reply::Stopping
        }
    }
}

/// Wakes every keeper that nothing wakes yet when its store changes.
fn watch_all(agent: &Rc<Agent>, anew: &Rc<Notify>) {
    for kept in agent.kept().iter().filter(|kept| !kept.watched.replace(true)) {
        spawn_local(take_in_late(Rc::clone(agent), kept.keeper.clone()));
        spawn_local(watch::watch(kept.folder.clone(), kept.keeper.clone(), Rc::clone(anew)));
    }
}

async fn heed(agent: &Agent) -> Result<(), StartError> {
    agent.heed_moves().await?;
    // The command that asks may have claimed the moves; then it comes later.
    agent.take_in_late().await.map(drop)
}

/// Takes what clients write for grants in the vault.
async fn take_in_late(agent: Rc<Agent>, keeper: Keeper<Machine>) {
    loop {
        keeper.something_returned().await;
        loop {
            match agent.take_in_late().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!("{error}"),
            }
            tokio::time::sleep(MOVE_LOOK).await;
        }
    }
}

/// While grants move: looks whether the process that moves them was killed halfway.
async fn settle(agent: Rc<Agent>) {
    while agent.moves() {
        tokio::time::sleep(MOVE_LOOK).await;
        if let Err(error) = agent.settle_cut_off().await {
            tracing::warn!("{error}");
        }
    }
}

/// Records suspends, which do not count in the history's statistics.
async fn note_sleep(agent: Rc<Agent>) {
    let mut watch = SleepWatch::new();
    loop {
        let slept = watch.slept().await;
        let now = Timestamp::now();
        agent.observer().history.slept(now.saturating_sub(slept).unwrap_or(now), now);
    }
}

/// Lets running refreshes finish.
async fn drain(agent: &Agent, signals: &mut Ends) -> Exit {
    let running = agent.running();
    if running > 0 {
        tracing::info!("waiting for {}", counted(running, "refresh", "refreshes"));
    }
    let drained = tokio::time::timeout(DRAIN, agent.drain());
    tokio::pin!(drained);
    loop {
        tokio::select! {
            end = &mut drained => return match end {
                Ok(()) => Exit::Well,
                Err(_) => {
                    tracing::error!("a refresh did not finish within a minute; the next start recovers it from the journal");
                    Exit::Person
                }
            },
            name = signals.next() => {
                // An abrupt exit would lose a token on the wire.
                tracing::warn!("{name}: still waiting for a refresh, at most a minute");
            }
        }
    }
}

/// Keeps the service manager's status line up to date.
async fn tell_status(agent: Rc<Agent>) {
    let news = agent.observer().log.news();
    let mut told = String::new();
    loop {
        news.notified().await;
        tokio::time::sleep(STATUS_PACE).await;
        let now = notify::summary(&agent.status(None));
        if now != told {
            notify::status(&now);
            told = now;
        }
    }
}

/// Pings the watchdog whenever every keeper's loop has taken a turn.
async fn feed_watchdog(agent: Rc<Agent>, pace: Duration) {
    loop {
        for kept in agent.kept() {
            kept.keeper.ping().await;
        }
        notify::alive();
        tokio::time::sleep(pace).await;
    }
}
