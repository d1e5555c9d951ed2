//! Arguments of the commands that get, move and hand out grants.

use clap::{ArgGroup, Args};
use std::path::PathBuf;

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
    /// Do not open a browser, for a login over SSH: print the URL, then read the URL of the browser's last page
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Log in without Claude Code, and put the login into the vault
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
    /// Listen for the browser's redirect on this port [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["all", "claude"])]
    pub(crate) callback_port: Option<u16>,
    /// Claude Code's program [default: claude on the PATH]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) claude: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["names", "all"]).required(true))]
pub(crate) struct OwnArgs {
    /// Only these servers
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Every server
    #[arg(long)]
    pub(crate) all: bool,
    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
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
    /// The URL that the token goes to; prints nothing if the login is for another [default: $CLAUDE_CODE_MCP_SERVER_URL]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// The server
    pub(crate) name: String,
    /// The URL that the token goes to, where several servers share the name [default: $CLAUDE_CODE_MCP_SERVER_URL]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Only this store: its folder or its file
    #[arg(long, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
}

/// What moves, and where to.
#[cfg(feature = "cluster")]
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ClusterCommand {
    /// Move a login from this machine's vault into the cluster, whose members all use it
    ///
    /// Run it again if it was cut off; until then no member refreshes the login.
    Add {
        /// The server
        name: String,
    },
    /// Move a login from the cluster into this machine's vault
    Remove {
        /// The server
        name: String,
    },
}
