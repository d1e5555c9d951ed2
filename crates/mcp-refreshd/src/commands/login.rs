//! `mcp-refreshd login`: one login after the other, by Claude Code's own command; or one of our own.

mod browser;
mod callback;
mod claude;
mod grant;
mod own_login;
mod queue;
mod target;
mod text;

use crate::agent::configuration::{Usable, usable, with_stores_of};
use crate::agent::status::{gather, status_from_disk};
use crate::agent::stores::{location_of_item, storage_folders};
use crate::cli::LoginArgs;
use crate::commands::status::{left_alone, unknown};
use crate::control::socket::reach;
use crate::platform::signals::Ends;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::output;
use crate::terminal::remedy::is_item;
use crate::terminal::wording::{counted, quoted, visible};
use claude::{Claude, End};
use queue::{Login, in_vault, not_queued, queue};

/// Carries out the command.
///
/// # Errors
/// What went wrong, with its exit code. A login that fails is no error: the next one follows.
pub(crate) async fn login(paths: &Paths, args: &LoginArgs) -> Result<Exit, Failure> {
    let Usable { config, remarks } = usable(paths, &reach(&paths.state).await)?;
    if let Some(wanted) = owns(args, &config, paths).await? {
        // It writes into the vault, and asks the server itself.
        let config = Config::load(&paths.config, &paths.home)?;
        return own_login::own_login(wanted, &config, paths, args).await;
    }
    remarks.iter().for_each(|remark| output::message(remark));
    let status = gather(paths).await?;
    // In another shell the agent's default store is none of this configuration.
    let config = with_stores_of(config, &status, paths);
    let logins = queue(&status, &args.names).map_err(|name| unknown(&status, name))?;
    let passed_over: Vec<_> = if args.names.is_empty() {
        left_alone(&not_queued(status.clone())).into_iter().chain(in_vault(&status)).collect()
    } else {
        Vec::new()
    };
    passed_over.iter().for_each(|remark| output::message(remark));
    let well = if passed_over.is_empty() { Exit::Well } else { Exit::Person };
    if logins.is_empty() {
        if let Some(why) =
            status.stores.iter().filter(|store| !store.absent).find_map(|store| store.unreadable.as_ref())
        {
            return Err(Failure::new(Exit::Unreadable, visible(why)));
        }
        let one = |name: &String| format!("{}: does not need a login\n", visible(name));
        let named: String = args.names.iter().map(one).collect();
        let none = if passed_over.is_empty() {
            "no server needs a login\n"
        } else {
            "no other server needs a login\n"
        };
        output::prose(if named.is_empty() { none } else { &named })?;
        return Ok(well);
    }
    let claude = match Claude::find(args.claude.as_deref(), args.no_browser, paths) {
        // Nothing is run.
        Err(_) if args.dry_run && args.claude.is_none() => Claude::on_the_path(args.no_browser),
        found => found?,
    };
    let commands: Vec<_> = logins.iter().map(|login| commands(login, &claude, &config, paths)).collect();
    if args.dry_run {
        commands.iter().flatten().try_for_each(|command| output::command("", &command.to_string()))?;
        return Ok(well);
    }
    let mut signals =
        Ends::new().map_err(|error| Failure::new(Exit::Person, format!("cannot handle signals: {error}")))?;
    let mut left = Vec::new();
    for (number, (login, commands)) in logins.iter().zip(&commands).enumerate() {
        let place = format!("[{}/{}] {}", number + 1, logins.len(), visible(&login.name));
        if number > 0 && !is_needed(login, &config, paths).await {
            output::prose(&format!("{place}: no longer needed\n"))?;
            continue;
        }
        output::prose(&format!("{place}: {}\n", visible(&login.why)))?;
        let mut failure = None;
        for command in commands {
            output::command("$ ", &command.to_string())?;
            match claude.run(command, &mut signals).await {
                End::Well => {}
                End::Failed(why) => {
                    failure = Some(why);
                    break;
                }
                End::Interrupted => {
                    left.extend(logins.iter().skip(number));
                    return Ok(interrupted(&left, args));
                }
            }
        }
        let failure = match failure {
            None if is_needed(login, &config, paths).await => Some("it still needs a login".to_owned()),
            other => other,
        };
        match failure {
            None => output::prose(&format!("{place}: logged in\n"))?,
            Some(why) => {
                output::message(&format!("{place}: {why}"));
                left.push(login);
            }
        }
    }
    if left.is_empty() {
        return Ok(well);
    }
    output::message(&format!(
        "{} of {} not logged in; to try again, type: {}",
        left.len(),
        counted(logins.len(), "server", "servers"),
        again(&left, args)
    ));
    Ok(Exit::Person)
}

/// The server of a login of our own; `None` if Claude Code logs in.
async fn owns<'a>(args: &'a LoginArgs, config: &Config, paths: &Paths) -> Result<Option<&'a str>, Failure> {
    let mut wanted =
        args.own || args.name.is_some() || args.client_id.is_some() || args.callback_port.is_some();
    for name in &args.names {
        wanted = wanted || target::is_url(name) || target::is_owned(name, config, paths).await?;
    }
    match (wanted, args.names.as_slice(), args.dry_run) {
        (false, _, _) => Ok(None),
        (true, [one], false) => Ok(Some(one)),
        (true, _, true) => Err(Failure::new(Exit::Usage, "--dry-run shows only what Claude Code would run")),
        (true, _, false) => {
            Err(Failure::new(Exit::Usage, "a login into the vault takes one server at a time"))
        }
    }
}

fn interrupted(left: &[&Login], args: &LoginArgs) -> Exit {
    output::message(&format!(
        "interrupted; {} left; to continue, type: {}",
        counted(left.len(), "login", "logins"),
        again(left, args)
    ));
    Exit::Person
}

fn again(left: &[&Login], args: &LoginArgs) -> String {
    let browser = if args.no_browser { " --no-browser" } else { "" };
    if args.all {
        return format!("mcp-refreshd login --all{browser}");
    }
    let names: Vec<_> = left.iter().map(|login| quoted(&login.name)).collect();
    // After the dashes no name is taken for an option.
    format!("mcp-refreshd login{browser} -- {}", names.join(" "))
}

/// The commands of one login, for the store that it belongs in.
fn commands(login: &Login, claude: &Claude, config: &Config, paths: &Paths) -> Vec<claude::Command> {
    let is_its = |folder: &claude_store::StorageFolder| {
        folder.credentials_path().to_str() == Some(&*login.store)
            || location_of_item(config, paths, folder).as_deref() == Some(&*login.store)
    };
    let folder = storage_folders(config, paths).into_iter().find(is_its);
    let in_keychain = is_item(&login.store);
    let command = |step: &&str| claude.command(step, &login.name, folder.as_ref(), in_keychain, paths);
    login.steps().iter().map(command).collect()
}

/// Whether the store still lacks this login: the user may have logged in elsewhere meanwhile.
async fn is_needed(login: &Login, config: &Config, paths: &Paths) -> bool {
    let status = status_from_disk(config, paths).await;
    queue(&status, &[]).is_ok_and(|logins| logins.iter().any(|other| other.is_same(login)))
}
