//! The second socket: access tokens of some servers, and nothing else.

use crate::agent::Agent;
use crate::control::protocol::{Reply, Request, TokenRequest};
use crate::control::secret_text::SecretText;
use crate::control::socket::{Admission, Listener};
use crate::platform::files;
use crate::platform::process::random;
use crate::settings::config::TokenSocket;
use crate::settings::paths::{Paths, private_folder};
use crate::terminal::wording::{quoted, visible};
use oauth_secret::{SecretBytes, TokenDigest};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// A wrong secret is answered after this, so that nobody tries many.
const WRONG_SECRET: Duration = Duration::from_secs(1);
/// A secret is one line of at least this length, as `openssl rand -hex 16` makes it.
const SHORTEST_SECRET: usize = 32;
const LONGEST_SECRET: u64 = 4096;

/// The servers whose access tokens are handed out now; a reload changes them.
#[derive(Clone, Default)]
pub(super) struct Allowed(Rc<RefCell<Vec<String>>>);

impl Allowed {
    pub(super) fn set(&self, config: Option<&TokenSocket>) {
        self.0.replace(config.map(|config| config.servers.clone()).unwrap_or_default());
    }

    /// Takes back at once what is no longer named, although the rest waits for a restart.
    pub(super) fn take_back(&self, config: Option<&TokenSocket>) {
        self.0.borrow_mut().retain(|name| config.is_some_and(|config| config.servers.contains(name)));
    }
}

/// The listening socket, and what it demands.
pub(super) struct Tokens {
    listener: Listener,
    allowed: Allowed,
    /// The digest of the secret: comparing digests takes as long whatever was tried.
    secret: Option<TokenDigest>,
}

/// Listens, or says why not and goes on without: fresh tokens matter more.
pub(super) fn listen(config: &TokenSocket, paths: &Paths, allowed: Allowed) -> Option<Tokens> {
    allowed.set(Some(config));
    let (path, default) = match &config.path {
        Some(path) => (path.clone(), false),
        None => (paths.state.join("tokens/socket"), true),
    };
    let secret = match config.secret_file.as_deref().map(secret).transpose() {
        Ok(secret) => secret,
        Err(why) => {
            tracing::error!("the token socket is not opened: {why}");
            return None;
        }
    };
    let admission = if secret.is_some() { Admission::Anybody } else { Admission::ThisUser };
    match Listener::bind_for(&path, admission) {
        Ok(listener) => {
            if default && secret.is_some() {
                // A container's user must get through it. What else is in the state folder stays closed.
                let _ = path.parent().map(|folder| files::set_mode(folder, 0o711));
            }
            let servers: Vec<_> = config.servers.iter().map(|name| visible(name)).collect();
            tracing::info!("access tokens of {} are handed out at {}", servers.join(", "), path.display());
            Some(Tokens { listener, allowed, secret })
        }
        Err(error) => {
            tracing::error!("the token socket is not opened: {error}");
            None
        }
    }
}

impl Tokens {
    /// Answers clients forever.
    pub(super) async fn serve(self, agent: Rc<Agent>) {
        let Self { listener, allowed, secret } = self;
        let answer = async move |ask| {
            let Request::AccessToken(request) = ask else {
                return Reply::Refused("this socket hands out access tokens and nothing else".to_owned());
            };
            // No folder over there means one here; and who names none is told of no other server, and of no store.
            let request = TokenRequest { document: None, ..request };
            let admitted = admitted(&request, &allowed.0.borrow(), secret);
            match admitted {
                Ok(()) => {
                    agent.first_scan().await;
                    hand_out(&agent, &request).await
                }
                Err(refusal) => {
                    if refusal == Refusal::WrongSecret {
                        tokio::time::sleep(WRONG_SECRET).await;
                    }
                    Reply::Refused(refusal.in_words(&request.name))
                }
            }
        };
        listener.serve(answer).await;
    }
}

