use crate::platform::files::FILES;
use crate::settings::config::parse_duration;
use crate::settings::since::Since;
use clap::{ArgGroup, Args, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Runs `claude mcp login` for each server whose login only you can renew, in the right store. Ctrl-C ends it; run it again to go on
    /// with those that are left. Exits 0 if every login is done, 1 if one is left.
    ///
    /// A URL, an owned server, or any server with --own is logged in to without Claude Code, and its login goes into the vault. An older login
    /// in the vault stays until the new one is written.
    Login(LoginArgs),

    /// Move logins from Claude Code's store to the agent's vault
    ///
    /// Claude Code then asks the agent for each server's headers (`headersHelper`) and never sees a refresh token, so that none of its
    /// sessions can lose the login. Sets the helper in each configuration of the server, of the user, of a project, or in .mcp.json. `disown`
    /// undoes it.
    Own(OwnArgs),

    /// Move logins from the agent's vault back to Claude Code's store
    ///
    /// The current tokens go back, and the configurations are as they were; what you edited there meanwhile stays.
    Disown(OwnArgs),

    /// Send a notice
    Notice {
        /// Send one test notice the way the configuration says, and tell how it was sent
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
    /// 0: every named server's token (without a name, every server's) is valid for that long, or rests: the agent lets it expire while
    /// nobody is expected to use it. 1: one is not. 4: the store cannot be read. 5: with --live, a server could not be reached. It needs
    /// no agent, and changes nothing.
    Check(CheckArgs),

    /// Print a server's headers, for Claude Code's headersHelper
    ///
    /// Prints {"Authorization":"Bearer ..."}. The running agent answers at once; if the token is about to expire, or the server refused it,
    /// the agent refreshes it first. Never takes longer than 9 seconds. Without an agent, it refreshes by itself. $MCP_REFRESHD_SOCKET names the
    /// token socket of an agent elsewhere.
    Headers(HeadersArgs),

    /// Print a server's access token, for scripts and other clients
    ///
    /// For example: curl --oauth2-bearer "$(mcp-refreshd token linear)" https://mcp.linear.app/mcp
    Token(TokenArgs),

    /// Find problems with the tokens and everything around them, and say how to solve them
    ///
    /// Changes nothing without --fix. Exits 1 while a finding other than a note is left.
    Doctor(DoctorArgs),

    /// Show how long each login was valid, and what happened to it
    ///
    /// Without -n: one row for each server, with a picture of when its access token was valid, and how often it was refreshed, failed,
    /// and logged in. The percentage counts time in which the machine was awake, the agent running, you logged in, and use expected.
    /// Tokens appear as fingerprints. On a terminal, long output goes through $PAGER (less).
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
        #[arg(long, short = 'n', value_name = "N", value_parser = Lines::parse)]
        lines: Option<Lines>,
    },

    /// Print shell completions
    ///
    /// For bash: mcp-refreshd completions bash > ~/.local/share/bash-completion/completions/mcp-refreshd
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the names of the servers in the stores, one a line, for shell completion
    #[command(hide = true)]
    Names,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Allow root, for root's own Claude Code
    #[arg(long)]
    pub(crate) allow_root: bool,
    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep this shell's store in addition to those that the agent keeps now
    #[arg(long)]
    pub(crate) add_store: bool,
    /// Keep only this shell's store from now on
    #[arg(long, conflicts_with = "add_store")]
    pub(crate) replace_store: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["names", "all"]).required(true))]
