//! Opens the browser.

use crate::platform::browser_command;
use crate::platform::process::spawn_apart;
use std::process::Stdio;

/// Whether a program that opens this URL was started. It may still show nothing, so the URL is printed, too.
pub(super) fn open(url: &str) -> bool {
    let Some(mut command) = browser_command(url) else { return false };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    spawn_apart(&mut command).is_ok()
}
