//! Arguments of the commands that show something.

use crate::settings::config::parse_duration;
use crate::settings::since::Since;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

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
pub(crate) struct CheckArgs {
    /// Only these servers [default: all that the configuration does not ignore]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How long a token must still be valid, even a resting one [default: 10m, and a token may rest]
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
    #[arg(long, short = 'n', value_name = "N", value_parser = Lines::parse, allow_negative_numbers = true)]
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

/// How many lines, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines(Option<usize>);

impl Lines {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(None)),
            number => number
                .parse()
                .map(|number| Self(Some(number)))
                .map_err(|_| "a whole number, or all".to_owned()),
        }
    }

    /// At most so many.
    pub(crate) fn count(self) -> usize {
        self.0.unwrap_or(usize::MAX)
    }
}