pub(crate) struct LoginArgs {
    /// Only these servers
    #[arg(value_name = "NAME|URL")]
    pub(crate) names: Vec<String>,
    /// Every server that needs a login
    #[arg(long)]
    pub(crate) all: bool,
    /// Only print the commands
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Open no browser, for a login over SSH: print the URL, and read the URL of the last page
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Put the login into the vault, without Claude Code
    #[arg(long, conflicts_with_all = ["all", "claude"])]
    pub(crate) own: bool,
    /// With a URL: the name of the server [default: the configured one, else made from the host]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "claude"])]
    pub(crate) name: Option<String>,
    /// Log in as this client instead of registering one; a URL is the id of a client metadata document
    #[arg(long, value_name = "ID", conflicts_with_all = ["all", "claude"])]
    pub(crate) client_id: Option<String>,
    /// The client has a secret: read it from MCP_CLIENT_SECRET, else from standard input
    #[arg(long, requires = "client_id")]
    pub(crate) client_secret: bool,
    /// Wait for the browser on this port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["all", "claude"])]
    pub(crate) callback_port: Option<u16>,
    /// Claude Code's program [default: claude on the PATH]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) claude: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OwnArgs {
    /// Only these servers
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) names: Vec<String>,
    /// Every server
    #[arg(long)]
    pub(crate) all: bool,
    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Only print what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also remove state and configuration, after asking
    #[arg(long)]
    pub(crate) purge: bool,
    /// With --purge: do not ask
    #[arg(long, requires = "purge")]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this server, in detail
    pub(crate) name: Option<String>,
    /// Print JSON (format version 1)
    #[arg(long)]
    pub(crate) json: bool,
    /// Update the output on every change, until Ctrl-C
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) watch: bool,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// Only these servers [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Also refresh tokens that are not due
    #[arg(long)]
    pub(crate) force: bool,
    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// Print JSON (format version 1)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HeadersArgs {
    /// The server [default: $CLAUDE_CODE_MCP_SERVER_NAME]
    pub(crate) name: Option<String>,
    /// The URL that the token goes to: for another one, nothing is printed [default: $CLAUDE_CODE_MCP_SERVER_URL]
    #[arg(long)]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The server
    pub(crate) name: String,
    /// The URL that the token goes to, where several servers share the name [default: $CLAUDE_CODE_MCP_SERVER_URL]
    #[arg(long)]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only these servers [default: all that the configuration does not ignore]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How long a token must be valid for, even if it rests [default: 10m, and a token may rest]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) min_valid: Option<Duration>,
    /// Also ask each MCP server whether it accepts the token
    #[arg(long)]
    pub(crate) live: bool,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// Print nothing
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print JSON (format version 1)
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Only what concerns this server
    pub(crate) name: Option<String>,
    /// Fix what is safe to fix
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: only print what would be done
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    /// With --fix: answer yes to every question
    #[arg(long, requires = "fix")]
    pub(crate) yes: bool,
    /// Make no network requests
    #[arg(long)]
    pub(crate) offline: bool,
    /// Also ask each MCP server whether it accepts its token
    #[arg(long, conflicts_with = "offline")]
    pub(crate) live: bool,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// Print JSON (format version 1)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Only this server
    pub(crate) name: Option<String>,
    /// Print the last N events instead, newest last ("all" for every one)
    #[arg(long, short = 'n', value_name = "N", value_parser = Lines::parse)]
    pub(crate) lines: Option<Lines>,
    /// Since when: 90m, 12h, 7d, 2026-11-20, "2026-11-20 10:00" [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = Since::parse)]
    pub(crate) since: Option<Since>,
    /// Print JSON (format version 1)
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the picture to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

impl Cli {
    /// The command line of Claude Code's helper, if these arguments are one: the definitions of all commands take longer to build than the
    /// answer takes.
    pub(crate) fn of_helper(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let (_program, command) = (arguments.next()?, arguments.next()?);
        let name = arguments.next().map(OsString::into_string).transpose().ok()?;
        let plain = command == "headers" && !name.as_ref().is_some_and(|name| name.starts_with('-'));
        let command = Command::Headers(HeadersArgs { name, url: None });
        (plain && arguments.next().is_none()).then_some(Self { command })
    }
}

/// How many lines, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines(Option<usize>);

impl Lines {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(None)),
            number => {
                number.parse().map(|number| Self(Some(number))).map_err(|_| "a number, or all".to_owned())
            }
        }
    }

    /// At most so many.
    pub(crate) fn count(self) -> usize {
        self.0.unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_helper_is_understood_in_the_same_way_on_the_short_path() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for text in ["mcp-refreshd headers", "mcp-refreshd headers lab"] {
            let (short, long) = (Cli::of_helper(words(text).into_iter()), Cli::parse_from(words(text)));
            assert_eq!(format!("{:?}", short.unwrap()), format!("{long:?}"));
        }
        let others = [
            "headers --help",
            "headers -h",
            "headers lab --url x",
            "headers lab wiki",
            "token lab",
            "status",
        ];
        for text in others {
            assert!(Cli::of_helper(words(&format!("mcp-refreshd {text}")).into_iter()).is_none(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
