//! `mcp-refreshd refresh`: by the daemon where one runs, else by this process under the same locks.

use crate::agent::Agent;
use crate::agent::status::status_from_disk;
use crate::cli::RefreshArgs;
use crate::commands::status::unknown;
use crate::control::instance::Instance;
use crate::control::protocol::{Done, How, Reply, Request};
use crate::control::report::{EntryStatus, Status, waiting};
use crate::control::socket;
use crate::control::socket::reach;
use crate::observers::log;
use crate::settings::config::{Config, LogConfig, LogLevel};
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy;
use crate::terminal::wording::{length, visible};
use jiff::Timestamp;
use refresh_engine::{Mode, Need, State, Until};
use std::fmt::Write as _;
use std::time::Duration;

/// A refresh that was begun is waited for this long at the end; what then still runs is in the journal.
const DRAIN: Duration = Duration::from_secs(60);

/// Carries out the command.
///
/// # Errors
/// What went wrong, with its exit code.
pub(crate) async fn refresh(paths: &Paths, args: RefreshArgs) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    let daemon = reach(&paths.state).await?;
    let runs = daemon.is_some();
    let status = match daemon {
        Some(status) => status,
        None => status_from_disk(&config, paths).await,
    };
    if let Some(name) = args.names.iter().find(|name| !knows(&status, name)) {
        return Err(unknown(&status, name));
    }
    let unreadable = unreadable(&status);
    if args.dry_run {
        let text = would(&status, &args, Timestamp::now());
        if !(text.is_empty() && unreadable == Exit::Unreadable) {
            output::result(or_none(&text))?;
        }
        return Ok(unreadable);
    }
    let done =
        if runs { by_the_daemon(paths, &args).await? } else { by_itself(&config, paths, &args).await? };
    if !(done.is_empty() && unreadable == Exit::Unreadable) {
        output::result(or_none(&told(&done)))?;
    }
    Ok(exit(&done).max(unreadable))
}

fn knows(status: &Status, name: &str) -> bool {
    status.stores.iter().flat_map(|store| &store.entries).any(|entry| fits(entry, name))
}

fn fits(entry: &EntryStatus, name: &str) -> bool {
    entry.name == name || entry.key == name
}

/// Says which stores cannot be read; one that does not exist yet holds nothing to refresh.
fn unreadable(status: &Status) -> Exit {
    let mut exit = Exit::Well;
    for store in status.stores.iter().filter(|store| !store.absent) {
        if let Some(why) = &store.unreadable {
            output::message(&visible(why));
            exit = Exit::Unreadable;
        }
    }
    exit
}

async fn by_the_daemon(paths: &Paths, args: &RefreshArgs) -> Result<Vec<Done>, Failure> {
    let ask = Request::Refresh { names: args.names.clone(), force: args.force };
    match socket::ask(&paths.state, &ask).await? {
        Some(Reply::Refreshed(done)) => Ok(done),
        Some(_) | None => Err(Failure::new(Exit::Person, "the agent ended meanwhile; try again")),
    }
}

async fn by_itself(config: &Config, paths: &Paths, args: &RefreshArgs) -> Result<Vec<Done>, Failure> {
    // The ends are told as this command's result; only what goes wrong besides belongs on standard error.
    log::init(LogConfig { level: LogLevel::Error, ..config.log });
    paths.home_exists()?;
    private_folder(&paths.state)?;
    let _instance = Instance::claim(&paths.state)?;
    let agent = Agent::start(config, paths, Mode::OnlyAsked).await?;
    agent.first_scan().await;
    let done = agent.refresh(&args.names, args.force).await;
    if tokio::time::timeout(DRAIN, agent.drain()).await.is_err() {
        output::message(
            "a refresh did not come to its end within a minute; its journal will be read by the next run",
        );
    }
    Ok(done)
}

fn exit(done: &[Done]) -> Exit {
    let ends = done.iter().map(|done| match done.how {
        How::Fresh | How::NotNeeded | How::Running | How::Ignored => Exit::Well,
        How::NeedsPerson | How::Failed => Exit::Person,
    });
    ends.max().unwrap_or(Exit::Well)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "no servers with a login\n" } else { text }
}

fn told(done: &[Done]) -> String {
    let mut text = String::new();
    for Done { name, how: _, detail } in done {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: {}", visible(name), visible(detail));
    }
    text
}

/// What a refresh would do, from what is known without asking any server.
fn would(status: &Status, args: &RefreshArgs, now: Timestamp) -> String {
    let wanted =
        |entry: &&EntryStatus| args.names.is_empty() || args.names.iter().any(|name| fits(entry, name));
    let mut text = String::new();
    for entry in status.stores.iter().flat_map(|store| &store.entries).filter(wanted) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}: {}", visible(&entry.name), would_one(entry, args.force, now));
    }
    text
}

fn would_one(entry: &EntryStatus, force: bool, now: Timestamp) -> String {
    let left = entry.expires_at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    let due = matches!(entry.state, State::Expired | State::Due | State::Retrying | State::Resting);
    match entry.state {
        State::NeedsPerson => {
            let why = entry.why.as_deref().map_or_else(String::new, visible);
            format!("needs you: {why}; type: {}", entry.action.as_deref().unwrap_or("claude mcp list"))
        }
        State::Ignored => "would be left alone, as the configuration says".to_owned(),
        State::Refreshing => "is being refreshed already".to_owned(),
        _ if entry.refresh.is_none() && force => format!(
            "needs you: it has no refresh token; type: {}",
            remedy::what_to_type(&Need::NoRefreshToken, &entry.name)
        ),
        _ if entry.waits_for.as_deref() == waiting(Until::AmbiguousHold) && left.is_some() => {
            "would be left alone: an answer left it open whether its refresh token is used up".to_owned()
        }
        _ if entry.refresh.is_none() => "would be left alone: it has no refresh token".to_owned(),
        _ if due || force => "would be refreshed".to_owned(),
        _ => match left {
            Some(left) => format!("would be left alone: {} left (--force refreshes it)", length(left)),
            None => "would be left alone: not due (--force refreshes it)".to_owned(),
        },
    }
}
