use crate::config::parse_duration;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  a person is needed, or the command failed
  2  wrong use, or a configuration that cannot be used
  3  the agent does not run (status)
  4  the credential store cannot be read
Where several hold, 1 comes before 4, and 4 before 3.

Files:
  configuration  $XDG_CONFIG_HOME/mcp-refreshd/config.toml (~/.config; not needed)
  state          $XDG_STATE_HOME/mcp-refreshd (~/.local/state)";

/// Keeps the OAuth tokens of Claude Code's MCP servers fresh
///
/// A background agent: it watches Claude Code's credential store, and refreshes each MCP server's tokens before they
/// expire, under Claude Code's own locks.
#[derive(Debug, Parser)]
#[command(name = "mcp-refreshd", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the agent in the foreground
    ///
    /// It logs to standard error or into a file, ends at SIGTERM or SIGINT after the refreshes in flight are through (at most a minute), and
    /// reads its configuration again at SIGHUP.
    Run {
        /// Logs into this file; at 1 MiB it becomes FILE with ".1" in its name, and a new one begins
        #[arg(long, value_name = "FILE")]
        log_file: Option<PathBuf>,
    },

    /// Installs the agent as a service of this user, and starts it
    ///
    /// It starts with every login from now on. Typed again, it brings the service up to date: after an upgrade, a change of `stores`
    /// in the configuration, or a move of the program. It says what it wrote; files that you edited are kept.
    Install {
        /// Also as root, for root's own Claude Code
        #[arg(long)]
        allow_root: bool,
    },

    /// Takes the service away again
    ///
    /// A new token that is not in the store yet is saved first; where it cannot be, nothing is taken away. State and configuration stay.
    Uninstall {
        /// Also removes state and configuration, after asking
        #[arg(long)]
        purge: bool,
        /// With --purge: does not ask
        #[arg(long, requires = "purge")]
        yes: bool,
    },

    /// Starts the service
    Start,

    /// Ends the service until the next login; refreshes in flight come to their end first
    Stop,

    /// Ends the service and starts it again
    Restart,

    /// Shows every server: its state, the time left, the last result, and what to type
    Status {
        /// Only this server, in full
        name: Option<String>,
        /// Prints JSON (format version 1)
        #[arg(long)]
        json: bool,
        /// Shows it again whenever something changed, until Ctrl-C
        #[arg(long, short, conflicts_with = "json")]
        watch: bool,
    },

    /// Refreshes now what is due
    ///
    /// The agent does it if it runs; else this command does it by itself, under the same locks.
    Refresh {
        /// Only these servers; without a name all of them
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Also those that are not due
        #[arg(long)]
        force: bool,
        /// Only says what would be done
        #[arg(long)]
        dry_run: bool,
    },

    /// Says by its exit code whether tokens are good: for cron, CI, prompts and hooks
    ///
    /// 0: every named server's token (of all servers, without a name) is valid for that long, or rests: the agent lets it end while
    /// nobody is expected to use it. 1: one is not. 4: the store cannot be read. It needs no agent, and changes nothing.
    Check {
        /// Only these servers; without a name all that the configuration does not ignore
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How long a token has to be good for, one that rests too; without it 10m, and a rest is no fault
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        min_valid: Option<Duration>,
        /// Also asks each MCP server whether it accepts the token
        #[arg(long)]
        live: bool,
        /// Prints nothing
        #[arg(long, short)]
        quiet: bool,
    },

    /// Looks for everything that can be wrong around the tokens, and names the cure
    ///
    /// It changes nothing without --fix. Exit code 1 as long as a finding that is no mere note is left.
    Doctor {
        /// Mends what is safe to mend
        #[arg(long)]
        fix: bool,
        /// With --fix: only says what would be done
        #[arg(long, requires = "fix")]
        dry_run: bool,
        /// With --fix: answers yes where it would ask
        #[arg(long, requires = "fix")]
        yes: bool,
        /// Asks no server on the network
        #[arg(long)]
        offline: bool,
        /// Also asks each MCP server whether it accepts its token
        #[arg(long, conflicts_with = "offline")]
        live: bool,
        /// Prints JSON (format version 1)
        #[arg(long)]
        json: bool,
    },

    /// Shows what happened to every login, and how long each was good
    ///
    /// Of tokens it shows fingerprints. The picture shows for each server when its access token was valid, when it had expired, also in
    /// a rest while nobody was expected, and when there was none; the share counts the time in which the agent watched, you were logged in,
    /// and somebody was expected.
    History {
        /// Only this server
        name: Option<String>,
        /// How far back: 90m, 12h, 7d
        #[arg(long, value_name = "TIME", default_value = "7d", value_parser = time)]
        since: Duration,
        /// Prints JSON (format version 1)
        #[arg(long)]
        json: bool,
        /// Writes the picture to this file, too
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },

    /// Prints the configuration in effect
    Config {
        /// Prints the default configuration file, with comments, instead
        #[arg(long)]
        defaults: bool,
    },

    /// Shows the agent's log, wherever this system keeps it
    Logs {
        /// Also what is logged from now on, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },

    /// Prints the completions of a shell
    ///
    /// For bash: mcp-refreshd completions bash > ~/.local/share/bash-completion/completions/mcp-refreshd
    Completions {
        /// Which shell
        shell: Shell,
    },
}

fn time(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(366 * 86400);
    parse_duration(text)
        .ok()
        .filter(|time| !time.is_zero() && *time <= longest)
        .ok_or_else(|| "a length of time like 90m, 12h or 7d, at most 366d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
