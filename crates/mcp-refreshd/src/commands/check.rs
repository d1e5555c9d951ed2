//! `mcp-refreshd check`: whether tokens are valid, as an exit code.

mod json;
mod live;
mod verdict;

use crate::agent::chosen_store::chosen_store;
use crate::agent::configuration::{Usable, usable};
use crate::agent::network;
use crate::agent::status::{folders, status_from_disk, watches};
use crate::agent::stores::{self, storage_folders};
use crate::agent::unwritable::unwritable;
use crate::agent::vault::ledger::Ledger;
use crate::agent::vault::{self, Vault};
use crate::cli::CheckArgs;
use crate::commands::labels::labels;
use crate::commands::status;
use crate::control::report::{EntryStatus, Status};
use crate::control::socket::reach;
use crate::settings::config::Config;
use crate::settings::foreign_home::ForeignHome;
use crate::settings::paths::Paths;
use crate::settings::surroundings::Surroundings;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::how_to_repair;
use crate::terminal::wording::visible;
use claude_store::{AnyStore, ErrorKind, KEYCHAIN_OVERFLOW, Store};
use compact::Arrange as _;
use jiff::Timestamp;
use refresh_engine::{ObservedEntry, State};
use std::io;
use std::time::Duration;
use verdict::{Checked, Verdict};

/// How long a token has to be valid for, unless `--min-valid` says otherwise.
const MIN_VALID: Duration = Duration::from_secs(10 * 60);

/// Carries out the command. It reads the store itself, so that it needs no agent, and changes nothing. Only that an expired token rests has to be
/// said by a running agent: without one nobody would wake it.
///
/// # Errors
/// Wrong use, or a result that cannot be printed.
pub(crate) async fn check(paths: &Paths, args: CheckArgs) -> Result<Exit, Failure> {
    let reached = reach(&paths.state).await;
    let Usable { config, remarks: mut problems } = usable(paths, &reached)?;
    // What to type there was said first: whatever else is typed as this user is in the other one's way.
    let is_foreign = ForeignHome::of(paths).is_some();
    // An agent that does not answer is `status`'s to speak of.
    let agent = reached.ok().flatten();
    let mut opened = Vec::new();
    for folder in folders(&config, paths, agent.as_ref()) {
        opened.push(stores::open(&config, paths, &folder, &|_| false).await.store);
    }
    let mut exit = Exit::Well;
    match Vault::open(&config, paths) {
        Ok(vault) => opened.extend(vault.map(|vault| vault.store)),
        Err(error) => {
            problems.push(error.to_string());
            exit = Exit::Unreadable;
        }
    }
    // One that cannot be read was told about with the vault.
    let ledger = Ledger::load(&vault::folder(paths)).unwrap_or_default();
    if let Some(wanted) = &args.store {
        let wanted = chosen_store(&config, paths, wanted, opened.iter().map(Store::location))?;
        opened.retain(|store| store.location() == wanted);
    }
    let mut entries = Vec::new();
    for store in &opened {
        match read(store).await {
            Ok((found, odd)) => {
                if agent.as_ref().is_some_and(|agent| !watches(agent, store.location())) {
                    problems.push(status::not_watched(store.location()));
                }
                let logins = found.into_iter().filter(|seen| !ledger.left(store.location(), &seen.entry));
                entries.extend(logins.map(|seen| (seen, store.location().to_owned())));
                // Who names servers is told about those alone.
                let odd = odd.into_iter().filter(|odd| args.names.is_empty() || odd.is_named(&args.names));
                let odd: Vec<_> = odd.map(|odd| odd.sentence(is_foreign)).collect();
                exit = exit.max(if odd.is_empty() { Exit::Well } else { Exit::Person });
                problems.extend(odd);
            }
            Err(Unread::Absent) => problems.push(format!("there is no {} yet", store.location())),
            Err(Unread::Broken(why)) => {
                problems.push(why);
                exit = exit.max(Exit::Unreadable);
            }
        }
    }
    let fits =
        |name: &str, seen: &ObservedEntry| seen.entry.server_name == name || seen.entry.key.as_str() == name;
    if let Some(name) = args.names.iter().find(|name| !entries.iter().any(|(seen, _)| fits(name, seen))) {
        return Err(status::unknown(&status_from_disk(&config, paths).await, name));
    }
    if !args.quiet {
        problems.iter().for_each(|problem| output::message(&visible(problem)));
    }
    entries.retain(|(seen, _)| match args.names.as_slice() {
        [] => !config.policy.servers.get(&seen.entry.server_name).is_some_and(|server| server.ignore),
        names => names.iter().any(|name| fits(name, seen)),
    });
    entries.arrange_by(|(a, _), (b, _)| {
        (&a.entry.server_name, &a.entry.key).cmp(&(&b.entry.server_name, &b.entry.key))
    });
    let mut checked = by_the_store(&config, paths, &args, entries, agent).await;
    if args.live {
        let folders = storage_folders(&config, paths);
        let surroundings = folders.first().map(Surroundings::read).unwrap_or_default();
        let (http, _) = network::http(&config.network, &surroundings).map_err(|error| {
            Failure::new(Exit::Usage, format!("the configuration's `[network]` cannot be used: {error}"))
        })?;
        live::ask_all(&http, &mut checked).await;
    }
    for checked in checked.iter_mut().filter(|checked| checked.cure.is_some()) {
        if is_foreign {
            checked.cure = None;
        } else if let Some(blocked) = unwritable(&checked.store) {
            checked.is_held_up(blocked);
        }
    }
    exit = checked.iter().map(|checked| exit_of(checked.verdict)).fold(exit, Exit::max);
    if args.json {
        output::result(&json::json(&checked, &problems).map_err(io::Error::from)?)?;
    } else if !args.quiet {
        output::prose(&text(&checked, exit))?;
    }
    Ok(exit)
}

