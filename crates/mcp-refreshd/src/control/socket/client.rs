use crate::control::instance::holder_of;
use crate::control::protocol::{self, Envelope, LARGEST_REPLY, Misunderstood, Reply, Request, VERSION};
use crate::control::report::Status;
use crate::platform::is_stopped;
use crate::platform::sockets::{Stream, is_of_this_user};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::{self, how_to_restart, how_to_wake};
use crate::terminal::wording::visible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A healthy agent answers within milliseconds. `status` answers within a second even if the agent hangs, by reading the disk.
const STATUS_PATIENCE: Duration = Duration::from_millis(700);
/// Requests that change nothing may take longer.
const QUERY_PATIENCE: Duration = Duration::from_secs(10);
/// A refresh takes as long as the token endpoint, plus a lock to wait for and a second try.
const REFRESH_PATIENCE: Duration = Duration::from_secs(150);

/// Why a running agent gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the agent (process {pid}) cannot be reached at {}: {source}", path.display())]
    Unreachable { path: PathBuf, pid: u32, source: io::Error },
    #[error("the socket {} belongs to another user; nothing was sent to it", path.display())]
    NotOurs { path: PathBuf },
    #[error("the agent (process {pid}{}) does not answer; {}", if is_stopped(*pid) { ", stopped by a signal" } else { "" }, wake(*pid))]
    Silent { pid: u32 },
    #[error("the agent (process {pid}) exited before it answered; try again")]
    Ended { pid: u32 },
    #[error(
        "the running agent is mcp-refreshd {}, this is {VERSION}; to restart it, type: {}",
        visible(theirs),
        how_to_restart(true, Some(*pid))
    )]
    OtherVersion { theirs: String, pid: u32 },
    #[error(
        "the agent's answer cannot be understood: {}; to restart the agent, type: {}",
        visible(&source.to_string()),
        how_to_restart(true, Some(*pid))
    )]
    Misunderstood { source: serde_json::Error, pid: u32 },
    #[error("{0}")]
    Refused(String),
}

/// Sends a request to the agent of this state folder. `None` if none is running.
///
/// # Errors
/// An agent is running but gives no usable answer.
pub(crate) async fn ask(state: &Path, ask: &Request) -> Result<Option<Reply>, RequestError> {
    let patience = match ask {
        Request::Status => STATUS_PATIENCE,
        Request::ProxyVariables
        | Request::AccessToken(_)
        | Request::AccessTokenFrom { .. }
        | Request::Stop => QUERY_PATIENCE,
        Request::Refresh { .. }
        | Request::Restore { .. }
        | Request::Reload
        | Request::Moves
        | Request::TestNotice => REFRESH_PATIENCE,
        #[cfg(feature = "cluster")]
        Request::Cluster { .. } => REFRESH_PATIENCE,
    };
    ask_within(state, ask, patience).await
}

async fn ask_within(state: &Path, ask: &Request, patience: Duration) -> Result<Option<Reply>, RequestError> {
    let Some(holder) = holder_of(state) else { return Ok(None) };
    let (pid, Some(path)) = (holder.pid, holder.socket) else { return Ok(None) };
    let mut stream = match Stream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        // Its socket's backlog is full: it has not accepted a client for a long time.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(RequestError::Silent { pid }),
        Err(source) => return Err(RequestError::Unreachable { path, pid, source }),
    };
    if !is_of_this_user(&stream) {
        return Err(RequestError::NotOurs { path });
    }
    let request =
        Envelope::new(ask).to_line().map_err(|source| RequestError::Misunderstood { source, pid })?;
    let mut line = Vec::new();
    let conversation = async {
        stream.write_all(&request).await?;
        stream.take(LARGEST_REPLY).read_to_end(&mut line).await
    };
    match tokio::time::timeout(patience, conversation).await {
        Err(_) => return Err(RequestError::Silent { pid }),
        Ok(Err(source)) => return Err(RequestError::Unreachable { path, pid, source }),
        Ok(Ok(_)) => {}
    }
    match protocol::read(&line) {
        Ok(Reply::Refused(why)) => Err(RequestError::Refused(why)),
        Ok(answer) => Ok(Some(in_this_shell(answer))),
        Err(Misunderstood::OtherVersion { theirs }) => Err(RequestError::OtherVersion { theirs, pid }),
        Err(Misunderstood::Malformed(_)) if line.is_empty() => Err(RequestError::Ended { pid }),
        Err(Misunderstood::Malformed(error)) => Err(RequestError::Misunderstood { source: error, pid }),
    }
}

/// The agent does not know the variables of this shell.
fn in_this_shell(mut answer: Reply) -> Reply {
    let adapt = |text: &mut String, store: &str| *text = remedy::for_this_shell(text, store);
    match &mut answer {
        Reply::Status(status) => {
            for store in &mut status.stores {
                let entries = store.entries.iter_mut();
                let texts =
                    entries.flat_map(|entry| entry.action.iter_mut().chain(&mut entry.facts.otherwise));
                texts.for_each(|text| adapt(text, &store.location));
            }
        }
        Reply::Refreshed(all) => {
            for done in all {
                adapt(&mut done.detail, &done.store);
                done.action.iter_mut().for_each(|text| adapt(text, &done.store));
            }
        }
        _ => {}
    }
    answer
}

/// The state of everything, as the running agent reports it; `None` where none runs.
///
/// # Errors
/// An agent is running but gives no usable answer.
pub(crate) async fn reach(state: &Path) -> Result<Option<Status>, RequestError> {
    Ok(status_in(ask(state, &Request::Status).await?))
}

/// As [`reach`], for what only the agent can do, and for judging whether it hangs: a busy agent gets longer to answer; a stopped one
/// would not use it.
///
/// # Errors
/// An agent is running but gives no usable answer.
pub(crate) async fn reach_patiently(state: &Path) -> Result<Option<Status>, RequestError> {
    match reach(state).await {
        Err(RequestError::Silent { pid }) if !is_stopped(pid) => {
            Ok(status_in(ask_within(state, &Request::Status, QUERY_PATIENCE).await?))
        }
        answer => answer,
    }
}

fn status_in(reply: Option<Reply>) -> Option<Status> {
    match reply {
        Some(Reply::Status(status)) => Some(status),
        Some(_) | None => None,
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// What to type for an agent that hangs.
pub(super) fn wake(pid: u32) -> String {
    let (verb, command) = how_to_wake(pid, is_stopped(pid), None);
    format!("to {verb} it, type: {command}")
}
