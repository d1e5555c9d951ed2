//! `mcp-refreshdw`: runs `mcp-refreshd` with the same arguments, without a window, and again when it ends unasked.
//!
//! A scheduled task that starts a console program opens a console window for as long as that program runs, whatever the task says: its
//! setting `Hidden` hides the task, not the window. `conhost.exe --headless` is not a supported interface, and ends with 0 whatever the
//! program ended with (microsoft/terminal#13914, #17178). This program has no console of its own, as `pythonw.exe` has none, and gives
//! the agent one without a window (`CREATE_NO_WINDOW`), which whatever the agent starts inherits.
//!
//! The Task Scheduler's `RestartOnFailure` is for programs that cannot be started; one that ends with an error stays ended. So this one
//! waits for the agent and starts it again.
#![forbid(unsafe_code)]
#![windows_subsystem = "windows"]

mod platform;
mod supervisor;

use std::env;
use std::path::Path;
use std::process::ExitCode;

/// The agent's program, in the folder of this one.
const AGENT: &str = "mcp-refreshd";

fn main() -> ExitCode {
    let Ok(program) = env::current_exe() else { return ExitCode::FAILURE };
    let folder = program.parent().unwrap_or(Path::new(""));
    let agent = folder.join(AGENT).with_extension(env::consts::EXE_EXTENSION);
    ExitCode::from(supervisor::supervise(&agent, env::args_os().skip(1).collect()))
}
