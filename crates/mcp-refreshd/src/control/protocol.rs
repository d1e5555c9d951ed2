//! The protocol between the agent and its clients: one line of JSON each way.

use crate::control::report::Status;
use crate::control::secret_text::SecretText;
use crate::terminal::wording::visible;
use jiff::Timestamp;
use oauth_secret::SecretBytes;
use serde::{Deserialize, Serialize};
use std::io;

/// Changes with the meaning of a message, so that two versions never misunderstand each other.
pub(crate) const PROTOCOL: u32 = 1;
/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest request, in bytes.
pub(crate) const LARGEST_REQUEST: usize = 64 * 1024;
/// The longest answer, in bytes: ten thousand entries take about six million.
pub(crate) const LARGEST_REPLY: u64 = 64 * 1024 * 1024;

/// A message in either direction, as far as every version understands it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) protocol: u32,
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) content: T,
}

/// The part of an envelope that says whether the rest can be understood.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) protocol: u32,
    pub(crate) version: String,
}

/// A client's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request", content = "with")]
pub(crate) enum Request {
    /// The state of everything.
    Status,
    /// Refresh now.
    Refresh {
        /// Names or keys; empty means all.
        names: Vec<String>,
        /// Also entries that are not due.
        force: bool,
        /// Location of the only store; absent means every store.
        #[serde(default)]
        store: Option<String>,
    },
    /// Which proxy variables the agent's environment has.
    ProxyVariables,
    /// Hand out an access token.
    AccessToken(TokenRequest),
    /// The same of one store alone. An agent that does not know of it refuses, and hands out nobody else's token.
    AccessTokenFrom { store: StoreArgument, request: TokenRequest },
    /// Reload the configuration.
    Reload,
    /// Send a test notice.
    TestNotice,
    /// Finish what is on the wire, and end. Windows has no signal for it.
    Stop,
    /// Read the vault's ledger again: leave alone what moves, go on with what has moved.
    Moves,
    /// Move a grant between the vault and the cluster.
    #[cfg(feature = "cluster")]
    Cluster {
        /// The server's name or key.
        name: String,
        /// Into the cluster, or out of it.
        add: bool,
    },
    /// Restore the entries that vanished together from this store. Only ever at the user's request.
    Restore {
        /// The store's location.
        store: String,
    },
}

/// Which access token is wanted, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRequest {
    /// The server's name or key.
    pub(crate) name: String,
    /// The URL that the token will be sent to; without it, the name must be unique.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// The document of the client's own storage folder, which is preferred where several stores hold the name.
    #[serde(default)]
    pub(crate) document: Option<String>,
    /// The client's process. The same token asked for twice by the same one was refused by the server; without it, nothing follows.
    #[serde(default)]
    pub(crate) caller: Option<String>,
    /// The secret that the second socket may demand.
    #[serde(default)]
    pub(crate) secret: Option<SecretText>,
    /// The only store that is meant; sent by a request of its own.
    #[serde(skip)]
    pub(crate) store: Option<StoreArgument>,
}

/// What was typed for `--store`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreArgument {
    /// As it was typed: it may be a location that is no path.
    pub(crate) typed: String,
    /// The absolute path that it is for who typed it.
    pub(crate) path: String,
}

/// An access token on its way to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandedOut {
    pub(crate) token: SecretText,
    /// When it expires, if known.
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
    /// Why it was not refreshed first, though it should have been.
    #[serde(default)]
    pub(crate) stale: Option<String>,
}

/// Why no access token is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NoToken {
    /// In words, with what to type if that helps.
    pub(crate) why: String,
    /// The name is wrong, not the login.
    #[serde(default)]
    pub(crate) unknown: bool,
    /// A store that may hold it cannot be read.
    #[serde(default)]
    pub(crate) unreadable: bool,
    /// The location of the entry's store, if one was found.
    #[serde(default)]
    pub(crate) store: String,
}

/// The agent's reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply", content = "with")]
pub(crate) enum Reply {
    Status(Status),
    Refreshed(Vec<Done>),
    /// Names of variables.
    ProxyVariables(Vec<String>),
    /// Names of the restored servers.
    Restored(Vec<String>),
    Reloaded(Reloaded),
    AccessToken(HandedOut),
    NoAccessToken(NoToken),
    NoticeTested(Vec<Delivery>),
    Stopping,
    /// The ledger was read, and nothing runs for an entry that moves.
    MovesHeeded,
    /// What was moved, in words.
    #[cfg(feature = "cluster")]
    Moved(String),
    /// The request was not understood or may not be answered.
    Refused(String),
}

