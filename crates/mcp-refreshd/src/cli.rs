mod grants;
mod reports;
mod service;

#[cfg(feature = "cluster")]
pub(crate) use grants::ClusterCommand;
pub(crate) use grants::{HeadersArgs, LoginArgs, OwnArgs, RefreshArgs, TokenArgs};
pub(crate) use reports::{CheckArgs, DoctorArgs, HistoryArgs, Lines, StatusArgs};
pub(crate) use service::{InstallArgs, UninstallArgs};

use crate::platform::files::FILES;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  action required, or the command failed
  2  usage error, or invalid configuration
  3  the agent is not running (status, reload)
  4  the credential store cannot be read
  5  a server could not be reached (check --live)
If several apply, 1 takes precedence over 4, 4 over 5, and 5 over 3.";

/// The exit codes, and where files are.
fn after_help() -> String {
    format!("{EXIT_CODES}\n\nFiles:\n{FILES}")
}

/// Keep the OAuth tokens of Claude Code's MCP servers fresh
///
/// A background agent: it watches Claude Code's credential store, and refreshes each MCP server's tokens before they
/// expire, under Claude Code's own locks.
#[derive(Debug, Parser)]
#[command(name = "mcp-refreshd", version, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent in the foreground
    ///
    /// Logs to standard error or to a file. On SIGTERM or SIGINT it finishes the refreshes in flight (at most a minute) and exits; on SIGHUP
    /// it reloads its configuration.
    Run {
        /// Log to this file; at 1 MiB it is rotated to FILE with ".1" in its name
        #[arg(long, value_name = "FILE")]
        log_file: Option<PathBuf>,
    },

    /// Install the agent as a service of this user, and start it
    ///
    /// From now on it starts at every login. Run it again to update the service: after an upgrade, after a change of `stores` in the
    /// configuration, or after the program moved. It shows what it changes, and keeps files that you edited.
    Install(InstallArgs),

    /// Remove the service
    ///
    /// A new token that is not in the store yet is saved first; if that fails, nothing is removed. State and configuration stay.
    Uninstall(UninstallArgs),

    /// Start the service
    Start,

    /// Stop the service until the next login; refreshes in flight finish first
    Stop,

    /// Restart the service
    ///
    /// Checks the configuration first: if it is invalid, the agent keeps running.
    Restart {
        /// Only check the configuration
        #[arg(long)]
        dry_run: bool,
    },

    /// Reload the configuration of the running agent, and show what changed
    ///
    /// An invalid configuration changes nothing. Exits 2 if the configuration is invalid, else 3 if no agent is running.
    Reload,

    /// Log in to the servers that need it, one after the other
    ///
    /// Runs `claude mcp login` for each server whose login only you can renew, in the right store. Ctrl-C stops it; run it again to continue
    /// with the rest. Exits 0 if every login succeeded, 1 if one is still needed.
    ///
    /// Given a URL, an owned server or --own, it logs in by itself, without Claude Code, and puts the login into the vault. An older login in
    /// the vault stays until the new one is written.
    Login(LoginArgs),

    /// Move logins from Claude Code's store to the agent's vault
    ///
    /// Claude Code then asks the agent for each server's headers (`headersHelper`) and never sees a refresh token, so none of its sessions
    /// can lose the login. Sets the helper wherever the server is configured: for the user, for a project, or in .mcp.json. `disown` undoes
    /// it.
    Own(OwnArgs),

    /// Move logins from the agent's vault back to Claude Code's store
    ///
    /// Moves the current tokens back, and removes from the configurations what `own` added. Your own edits stay.
    Disown(OwnArgs),

    /// Move logins between this machine's vault and the cluster
    #[cfg(feature = "cluster")]
    Cluster {
        #[command(subcommand)]
        command: ClusterCommand,
    },

    /// Send a notice
    Notice {
        /// Send one test notice as configured, and report how it was sent
        #[arg(long, required = true)]
        test: bool,
    },

    /// Show each server: state, time left, last result, and what to do
    Status(StatusArgs),

    /// Refresh the tokens that are due
    ///
    /// If the agent is running, it does the work; otherwise this command does, under the same locks.
    Refresh(RefreshArgs),

    /// Exit 0 if the tokens are valid: for cron, CI, prompts and hooks
    ///
    /// 0: the token of each named server (without a name, of every server) is valid for 10 minutes or --min-valid, or is resting: the agent
    /// lets it expire while no session is expected to use it. 1: one is not. 4: the store cannot be read. 5: with --live, a server could not
    /// be reached. Needs no agent, and changes nothing.
    Check(CheckArgs),

    /// Print a server's headers, for Claude Code's headersHelper
    ///
    /// Prints {"Authorization":"Bearer ..."}. The running agent answers at once; if the token is about to expire, or the server refused it,
    /// the agent refreshes it first. Never takes longer than 9 seconds. Without an agent, this command refreshes the token itself.
    /// $MCP_REFRESHD_SOCKET names the token socket of an agent elsewhere.
    Headers(HeadersArgs),

    /// Print a server's access token, for scripts and other clients
    ///
    /// For example: curl --oauth2-bearer "$(mcp-refreshd token linear)" https://mcp.linear.app/mcp
    Token(TokenArgs),

    /// Find problems with the tokens and everything around them, and say how to fix them
    ///
    /// Changes nothing without --fix. Exits 1 while a problem is left; notes do not count.
    Doctor(DoctorArgs),

    /// Show how long each login was valid, and what happened to it
    ///
    /// Without -n: one row per server, with a picture of when its access token was valid, and counts of refreshes, failures and logins. A
    /// failure that repeats counts once. The percentage covers only time when the machine was awake, the agent was running, you were logged
    /// in and use was expected. Tokens appear as fingerprints. On a terminal, long output goes through $PAGER (less).
    History(HistoryArgs),

    /// Print the configuration in effect
    Config {
        /// Print the default configuration file instead, with comments
        #[arg(long)]
        defaults: bool,
    },

    /// Show the agent's log
    Logs {
        /// Follow the log until Ctrl-C
        #[arg(long, short)]
        follow: bool,
        /// Only the last N lines ("all" for every one)
        #[arg(long, short = 'n', value_name = "N", value_parser = Lines::parse, allow_negative_numbers = true)]
        lines: Option<Lines>,
    },

    /// Print shell completions
    ///
    /// For bash: mcp-refreshd completions bash > ~/.local/share/bash-completion/completions/mcp-refreshd
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the names of the servers in the stores, one per line, for shell completion
    #[command(hide = true)]
    Names,
}

