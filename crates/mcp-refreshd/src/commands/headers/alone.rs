//! Without an agent, or with one that does not answer.

use crate::agent::access::on_disk::{OnDisk, find};
use crate::agent::unwritable::{Unwritable, unwritable};
use crate::control::protocol::{HandedOut, TokenRequest};
use crate::platform::process::spawn_apart;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::visible;
use jiff::Timestamp;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// A refresh is waited for this long; then an older token has to do.
const PATIENCE: Duration = Duration::from_millis(7800);
/// The time for the refresh of another process, if ours ended without a token.
const ANOTHERS: Duration = Duration::from_secs(3);
/// How often to look whether it has ended.
const LOOK: Duration = Duration::from_millis(200);

/// Hands out what the store holds. If too little is left, a process of its own refreshes first, as `mcp-refreshd refresh` does: Claude Code may end this
/// one at any time, and a request that was sent must not be lost with it.
///
/// # Errors
/// Why there is no token.
pub(super) async fn by_itself(paths: &Paths, request: &TokenRequest) -> Result<HandedOut, Failure> {
    let until = Instant::now() + PATIENCE;
    let config = match Config::load(&paths.config, &paths.home) {
        Ok(config) => config,
        // What the store holds may do.
        Err(error) => return as_it_is(paths, request, &error.to_string()).await,
    };
    let first = find(&config, paths, request).await?;
    if first.is_enough(Timestamp::now()) {
        return first.handed_out(None).ok_or_else(|| none(&first, "it has none"));
    }
    if let Some(need) = first.need() {
        let typed = remedy::what_to_type(&need, first.name(), &first.store);
        let why = format!("needs you: {}; type: {typed}", remedy::why(&need));
        return older(first, &why);
    }
    if let Some(Unwritable { why, command }) = unwritable(&first.store) {
        let typed = command.map(|command| format!("; type: {command}")).unwrap_or_default();
        return older(first, &format!("{why}{typed}"));
    }
    let mut refresh = match refresh(&first) {
        Ok(child) => child,
        Err(error) => return older(first, &format!("the refresh cannot be started: {error}")),
    };
    let mut why = "a refresh is running, and the token endpoint is slow".to_owned();
    let mut ended = None;
    while Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let now = find(&config, paths, request).await?;
        if now.is_enough(Timestamp::now()) || now.token() != first.token() {
            return now.handed_out(None).ok_or_else(|| none(&now, "it has none now"));
        }
        if ended.is_none()
            && let Ok(Some(_)) = refresh.try_wait()
        {
            (ended, why) = (Some(Instant::now()), said(&mut refresh));
        }
        // It fails at once where another process is refreshing: that one's result is waited for.
        if ended.is_some_and(|at| at.elapsed() > ANOTHERS || first.is_good(Timestamp::now())) {
            break;
        }
    }
    older(first, &why)
}

/// Hands out what the store holds, if it may do: there was no usable answer, and `error` says why.
///
/// # Errors
/// That answer.
pub(super) async fn as_it_is(
    paths: &Paths,
    request: &TokenRequest,
    error: &str,
) -> Result<HandedOut, Failure> {
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    match find(&config, paths, request).await {
        Ok(found) => older(found, error),
        Err(_) => Err(Failure::new(Exit::Person, error)),
    }
}

fn older(found: OnDisk, why: &str) -> Result<HandedOut, Failure> {
    let handed_out = found.handed_out(Some(why.to_owned())).filter(|_| found.may_do(Timestamp::now()));
    handed_out.ok_or_else(|| none(&found, why))
}

fn none(found: &OnDisk, why: &str) -> Failure {
    let (name, why) = (visible(found.name()), visible(why));
    // A refresh names the server itself.
    let why = why.strip_prefix(&format!("{name}: ")).unwrap_or(&why);
    Failure::new(Exit::Person, format!("no access token for {name}: {why}"))
}

/// `mcp-refreshd refresh` for this entry, which outlives this process.
fn refresh(found: &OnDisk) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["refresh", "--store", &found.store, "--", found.key()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    spawn_apart(&mut command)
}

/// The first line of what it said about its failure: of the command itself, else of the server.
fn said(refresh: &mut Child) -> String {
    let mut text = String::new();
    // What cannot be read is not needed.
    if let Some(stderr) = refresh.stderr.take() {
        let _ = stderr.take(4096).read_to_string(&mut text);
    }
    if let Some(stdout) = refresh.stdout.take() {
        let _ = stdout.take(4096).read_to_string(&mut text);
    }
    let line = text.lines().next().unwrap_or("the refresh brought no new token; see `mcp-refreshd status`");
    line.trim_start_matches("mcp-refreshd: ").to_owned()
}
