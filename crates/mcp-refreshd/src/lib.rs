//! `mcp-refreshd`: keeps the OAuth tokens of Claude Code's MCP servers fresh.
//!
//! The engine decides and refreshes (`refresh-engine`); this program gives it a machine to do so on: clocks, network, stores, a log,
//! a control socket, and a command line.
//!
//! It is a library only so that `tests/fuzz-targets` can reach the code that reads untrusted bytes ([`fuzzed`]); it is not an interface for
//! other programs.

#![forbid(unsafe_code)]

mod agent;
mod cli;
mod command;
mod commands;
mod control;
#[doc(hidden)]
pub mod fuzzed;
mod observers;
mod platform;
mod settings;
mod terminal;

use clap::Parser;
use std::process::ExitCode;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    observers::log::end_at_a_panic();
    if let Some(cli) = cli::Cli::of_frequent(std::env::args_os()) {
        return command::execute(cli).into();
    }
    match cli::Cli::try_parse() {
        Ok(cli) => command::execute(cli).into(),
        Err(message) => {
            // Help and version end here too. Nobody is left to tell where it cannot be printed.
            let _ = message.print();
            ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2))
        }
    }
}