impl Cli {
    /// The command line of Claude Code's helper, of a plain `status`, which prompts ask for, or of the service, if these arguments are one:
    /// the definitions of all commands take as long to build as the answer takes, and what they touch stays resident.
    pub(crate) fn of_frequent(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let (_program, command) = (arguments.next()?, arguments.next()?);
        if command == "run" {
            return Self::of_run(arguments);
        }
        let name = arguments.next().map(OsString::into_string).transpose().ok()?;
        if name.as_ref().is_some_and(|name| name.starts_with('-')) || arguments.next().is_some() {
            return None;
        }
        let command = match command.to_str()? {
            "headers" => Command::Headers(HeadersArgs { name, url: None, store: None }),
            "status" => Command::Status(StatusArgs { name, json: false, watch: false, store: None }),
            _ => return None,
        };
        Some(Self { command })
    }

    fn of_run(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let (option, file) = (arguments.next(), arguments.next());
        let is_file = |file: &OsString| !file.is_empty() && !file.as_encoded_bytes().starts_with(b"-");
        let log_file = match option {
            None => None,
            Some(option) if option == "--log-file" => Some(file.filter(is_file)?.into()),
            Some(_) => return None,
        };
        arguments.next().is_none().then_some(Self { command: Command::Run { log_file } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn what_is_asked_often_is_understood_in_the_same_way_on_the_short_path() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for text in ["headers", "headers lab", "status", "status lab", "run", "run --log-file ~/log"] {
            let text = &format!("mcp-refreshd {text}");
            let (short, long) = (Cli::of_frequent(words(text).into_iter()), Cli::parse_from(words(text)));
            assert_eq!(format!("{:?}", short.unwrap()), format!("{long:?}"));
        }
        let others = [
            "headers --help",
            "headers -h",
            "headers lab --url x",
            "headers lab wiki",
            "headers --store x",
            "token lab",
            "status --json",
            "status lab --json",
            "statu",
            "help status",
            "run --help",
            "run --log-file",
            "run --log-file -",
            "run --log-file ",
            "run --log-file=x",
            "run --log-file x y",
            "run x",
        ];
        for text in others {
            assert!(Cli::of_frequent(words(&format!("mcp-refreshd {text}")).into_iter()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