/// The result of reloading the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// Why it cannot be used, in which case nothing changed.
    pub(crate) invalid: Option<String>,
    /// The changed settings with their values, one line each.
    pub(crate) changed: Vec<String>,
    /// Those of them that take effect at the next start.
    pub(crate) at_restart: Vec<String>,
    /// Settings that have no effect.
    pub(crate) remarks: Vec<String>,
}

/// How one notice was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// "desktop" or "hook".
    pub(crate) means: String,
    /// Why it was not sent.
    pub(crate) error: Option<String>,
}

/// The result of one requested refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) name: String,
    /// The entry's key, and the location of its store; empty from an older agent.
    #[serde(default)]
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) store: String,
    pub(crate) how: How,
    /// In words, with what to type if the user is needed.
    pub(crate) detail: String,
    /// What to type, alone.
    #[serde(default)]
    pub(crate) action: Option<String>,
}

/// The result of one requested refresh, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Fresh,
    NotNeeded,
    Running,
    Ignored,
    NeedsPerson,
    Failed,
}

impl<T> Envelope<T> {
    /// A message of this version.
    pub(crate) fn new(content: T) -> Self {
        Self { protocol: PROTOCOL, version: VERSION.to_owned(), content }
    }
}

impl<T: Serialize> Envelope<T> {
    /// The message as one line.
    pub(crate) fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The same for a message that may hold a secret: in one buffer that never moves, and is wiped.
    pub(crate) fn to_secret_line(&self) -> Result<SecretBytes, serde_json::Error> {
        let mut length = Length(0);
        serde_json::to_writer(&mut length, self)?;
        let mut line = SecretBytes::with_capacity(length.0 + 1);
        serde_json::to_writer(&mut *line, self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a message cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misunderstood {
    #[error("not a message of mcp-refreshd ({})", visible(&.0.to_string()))]
    Malformed(#[from] serde_json::Error),
    #[error("it speaks another version of the protocol (mcp-refreshd {theirs}, this is {VERSION})")]
    OtherVersion { theirs: String },
}

/// Parses a message from the other side.
///
/// # Errors
/// It is not a message, or one of another version.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, Misunderstood> {
    let header: Header = serde_json::from_slice(line)?;
    if header.protocol != PROTOCOL {
        return Err(Misunderstood::OtherVersion {
            theirs: crate::terminal::columns::shortened(&header.version, 30),
        });
    }
    Ok(serde_json::from_slice::<Envelope<T>>(line)?.content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_is_one_line_and_survives_a_round_trip() {
        for ask in
            [Request::Status, Request::Refresh { names: vec!["a\nb".into()], force: true, store: None }]
        {
            let line = Envelope::new(ask.clone()).to_line().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(read::<Request>(&line).unwrap(), ask);
        }
    }

    #[test]
    fn a_message_with_a_secret_is_written_in_place_and_debug_shows_none_of_it() {
        let request = TokenRequest {
            name: "lab".to_owned(),
            url: None,
            document: None,
            caller: None,
            secret: Some(SecretText::new("made-up-secret".to_owned())),
            store: None,
        };
        let message = Envelope::new(Request::AccessToken(request));
        let line = message.to_secret_line().unwrap();
        assert_eq!((line.to_vec(), line.capacity()), (message.to_line().unwrap(), line.len()));
        assert_eq!(read::<Request>(&line).unwrap(), message.content);
        assert!(!format!("{message:?}").contains("made-up-secret"));
    }

    #[test]
    fn another_version_is_reported_by_name() {
        let line = br#"{"protocol":99,"version":"7.1.0","request":"dance"}"#;
        let told = read::<Request>(line).unwrap_err().to_string();
        assert!(told.contains("7.1.0") && told.contains(VERSION), "{told}");
    }

    #[test]
    fn an_invalid_message_is_reported_without_control_characters() {
        let line = br#"{"protocol":1,"version":"0.1.0","request":"\u001b[2J\nall is well"}"#;
        let told = read::<Request>(line).unwrap_err().to_string();
        assert!(told.contains("\\u{1b}[2J\\nall is well") && !told.contains(char::is_control), "{told:?}");
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line: Vec<u8>) {
            drop(read::<Request>(&line));
            drop(read::<Reply>(&line));
        }
    }
}
