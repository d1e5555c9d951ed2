//! Sockets with a path, and who is at their other end.

use crate::platform::files;
use crate::platform::process::user_id;
use std::io;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

pub(crate) use crate::platform::this::SOCKET_PATH_LIMIT;
pub(crate) use tokio::net::UnixStream as Stream;

/// The places where the agent may listen, the better one first.
pub(crate) fn places(state: &Path, runtime: Option<PathBuf>) -> Vec<PathBuf> {
    runtime.into_iter().chain([state.to_owned()]).map(|folder| folder.join("control.sock")).collect()
}

/// A socket that is waited at.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    /// # Errors
    /// The system's.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        // Until here the folder, which only its user may enter, keeps others out.
        files::set_mode(path, files::PRIVATE)?;
        Ok(Self(listener))
    }

    /// The next client.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }

    /// Takes the file away. Left behind it would do no harm: a dead socket is recognised.
    pub(crate) fn remove(path: &Path) {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether a process of this user is at the other end.
pub(crate) fn is_of_this_user(stream: &Stream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user_id())
}

/// Whether somebody listens at this path. Blocks the thread for a moment.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// What stands where one wants to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing any more.
    Free,
    /// Somebody who answers.
    Taken,
    /// Something that is no socket.
    NotASocket,
}

/// Takes the socket of a daemon that died away. Blocks the thread for a moment.
///
/// # Errors
/// The system's.
pub(crate) fn make_way(path: &Path) -> io::Result<Way> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Way::Free),
        Err(error) => Err(error),
        Ok(metadata) if !files::is_socket(&metadata) => Ok(Way::NotASocket),
        Ok(_) if is_listened_at(path) => Ok(Way::Taken),
        Ok(_) => std::fs::remove_file(path).map(|()| Way::Free),
    }
}

/// The folder that has to be private for the socket to be.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent()
}
