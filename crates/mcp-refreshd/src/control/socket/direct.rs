//! The one request that must be fast: an access token, asked for without an event loop.

use super::client::wake;
use crate::control::protocol::{
    Envelope, HandedOut, LARGEST_REPLY, NoToken, PROTOCOL, Request, TokenRequest, VERSION,
};
use crate::platform::sockets::Direct;
use crate::platform::{process::user_id, unknown_user};
use crate::terminal::columns::shortened;
use crate::terminal::wording::visible;
use oauth_secret::SecretBytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Room for an answer with a token of ordinary size, so that it does not move. All of it is wiped, and so touched page by page.
const USUAL: usize = 4 * 1024;

/// Why there was no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectError {
    #[error("there is no socket at {}", path.display())]
    Absent { path: PathBuf },
    #[error("nothing listens at {}", path.display())]
    Deaf { path: PathBuf },
    #[error("the socket {} belongs to another user (user id {uid}); nothing was sent to it", path.display())]
    NotOurs { path: PathBuf, uid: u32 },
    #[error("the socket {} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the agent does not answer{}", pid.map(|pid| format!("; {}", wake(pid))).unwrap_or_default())]
    Silent { pid: Option<u32> },
    #[error("the connection to {} ended without an answer", path.display())]
    Ended { path: PathBuf },
    #[error("the running agent is mcp-refreshd {theirs}, this is {VERSION}; restart the agent")]
    OtherVersion { theirs: String },
    #[error("the agent's answer cannot be understood; restart the agent")]
    Misunderstood,
    #[error("{0}")]
    Refused(String),
}

/// What the agent said.
pub(crate) type TokenAnswer = Result<HandedOut, NoToken>;

/// Where to ask, and how long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) path: &'a Path,
    /// The agent's process, if it is on this machine.
    pub(crate) pid: Option<u32>,
    pub(crate) patience: Duration,
}

/// Asks for an access token.
///
/// # Errors
/// There is no usable answer. Nothing is sent to a socket of another user.
pub(crate) fn ask_for_token(way: Way<'_>, request: TokenRequest) -> Result<TokenAnswer, DirectError> {
    let until = Instant::now() + way.patience;
    let path = way.path.to_owned();
    let mut stream = Direct::connect(way.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DirectError::Absent { path: path.clone() },
        io::ErrorKind::ConnectionRefused => DirectError::Deaf { path: path.clone() },
        io::ErrorKind::WouldBlock => DirectError::Silent { pid: way.pid },
        _ => DirectError::Io { path: path.clone(), source: error },
    })?;
    match stream.peer() {
        Some(peer) if may_be_asked(peer, user_id(), unknown_user()) => {}
        Some(uid) => return Err(DirectError::NotOurs { path, uid }),
        None => return Err(DirectError::Io { path, source: io::Error::other("its owner is unknown") }),
    }
    let line = Envelope::new(asking(request)).to_secret_line();
    let line = line.map_err(|_| DirectError::Misunderstood)?;
    let talked = talk(&mut stream, &line, until);
    let answer = talked.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => DirectError::Silent { pid: way.pid },
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            DirectError::Ended { path: path.clone() }
        }
        _ => DirectError::Io { path: path.clone(), source: error },
    })?;
    if answer.is_empty() { Err(DirectError::Ended { path }) } else { understood(&answer) }
}

/// An agent that knows of no store in a request must not take the rest of it for the whole.
fn asking(request: TokenRequest) -> Request {
    match request.store.clone() {
        Some(store) => Request::AccessTokenFrom { store, request },
        None => Request::AccessToken(request),
    }
}

/// Whether a socket of this user may be asked. Root could read our memory anyway; as root we are nobody's victim here; and a user whom this
/// user namespace does not know is the one who mounted the socket into the container.
fn may_be_asked(peer: u32, us: u32, unknown: Option<u32>) -> bool {
    peer == us || peer == 0 || us == 0 || Some(peer) == unknown
}

