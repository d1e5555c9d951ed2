use crate::control::protocol::{self, Envelope, LARGEST_REQUEST, Reply, Request};
use crate::platform::sockets::{self, SOCKET_PATH_LIMIT, Stream, Way, folder_of, is_of_this_user, make_way};
use crate::settings::paths::{FolderError, private_folder};
use oauth_secret::SecretBytes;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// A client that is silent for this long is disconnected.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of clients served at a time; more wait for their turn.
const CLIENTS_AT_MOST: u32 = 16;
/// Room for an ordinary request.
const USUAL_REQUEST: usize = 4096;
/// So much is read at a time.
const PART: usize = 1024;
/// At shutdown, answers being written get this long.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why there can be no control socket at one path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error(
        "the path {} is too long for a socket ({} bytes, the system takes {SOCKET_PATH_LIMIT}); \
         set XDG_RUNTIME_DIR to a shorter one", path.display(), path.as_os_str().len()
    )]
    TooLong { path: PathBuf },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{} is not a socket; move it away", path.display())]
    NotASocket { path: PathBuf },
    #[error("another agent listens at {}", path.display())]
    Taken { path: PathBuf },
    #[error("no socket at {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Processes of this user.
    ThisUser,
    /// Whoever reaches the socket: the handler demands a secret.
    Anybody,
}

/// The agent's control socket. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: sockets::Listener,
    path: PathBuf,
    clients: Arc<Semaphore>,
    admission: Admission,
}

impl Drop for Listener {
    fn drop(&mut self) {
        sockets::Listener::remove(&self.path);
    }
}

impl Listener {
    /// Listens at the first of these paths that works. The second value says why the earlier ones did not.
    ///
    /// # Errors
    /// What is wrong with each path.
    pub(crate) fn bind(places: &[PathBuf]) -> Result<(Self, Vec<SocketError>), Vec<SocketError>> {
        let mut passed_over = Vec::new();
        for path in places {
            match Self::bind_at(path) {
                Ok(listener) => return Ok((listener, passed_over)),
                Err(error) => passed_over.push(error),
            }
        }
        Err(passed_over)
    }

    fn bind_at(path: &Path) -> Result<Self, SocketError> {
        if path.as_os_str().len() > SOCKET_PATH_LIMIT {
            return Err(SocketError::TooLong { path: path.to_owned() });
        }
        if let Some(folder) = folder_of(path) {
            private_folder(folder)?;
        }
        Self::bind_in_its_folder(path, Admission::ThisUser)
    }

    /// Listens at a path of the user's choice, whose folder is left as it is.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub(crate) fn bind_for(path: &Path, admission: Admission) -> Result<Self, SocketError> {
        if path.as_os_str().len() > SOCKET_PATH_LIMIT {
            return Err(SocketError::TooLong { path: path.to_owned() });
        }
        if let Some(folder) = folder_of(path).filter(|folder| !folder.exists()) {
            private_folder(folder)?;
        }
        Self::bind_in_its_folder(path, admission)
    }

    fn bind_in_its_folder(path: &Path, admission: Admission) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        match make_way(path).map_err(failed)? {
            Way::Free => {}
            Way::Taken => return Err(SocketError::Taken { path: path.to_owned() }),
            Way::NotASocket => return Err(SocketError::NotASocket { path: path.to_owned() }),
        }
        let open = admission == Admission::Anybody;
        let listener = sockets::Listener::bind(path, open).map_err(failed)?;
        let clients = Arc::new(Semaphore::new(usize::try_from(CLIENTS_AT_MOST).unwrap_or(1)));
        Ok(Self { listener, path: path.to_owned(), clients, admission })
    }

    /// The path it listens at.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Answers clients forever, each in its own task. Must be called inside a [`LocalSet`](tokio::task::LocalSet).
    pub(crate) async fn serve<H: AsyncFn(Request) -> Reply + 'static>(&self, handler: H) {
        let handler = Rc::new(handler);
        loop {
            let Ok(turn) = Arc::clone(&self.clients).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok(stream) => {
                    let (handler, admission) = (Rc::clone(&handler), self.admission);
                    compact::spawn_local(async move {
                        attend(stream, admission, &*handler).await;
                        drop(turn);
                    });
                }
                // Out of file descriptors: others are closed in time, so this passes.
                Err(error) => {
                    tracing::warn!("the control socket cannot accept a client: {error}");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// Waits briefly for answers in progress. Call it after [`serve`](Self::serve) has stopped.
    pub(crate) async fn farewell(&self) {
        // Silent clients are not waited for.
        let _ = tokio::time::timeout(FAREWELL, self.clients.acquire_many(CLIENTS_AT_MOST)).await;
    }
}

/// Reads one request and answers it. A misbehaving client only loses its own connection.
async fn attend<H: AsyncFn(Request) -> Reply>(stream: Stream, admission: Admission, handler: &H) {
    if admission == Admission::ThisUser && !is_of_this_user(&stream) {
        tracing::warn!("refused a connection to the socket from a process of another user");
        return;
    }
    let (input, mut output) = tokio::io::split(stream);
    let heard = tokio::time::timeout(PATIENCE, first_line(input)).await;
    let Ok(Ok(line)) = heard else { return };
    if line.is_empty() {
        return;
    }
    let answer = match protocol::read::<Request>(&line) {
        Ok(ask) => handler(ask).await,
        Err(error) => Reply::Refused(format!("the agent did not understand the request: {error}")),
    };
    drop(line);
    let line = match &answer {
        Reply::AccessToken(_) => Envelope::new(answer).to_secret_line(),
        _ => Envelope::new(answer).to_line().map(SecretBytes::from),
    };
    if let Ok(line) = line {
        // The client may have gone away.
        let _ = tokio::time::timeout(PATIENCE, output.write_all(&line)).await;
    }
}

/// The first line that a client sends, which may hold a secret; without its end if it is too long or the client ends.
async fn first_line(mut input: impl AsyncRead + Unpin) -> io::Result<SecretBytes> {
    let mut line = SecretBytes::with_capacity(USUAL_REQUEST);
    let mut part = Zeroizing::new([0_u8; PART]);
    while !line.contains(&b'\n') && line.len() < LARGEST_REQUEST {
        if line.len() == line.capacity() {
            let room = line.capacity() * 2;
            line.move_to(room.min(LARGEST_REQUEST));
        }
        // Never more than there is room for, so that the buffer does not move by itself.
        let room = line.capacity() - line.len();
        let read = input.read(part.get_mut(..room.min(PART)).unwrap_or_default()).await?;
        line.extend_from_slice(part.get(..read).unwrap_or_default());
        if read == 0 {
            break;
        }
    }
    Ok(line)
}
