//! `mcp-refreshd refresh`: by the agent if one runs, else by this process under the same locks.

mod dry_run;
mod json;

use crate::agent::Agent;
use crate::agent::chosen_store::chosen_store;
use crate::agent::configuration::{Usable, usable};
use crate::agent::status::status_from_disk;
use crate::cli::RefreshArgs;
use crate::commands::labels::{Named, labels};
use crate::commands::status::unknown;
use crate::control::instance::Instance;
use crate::control::protocol::{Done, How, Reply, Request, VERSION};
use crate::control::report::{EntryStatus, Status};
use crate::control::socket;
use crate::control::socket::reach_patiently;
use crate::observers::log;
use crate::settings::config::{Config, LogConfig, LogLevel};
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::how_to_repair;
use crate::terminal::wording::visible;
use jiff::Timestamp;
use json::Row;
use refresh_engine::Mode;
use std::io;
use std::time::Duration;

/// A refresh in flight is waited for this long at the end; what still runs then is in the journal.
const DRAIN: Duration = Duration::from_secs(60);

/// Carries out the command.
///
/// # Errors
/// What went wrong, with its exit code.
pub(crate) async fn refresh(paths: &Paths, args: RefreshArgs) -> Result<Exit, Failure> {
    let reached = reach_patiently(&paths.state).await;
    let usable = usable(paths, &reached);
    let daemon = reached?;
    let Usable { config, remarks } = usable?;
    remarks.iter().for_each(|remark| output::message(remark));
    let runs = daemon.is_some();
    let mut status = match daemon {
        Some(status) => status,
        None => status_from_disk(&config, paths).await,
    };
    let mut store = None;
    if let Some(value) = &args.store {
        let known = status.stores.iter().map(|store| store.location.as_str());
        let location = chosen_store(&config, paths, value, known)?;
        knows_of_stores(&status)?;
        status.stores.retain(|store| store.location == location);
        store = Some(location);
    }
    if let Some(name) = args.names.iter().find(|name| !knows(&status, name)) {
        return Err(unknown(&status, name));
    }
    let (problems, trouble) = problems(&status, &args.names);
    problems.iter().for_each(|problem| output::message(&visible(problem)));
    let rows = if args.dry_run {
        let wanted =
            |entry: &EntryStatus| args.names.is_empty() || args.names.iter().any(|name| fits(entry, name));
        dry_run::rows(&status, &wanted, args.force, Timestamp::now())
    } else {
        let done = match runs {
            true => by_the_agent(paths, &args, store).await?,
            false => by_itself(&config, paths, &args, store.as_deref()).await?,
        };
        done.into_iter().map(Row::of).collect()
    };
    if args.json {
        output::result(&json::json(&rows, &problems, args.dry_run).map_err(io::Error::from)?)?;
    } else if !(rows.is_empty() && trouble != Exit::Well) {
        output::prose(&text(&rows))?;
    }
    // What a dry run would do is news, not a failure.
    let exit = if args.dry_run { Exit::Well } else { exit(&rows) };
    Ok(exit.max(trouble))
}

fn knows(status: &Status, name: &str) -> bool {
    status.stores.iter().flat_map(|store| &store.entries).any(|entry| fits(entry, name))
}

fn fits(entry: &EntryStatus, name: &str) -> bool {
    entry.name == name || entry.key == name
}

/// An agent of another version would pass over what it does not know, and refresh everything.
fn knows_of_stores(status: &Status) -> Result<(), Failure> {
    match status.daemon.as_ref().filter(|daemon| daemon.version != VERSION) {
        Some(daemon) => Err(Failure::new(
            Exit::Person,
            format!(
                "the running agent is mcp-refreshd {}, which may not know --store; restart it first",
                visible(&daemon.version)
            ),
        )),
        None => Ok(()),
    }
}

/// What cannot be refreshed because it cannot be read; a store that does not exist yet holds nothing to refresh.
fn problems(status: &Status, names: &[String]) -> (Vec<String>, Exit) {
    let (mut problems, mut exit) = (Vec::new(), Exit::Well);
    for store in status.stores.iter().filter(|store| !store.absent) {
        if let Some(why) = &store.unreadable {
            problems.push(why.clone());
            exit = exit.max(Exit::Unreadable);
        }
        // Who names servers is told about those alone.
        for (name, why) in store.odd.iter().filter(|_| names.is_empty()) {
            problems.push(format!("{name}: not understood: {why}; {}", how_to_repair(name, &store.location)));
            exit = exit.max(Exit::Person);
        }
    }
    (problems, exit)
}

async fn by_the_agent(
    paths: &Paths,
    args: &RefreshArgs,
    store: Option<String>,
) -> Result<Vec<Done>, Failure> {
    let ask = Request::Refresh { names: args.names.clone(), force: args.force, store };
    match socket::ask(&paths.state, &ask).await? {
        Some(Reply::Refreshed(done)) => Ok(done),
        Some(_) | None => Err(Failure::new(Exit::Person, "the agent stopped meanwhile; try again")),
    }
}

async fn by_itself(
    config: &Config,
    paths: &Paths,
    args: &RefreshArgs,
    store: Option<&str>,
) -> Result<Vec<Done>, Failure> {
    // How each refresh ended is this command's result; only what goes wrong besides belongs on standard error.
    log::init(LogConfig { level: LogLevel::Error, ..config.log });
    paths.home_exists()?;
    private_folder(&paths.state)?;
    let _instance = Instance::claim(&paths.state)?;
    let agent = Agent::start(config, paths, Mode::OnlyAsked).await?;
    agent.first_scan().await;
    let done = agent.refresh(&args.names, args.force, store).await;
    if tokio::time::timeout(DRAIN, agent.drain()).await.is_err() {
        output::message("a refresh did not finish within a minute; the next run takes it from the journal");
    }
    Ok(done)
}

fn exit(rows: &[Row]) -> Exit {
    let failed = |row: &Row| matches!(row.how, Some(How::NeedsPerson | How::Failed));
    if rows.iter().any(failed) { Exit::Person } else { Exit::Well }
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no servers with a login\n".to_owned();
    }
    let named: Vec<_> =
        rows.iter().map(|row| Named { name: &row.name, key: &row.key, store: &row.store }).collect();
    rows.iter()
        .zip(labels(&named))
        .map(|(row, label)| format!("{label}: {}\n", visible(&row.detail)))
        .collect()
}
