//! The socket of an agent elsewhere: forwarded by ssh, or mounted into a container.

use crate::control::protocol::TokenRequest;
use crate::control::secret_text::SecretText;
use crate::control::socket::{DirectError, TokenAnswer, Way, ask_for_token};
use crate::platform::files;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

const SOCKET: &str = "MCP_REFRESHD_SOCKET";
const SECRET_FILE: &str = "MCP_REFRESHD_SOCKET_SECRET_FILE";
/// A secret is one line.
const LARGEST_SECRET: u64 = 4096;

/// The socket that `$MCP_REFRESHD_SOCKET` names.
pub(super) struct Place {
    path: PathBuf,
    secret: Option<SecretText>,
}

impl Place {
    /// `None` if the agent is on this machine.
    ///
    /// # Errors
    /// The file with the secret cannot be read.
    pub(super) fn of_this_process() -> Result<Option<Self>, Failure> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(path) = set(SOCKET) else { return Ok(None) };
        let secret = set(SECRET_FILE).map(secret).transpose()?;
        Ok(Some(Self { path, secret }))
    }

    /// Asks it.
    ///
    /// # Errors
    /// There is no usable answer; what to look at.
    pub(super) fn ask(self, request: TokenRequest, patience: Duration) -> Result<TokenAnswer, Failure> {
        let Self { path, secret } = self;
        if request.store.is_some() {
            let why = format!(
                "${SOCKET} leads to an agent whose stores --store cannot name; leave out one of them"
            );
            return Err(Failure::new(Exit::Usage, why));
        }
        // Folders of this machine mean nothing there.
        let request = TokenRequest { secret, document: None, ..request };
        let way = Way { path: &path, pid: None, patience };
        ask_for_token(way, request)
            .map_err(|error| Failure::new(Exit::Person, format!("{error} (${SOCKET}){}", hint(&error))))
    }
}

fn hint(error: &DirectError) -> &'static str {
    match error {
        DirectError::Absent { .. } => {
            "; it has to be forwarded or mounted here: see `[token_socket]` in the documentation"
        }
        DirectError::Deaf { .. } => "; the agent, or the ssh connection to it, has ended",
        DirectError::Ended { .. } => {
            "; the agent, or the ssh connection to it, has ended, or the socket answers nobody but the agent's user (see `secret_file`)"
        }
        _ => "",
    }
}

fn secret(path: PathBuf) -> Result<SecretText, Failure> {
    let failed = |why: String| {
        Failure::new(
            Exit::Person,
            format!("the secret {} (${SECRET_FILE}) cannot be used: {why}", path.display()),
        )
    };
    let file = files::opening().read(true).open(&path).and_then(files::regular);
    let mut file = file.map_err(|error| failed(error.to_string()))?;
    let mode = file.metadata().map(|metadata| files::mode(&metadata)).unwrap_or_default();
    if mode & 0o077 != 0 {
        return Err(failed(format!(
            "others may read it (mode {mode:03o}); type: chmod 600 {}",
            path.display()
        )));
    }
    let mut text = String::with_capacity(usize::try_from(LARGEST_SECRET).unwrap_or(0));
    Read::by_ref(&mut file)
        .take(LARGEST_SECRET)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    let text = SecretText::new(text);
    match text.expose().trim() {
        "" => Err(failed("it is empty".to_owned())),
        line => Ok(SecretText::new(line.to_owned())),
    }
}
