//! `mcp-refreshd check`: whether tokens are good, as an exit code.

use crate::agent::network;
use crate::agent::status::{folders, status_from_disk, watches};
use crate::agent::stores;
use crate::agent::stores::storage_folders;
use crate::cli::CheckArgs;
use crate::commands::status;
use crate::control::report::Status;
use crate::control::socket::reach;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::settings::surroundings::Surroundings;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::{argument, how_to_mend, refresh_by_force, what_to_type};
use crate::terminal::wording::{length, visible};
use claude_store::{AnyStore, ErrorKind, KEYCHAIN_OVERFLOW, Store};
use jiff::Timestamp;
use refresh_engine::{Need, ObservedEntry, State};
use std::time::Duration;
use token_endpoint::{Http, Probe, SendError};
use tokio::task::spawn_local;

/// As many servers are asked at the same time.
const AT_ONCE: usize = 16;
/// How long a token has to be good for, where nobody says.
const MIN_VALID: Duration = Duration::from_secs(10 * 60);

/// Carries out the command. Reads the store itself, so that it needs no agent, and changes nothing. Only that an ended token rests has to be
/// said by an agent that runs: without one nobody would wake it.
///
/// # Errors
/// Wrong use, or a result that cannot be printed.
pub(crate) async fn check(paths: &Paths, args: CheckArgs) -> Result<Exit, Failure> {
    let config = Config::load(&paths.config, &paths.home)?;
    let mut exit = Exit::Well;
    let mut entries = Vec::new();
    let say = |why: &str| {
        if !args.quiet {
            output::message(&visible(why));
        }
    };
    // An agent that does not answer is `status`'s to speak of.
    let agent = reach(&paths.state).await.ok().flatten();
    for folder in folders(&config, paths, agent.as_ref()) {
        let store = stores::open(&config, paths, &folder, &|_| false).await.store;
        match read(&store).await {
            Ok((mut found, odd)) => {
                if agent.as_ref().is_some_and(|agent| !watches(agent, store.location())) {
                    say(&status::not_watched(store.location()));
                }
                entries.append(&mut found);
                odd.iter().for_each(|why| say(why));
                exit = exit.max(if odd.is_empty() { Exit::Well } else { Exit::Person });
            }
            Err(Unread::Absent) => say(&format!("there is no {} yet", store.location())),
            Err(Unread::Broken(why)) => {
                say(&why);
                exit = exit.max(Exit::Unreadable);
            }
        }
    }
    let fits =
        |name: &str, seen: &ObservedEntry| seen.entry.server_name == name || seen.entry.key.as_str() == name;
    if let Some(name) = args.names.iter().find(|name| !entries.iter().any(|seen| fits(name, seen))) {
        return Err(status::unknown(&status_from_disk(&config, paths).await, name));
    }
    entries.retain(|seen| match args.names.as_slice() {
        [] => !config.policy.servers.get(&seen.entry.server_name).is_some_and(|server| server.ignore),
        names => names.iter().any(|name| fits(name, seen)),
    });
    entries.sort_by(|a, b| (&a.entry.server_name, &a.entry.key).cmp(&(&b.entry.server_name, &b.entry.key)));
    let now = Timestamp::now();
    let min_valid = args.min_valid.unwrap_or(MIN_VALID);
    let mut told: Vec<_> = entries.iter().map(|seen| judge(seen, now, min_valid, None)).collect();
    if told.iter().any(|told| !told.good) {
        // Only now the records matter: whether a refresh would help, or is not wanted before somebody comes.
        let status = match agent {
            Some(status) => status,
            None => status_from_disk(&config, paths).await,
        };
        told = entries
            .iter()
            .map(|seen| {
                let told = judge(seen, now, min_valid, needed(&status, seen));
                if !told.good && rests(&status, seen) { resting(seen, now, args.min_valid) } else { told }
            })
            .collect();
    }
    if args.live {
        let folders = storage_folders(&config, paths);
        let surroundings = folders.first().map(Surroundings::read).unwrap_or_default();
        let (http, _) = network::http(&config.network, &surroundings).map_err(|error| {
            Failure::new(Exit::Usage, format!("the configuration's `[network]` cannot be used: {error}"))
        })?;
        // A token that has ended in its rest is refused, and that says nothing.
        let asked =
            entries.iter().zip(&told).map(|(seen, told)| told.asks.then_some(seen)).collect::<Vec<_>>();
        for (told, asked) in told.iter_mut().zip(ask_all(&http, &asked).await) {
            if let Some(asked) = asked {
                told.good &= asked.good;
                told.words = format!("{}; {}", told.words, asked.words);
            }
        }
    }
    if told.iter().any(|told| !told.good) {
        exit = exit.max(Exit::Person);
    }
    if !args.quiet {
        output::result(&text(&entries, &told, exit))?;
    }
    Ok(exit)
}

fn text(entries: &[ObservedEntry], told: &[Told], exit: Exit) -> String {
    let line = |(seen, told): (&ObservedEntry, &Told)| {
        let mark = if told.good { "ok" } else { "not ok" };
        format!("{}: {mark}: {}\n", visible(&seen.entry.server_name), told.words)
    };
    let text: String = entries.iter().zip(told).map(line).collect();
    if text.is_empty() && exit == Exit::Well { "no servers with a login\n".to_owned() } else { text }
}

/// Why a store tells nothing.
enum Unread {
    Absent,
    /// Path, cause and cure.
    Broken(String),
}

