use crate::control::instance::holder_of;
use crate::control::protocol::{self, Envelope, LARGEST_REPLY, Misunderstood, Reply, Request, VERSION};
use crate::control::report::Status;
use crate::platform::is_stopped;
use crate::platform::sockets::{Stream, is_of_this_user};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy::how_to_wake;
use crate::terminal::wording::visible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An agent that works answers within milliseconds. `status` is to answer within a second, also when the agent hangs: it reads the disk then.
const STATUS_PATIENCE: Duration = Duration::from_millis(700);
/// What changes nothing may take longer.
const QUERY_PATIENCE: Duration = Duration::from_secs(10);
/// A refresh takes what the token endpoints take, with a lock to be waited for and a second try.
const REFRESH_PATIENCE: Duration = Duration::from_secs(150);

/// Why there is no answer though an agent runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the agent (process {pid}) cannot be reached at {}: {source}", path.display())]
    Unreachable { path: PathBuf, pid: u32, source: io::Error },
    #[error("the socket {} belongs to another user; nothing was sent to it", path.display())]
    NotOurs { path: PathBuf },
    #[error("the agent (process {pid}) does not answer; {}", wake(*pid))]
    Silent { pid: u32 },
    #[error("the agent (process {pid}) ended before it answered; try again")]
    Ended { pid: u32 },
    #[error("the running agent is mcp-refreshd {theirs}, this is {VERSION}; restart the agent")]
    OtherVersion { theirs: String },
    #[error("the agent's answer cannot be understood: {}; restart the agent", visible(&.0.to_string()))]
    Misunderstood(serde_json::Error),
    #[error("{0}")]
    Refused(String),
}

/// Sends a request to the agent of this state folder. `None` where none runs.
///
/// # Errors
/// One runs, and gives no answer that can be used.
pub(crate) async fn ask(state: &Path, ask: &Request) -> Result<Option<Reply>, RequestError> {
    let Some(holder) = holder_of(state) else { return Ok(None) };
    let (pid, Some(path)) = (holder.pid, holder.socket) else { return Ok(None) };
    let mut stream = match Stream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        // The queue of its socket is full: it has not accepted a client for long.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(RequestError::Silent { pid }),
        Err(source) => return Err(RequestError::Unreachable { path, pid, source }),
    };
    if !is_of_this_user(&stream) {
        return Err(RequestError::NotOurs { path });
    }
    let patience = match ask {
        Request::Status => STATUS_PATIENCE,
        Request::ProxyVariables => QUERY_PATIENCE,
        Request::Refresh { .. } | Request::Restore { .. } | Request::Reload | Request::TestNotice => {
            REFRESH_PATIENCE
        }
    };
    let request = Envelope::new(ask).to_line().map_err(RequestError::Misunderstood)?;
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
        Ok(answer) => Ok(Some(answer)),
        Err(Misunderstood::OtherVersion { theirs }) => Err(RequestError::OtherVersion { theirs }),
        Err(Misunderstood::Malformed(_)) if line.is_empty() => Err(RequestError::Ended { pid }),
        Err(Misunderstood::Malformed(error)) => Err(RequestError::Misunderstood(error)),
    }
}

/// The state of everything, as the running agent reports it; `None` where none runs.
///
/// # Errors
/// One runs, and gives no answer that can be used.
pub(crate) async fn reach(state: &Path) -> Result<Option<Status>, RequestError> {
    match ask(state, &Request::Status).await? {
        Some(Reply::Status(status)) => Ok(Some(status)),
        Some(_) | None => Ok(None),
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

/// What to type for an agent that hangs.
fn wake(pid: u32) -> String {
    let (verb, command) = how_to_wake(pid, is_stopped(pid), None);
    format!("to {verb} it, type: {command}")
}
