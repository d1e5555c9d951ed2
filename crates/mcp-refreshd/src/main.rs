//! `mcp-refreshd`, the program; everything of it is in the library beside.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_refreshd::main()
}