/// The answer to a request that may be answered.
pub(super) async fn hand_out(agent: &Agent, request: &TokenRequest) -> Reply {
    match agent.access_token(request).await {
        Ok(handed_out) => Reply::AccessToken(handed_out),
        Err(refused) => Reply::NoAccessToken(refused),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoSecret,
    WrongSecret,
    NotAllowed,
}

/// Whether the second socket answers this request. Which servers are allowed is nothing for those who lack the secret.
fn admitted(request: &TokenRequest, servers: &[String], secret: Option<TokenDigest>) -> Result<(), Refusal> {
    match (secret, request.secret.as_ref().map(SecretText::expose)) {
        (Some(_), None) => return Err(Refusal::NoSecret),
        (Some(secret), Some(given)) if TokenDigest::of(given) != secret => return Err(Refusal::WrongSecret),
        _ => {}
    }
    if servers.contains(&request.name) { Ok(()) } else { Err(Refusal::NotAllowed) }
}

impl Refusal {
    fn in_words(self, name: &str) -> String {
        match self {
            Self::NoSecret => {
                "this socket requires a secret; name the file that holds it in $MCP_REFRESHD_SOCKET_SECRET_FILE".to_owned()
            }
            Self::WrongSecret => {
                "the secret is wrong; copy the agent's `token_socket.secret_file` again".to_owned()
            }
            Self::NotAllowed => format!(
                "the access token of {} is not handed out here; on the agent's machine, add it to `servers` of [token_socket] and type: mcp-refreshd reload",
                quoted(name)
            ),
        }
    }
}

/// The digest of the secret in this file, which is made if it is missing.
fn secret(path: &Path) -> Result<TokenDigest, String> {
    let failed = |why: String| format!("the secret {} cannot be used: {why}", path.display());
    let read = match files::opening_no_link().read(true).open(path).and_then(files::regular) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_secret(path).map_err(|error| failed(error.to_string()))?;
            files::opening_no_link().read(true).open(path)
        }
        other => other,
    };
    let mut file = read.map_err(|error| failed(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    let mode = files::mode(&metadata);
    if mode & 0o077 != 0 {
        return Err(failed(format!(
            "others may read it (mode {mode:03o}); type: chmod 600 {}",
            path.display()
        )));
    }
    let mut text = SecretBytes::with_capacity(usize::try_from(LONGEST_SECRET).unwrap_or(0));
    Read::by_ref(&mut file)
        .take(LONGEST_SECRET)
        .read_to_end(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    let line = std::str::from_utf8(&text).map_err(|_| failed("it is not text".to_owned()))?.trim();
    if line.len() < SHORTEST_SECRET {
        return Err(failed(format!("it has fewer than {SHORTEST_SECRET} characters")));
    }
    Ok(TokenDigest::of(line))
}

fn make_secret(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        private_folder(folder).map_err(io::Error::other)?;
    }
    let mut text = SecretBytes::with_capacity(65);
    for byte in random::<32>()?.iter() {
        write!(&mut *text, "{byte:02x}")?;
    }
    text.push(b'\n');
    files::opening_no_link().write(true).create_new(true).open(path)?.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, secret: Option<&str>) -> TokenRequest {
        let secret = secret.map(|text| SecretText::new(text.to_owned()));
        TokenRequest { name: name.to_owned(), url: None, document: None, caller: None, secret, store: None }
    }

    #[test]
    fn only_allowed_servers_are_answered_and_with_a_secret_only_those_who_have_it() {
        let servers = ["lab".to_owned()];
        let secret = Some(TokenDigest::of("made-up"));
        assert_eq!(admitted(&request("lab", None), &servers, None), Ok(()));
        assert_eq!(admitted(&request("wiki", None), &servers, None), Err(Refusal::NotAllowed));
        assert_eq!(admitted(&request("lab", Some("made-up")), &servers, secret), Ok(()));
        assert_eq!(admitted(&request("lab", None), &servers, secret), Err(Refusal::NoSecret));
        assert_eq!(admitted(&request("wiki", Some("x")), &servers, secret), Err(Refusal::WrongSecret));
        assert_eq!(admitted(&request("wiki", Some("made-up")), &servers, secret), Err(Refusal::NotAllowed));
    }

    // Of modes, which Windows lacks.
    #[cfg(unix)]
    #[test]
    fn a_secret_is_made_private_and_one_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secret");
        let made = secret(&path).unwrap();
        assert_eq!(secret(&path).unwrap(), made);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.len(), TokenDigest::of(text.trim())), (65, made));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(secret(&path).unwrap_err().contains("chmod 600"));
        let short = folder.path().join("short");
        std::fs::write(&short, "hunter2\n").unwrap();
        std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(secret(&short).unwrap_err().contains("fewer than 32"));
    }
}