/// What the store says of each entry, and the agent's records of those that are not valid for long enough.
async fn by_the_store(
    config: &Config,
    paths: &Paths,
    args: &CheckArgs,
    entries: Vec<(ObservedEntry, String)>,
    agent: Option<Status>,
) -> Vec<Checked> {
    let (now, min_valid) = (Timestamp::now(), args.min_valid.unwrap_or(MIN_VALID));
    let check = |(seen, store): (ObservedEntry, String)| Checked::by_the_store(seen, store, now, min_valid);
    let mut checked: Vec<_> = entries.into_iter().map(check).collect();
    if checked.iter().all(|checked| checked.verdict == Verdict::Ok) {
        return checked;
    }
    // Only now the records matter: whether a refresh would help, or is not wanted before somebody comes.
    let status = match agent {
        Some(status) => status,
        None => status_from_disk(config, paths).await,
    };
    for checked in checked.iter_mut().filter(|checked| checked.verdict != Verdict::Ok) {
        let Some(entry) = known(&status, checked) else { continue };
        match entry.state {
            State::NeedsPerson => checked.cure.clone_from(&entry.action),
            State::Resting if status.daemon.is_some() => checked.rests(now, args.min_valid.is_some()),
            // The agent replaces it while Claude Code is in use, and no refresh makes it live longer.
            _ if lives_shorter(entry, min_valid) => checked.is_short_lived(now, args.min_valid.is_some()),
            _ if status.daemon.is_some() && entry.is_tried_again() => checked.is_tried_again(entry),
            State::Expired | State::Due | State::Retrying | State::Resting => checked.is_due(),
            _ if may_live_shorter(entry, min_valid) => checked.may_be_short_lived(now),
            _ => {}
        }
    }
    checked
}

/// Whether nobody knows that a new token would be valid for that long.
fn may_live_shorter(entry: &EntryStatus, min_valid: Duration) -> bool {
    let at_least = Duration::from_secs(entry.facts.lifetime_s.unwrap_or_default());
    min_valid > at_least.max(MIN_VALID)
}

/// Whether even a new token would not be valid for that long.
fn lives_shorter(entry: &EntryStatus, min_valid: Duration) -> bool {
    let lifetime = entry.facts.lifetime_s.filter(|_| entry.facts.lifetime_answered);
    lifetime.is_some_and(|seconds| Duration::from_secs(seconds) <= min_valid)
}

fn known<'a>(status: &'a Status, checked: &Checked) -> Option<&'a EntryStatus> {
    let store = status.stores.iter().find(|store| store.location == checked.store)?;
    store.entries.iter().find(|entry| entry.key == checked.seen.entry.key.as_str())
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Ok => Exit::Well,
        Verdict::NotOk => Exit::Person,
        Verdict::Unknown => Exit::Unreached,
    }
}

fn text(checked: &[Checked], exit: Exit) -> String {
    let named: Vec<_> = checked.iter().map(Checked::named).collect();
    let text: String =
        checked.iter().zip(labels(&named)).map(|(checked, label)| checked.line(&label)).collect();
    if text.is_empty() && exit == Exit::Well { "no servers with a login\n".to_owned() } else { text }
}

/// Why a store has no entries.
enum Unread {
    Absent,
    /// Path, cause and remedy.
    Broken(String),
}

/// An entry that is not understood, or a part of the document that cannot be read.
struct Odd {
    /// Its server's name and its key.
    names: Vec<String>,
    what: String,
    cure: String,
}

impl Odd {
    fn is_named(&self, names: &[String]) -> bool {
        self.names.iter().any(|name| names.contains(name))
    }

    fn sentence(self, is_foreign: bool) -> String {
        if is_foreign { self.what } else { format!("{}; {}", self.what, self.cure) }
    }
}

/// The entries of a store, and what to say about those that are not understood.
async fn read(store: &AnyStore) -> Result<(Vec<ObservedEntry>, Vec<Odd>), Unread> {
    let snapshot = store.read().await.map_err(|error| match error.kind() {
        ErrorKind::Absent => Unread::Absent,
        ErrorKind::Retry | ErrorKind::NeedsPerson => Unread::Broken(error.to_string()),
    })?;
    let location = store.location();
    let document = snapshot.document().map_err(|error| Unread::Broken(format!("{location}: {error}")))?;
    let odd = document.problems().iter().map(|problem| {
        let name = problem.key.server_name();
        Odd {
            names: vec![name.to_owned(), problem.key.to_string()],
            what: format!("{name}: not understood: {}", problem.why),
            cure: how_to_repair(name, location),
        }
    });
    let hidden = document.incomplete().map(|why| Odd {
        names: Vec::new(),
        what: format!("{location}: {why}"),
        cure: how_to_repair(KEYCHAIN_OVERFLOW, location),
    });
    let odd = hidden.into_iter().chain(odd).collect();
    Ok((document.into_entries().map(ObservedEntry::new).collect(), odd))
}