fn talk(stream: &mut Direct, line: &[u8], until: Instant) -> io::Result<SecretBytes> {
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    stream.limit(left()?)?;
    stream.write_all(line)?;
    let mut answer = SecretBytes::with_capacity(USUAL);
    let mut part = Zeroizing::new([0_u8; 4096]);
    loop {
        stream.limit(left()?)?;
        let read = match stream.read(&mut *part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let new = part.get(..read).unwrap_or_default();
        if new.is_empty() || u64::try_from(answer.len()).unwrap_or(u64::MAX) > LARGEST_REPLY {
            return Ok(answer);
        }
        if answer.capacity() - answer.len() < new.len() {
            let room = answer.capacity() * 2;
            answer.move_to(room);
        }
        answer.extend_from_slice(new);
    }
}

/// Reads the answer without a copy of the token but the one that is used.
fn understood(answer: &[u8]) -> Result<TokenAnswer, DirectError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        protocol: u32,
        #[serde(borrow)]
        version: Cow<'a, str>,
        #[serde(borrow, default)]
        reply: Cow<'a, str>,
        #[serde(borrow, default)]
        with: Option<&'a RawValue>,
    }
    // Errors of the parser are not shown: they may hold a part of what they did not expect.
    let answer: Answer<'_> = serde_json::from_slice(answer).map_err(|_| DirectError::Misunderstood)?;
    if answer.protocol != PROTOCOL {
        return Err(DirectError::OtherVersion { theirs: shortened(&answer.version, 30) });
    }
    let with = answer.with.map_or("", RawValue::get);
    let bad = |_| DirectError::Misunderstood;
    match &*answer.reply {
        "access_token" => serde_json::from_str(with).map(Ok).map_err(bad),
        "no_access_token" => serde_json::from_str(with).map(Err).map_err(bad),
        // An agent that does not know this request yet says so in this way, too.
        "refused" => Err(DirectError::Refused(visible(&serde_json::from_str::<String>(with).map_err(bad)?))),
        _ => Err(DirectError::Misunderstood),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{Reply, StoreArgument};
    use crate::control::secret_text::SecretText;

    #[test]
    fn an_answer_is_understood_as_the_agent_wrote_it() {
        let token = HandedOut {
            token: SecretText::new("at_made_up".to_owned()),
            expires_at: Some(jiff::Timestamp::UNIX_EPOCH),
            stale: None,
        };
        let line = Envelope::new(Reply::AccessToken(token.clone())).to_secret_line().unwrap();
        assert_eq!(understood(&line).unwrap(), Ok(token));
        let none = NoToken { why: "no".to_owned(), unknown: true, unreadable: false, store: String::new() };
        let line = Envelope::new(Reply::NoAccessToken(none.clone())).to_line().unwrap();
        assert_eq!(understood(&line).unwrap(), Err(none));
        let line = Envelope::new(Reply::Refused("go\u{1b}away".to_owned())).to_line().unwrap();
        assert_eq!(understood(&line).unwrap_err().to_string(), "go\\u{1b}away");
    }

    #[test]
    fn who_wants_the_token_of_one_store_makes_another_request() {
        let request = |store: bool| TokenRequest {
            name: "lab".to_owned(),
            url: None,
            document: None,
            caller: None,
            secret: None,
            store: store.then(|| StoreArgument { typed: "x".to_owned(), path: "/x".to_owned() }),
        };
        let word = |store| serde_json::to_value(asking(request(store))).unwrap()["request"].clone();
        assert_eq!((word(false), word(true)), ("access_token".into(), "access_token_from".into()));
    }

    #[test]
    fn what_is_no_answer_is_said_without_its_text() {
        for line in
            ["", "{}", "[]", r#"{"protocol":1,"version":"x","reply":"access_token","with":"at_made_up"}"#]
        {
            let told = understood(line.as_bytes()).unwrap_err().to_string();
            assert!(told.contains("restart the agent") && !told.contains("made_up"), "{told}");
        }
        let told = understood(br#"{"protocol":9,"version":"9.9.9"}"#).unwrap_err().to_string();
        assert!(told.contains("9.9.9"), "{told}");
    }

    #[test]
    fn only_sockets_of_this_user_of_root_or_from_outside_the_container_are_asked() {
        assert!(may_be_asked(1000, 1000, Some(65534)));
        assert!(may_be_asked(0, 1000, Some(65534)) && may_be_asked(1000, 0, Some(65534)));
        assert!(may_be_asked(65534, 1000, Some(65534)));
        assert!(!may_be_asked(1001, 1000, Some(65534)) && !may_be_asked(65534, 1000, None));
    }
}