/// The entries of a store, and what is to be said of those that are not understood.
async fn read(store: &AnyStore) -> Result<(Vec<ObservedEntry>, Vec<String>), Unread> {
    let snapshot = store.read().await.map_err(|error| match error.kind() {
        ErrorKind::Absent => Unread::Absent,
        ErrorKind::Retry | ErrorKind::NeedsPerson => Unread::Broken(error.to_string()),
    })?;
    let document =
        snapshot.document().map_err(|error| Unread::Broken(format!("{}: {error}", store.location())))?;
    let odd = document.problems().iter().map(|problem| {
        let name = problem.key.server_name();
        format!("{name}: not understood: {}; {}", problem.why, how_to_mend(name))
    });
    let hidden = document.incomplete();
    let hidden = hidden.map(|why| format!("{}: {why}; {}", store.location(), how_to_mend(KEYCHAIN_OVERFLOW)));
    let odd = hidden.into_iter().chain(odd).collect();
    Ok((document.entries().cloned().map(ObservedEntry::new).collect(), odd))
}

/// What to type where no refresh helps any more, as far as the agent's records know.
fn needed<'a>(status: &'a Status, seen: &ObservedEntry) -> Option<&'a str> {
    let key = seen.entry.key.as_str();
    let mut entries = status.stores.iter().flat_map(|store| &store.entries);
    entries.find(|entry| entry.key == key && entry.state == State::NeedsPerson)?.action.as_deref()
}

/// Whether the agent that runs says that this entry rests.
fn rests(status: &Status, seen: &ObservedEntry) -> bool {
    let key = seen.entry.key.as_str();
    let entries = status.stores.iter().flat_map(|store| &store.entries);
    let mut same = entries.filter(|entry| entry.key == key).peekable();
    status.daemon.is_some() && same.peek().is_some() && same.all(|entry| entry.state == State::Resting)
}

/// What is to be said of an entry that rests.
fn resting(seen: &ObservedEntry, now: Timestamp, min_valid: Option<Duration>) -> Told {
    let left = seen.expiry.moment().map(|end| end.duration_since(now)).unwrap_or_default();
    let time = length(left.unsigned_abs());
    let end =
        if left.is_positive() { format!("valid for {time} only") } else { format!("expired {time} ago") };
    if min_valid.is_some() {
        let now = format!("mcp-refreshd refresh {}", argument(&seen.entry.server_name));
        return Told::bad(format!("rests, {end}; type: {now}"));
    }
    Told {
        asks: left.is_positive(),
        ..Told::good(format!(
            "rests, {end}: nobody is expected to use it now; it is fresh again when somebody is"
        ))
    }
}

/// What is to be said of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    good: bool,
    words: String,
    /// Whether its server could say more.
    asks: bool,
}

impl Told {
    fn good(words: impl Into<String>) -> Self {
        Self { good: true, words: words.into(), asks: true }
    }

    fn bad(words: impl Into<String>) -> Self {
        Self { good: false, words: words.into(), asks: true }
    }
}

/// Whether an entry's token is good for `min_valid`, by what the store says.
/// `needed` is what only a person can do.
fn judge(seen: &ObservedEntry, now: Timestamp, min_valid: Duration, needed: Option<&str>) -> Told {
    let name = &seen.entry.server_name;
    let login = || what_to_type(&Need::Stub, name);
    if seen.entry.access_token.is_none() {
        return Told::bad(format!("not logged in; type: {}", login()));
    }
    let Some(end) = seen.expiry.moment() else {
        return Told::good("valid, unknown expiry");
    };
    let cure = match (needed, seen.refresh) {
        (Some(needed), _) => needed.to_owned(),
        (None, Some(_)) => refresh_by_force(name),
        (None, None) => login(),
    };
    match Duration::try_from(end.duration_since(now)) {
        Ok(left) if left >= min_valid && !left.is_zero() => Told::good(format!("valid for {}", length(left))),
        Ok(left) if !left.is_zero() => Told::bad(format!("valid for {} only; type: {cure}", length(left))),
        _ if end <= Timestamp::UNIX_EPOCH => Told::bad(format!("expired; type: {cure}")),
        _ => {
            let ago = length(end.duration_since(now).unsigned_abs());
            Told::bad(format!("expired {ago} ago; type: {cure}"))
        }
    }
}

/// What each server says of its token; `None` where there is nothing to ask with.
async fn ask_all(http: &Http, entries: &[Option<&ObservedEntry>]) -> Vec<Option<Told>> {
    let mut all = Vec::new();
    for some in entries.chunks(AT_ONCE) {
        let tasks: Vec<_> = some
            .iter()
            .map(|seen| {
                let (http, entry) = (http.clone(), seen.map(|seen| seen.entry.clone()));
                spawn_local(async move {
                    let entry = entry?;
                    let token = entry.access_token.as_ref()?;
                    let Some(url) = entry.server_url.as_deref() else {
                        return Some(Told::bad("the entry names no server to ask"));
                    };
                    Some(judge_answer(&http.initialize(url, token).await, &entry.server_name))
                })
            })
            .collect();
        for task in tasks {
            all.push(task.await.unwrap_or_else(|_| Some(Told::bad("the server could not be asked"))));
        }
    }
    all
}

fn judge_answer(answer: &Result<Probe, SendError>, name: &str) -> Told {
    match answer {
        Ok(Probe { status: status @ 200..=299, .. }) => {
            Told::good(format!("the server accepts it (HTTP {status})"))
        }
        Ok(Probe { status: 401, .. }) => {
            Told::bad(format!("the server refuses it (HTTP 401); type: {}", refresh_by_force(name)))
        }
        Ok(Probe { status: 403, .. }) => {
            Told::bad("the server accepts it for less than a session needs (HTTP 403)")
        }
        Ok(Probe { status, .. }) => Told::bad(format!("the server answers HTTP {status}")),
        Err(error) => Told::bad(format!("unreachable: {}", visible(&error.to_string()))),
    }
}
