//! Unix sockets, and who is at the other end.

use crate::platform::files;
use crate::platform::process::user_id;
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, socket};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;

use crate::platform::this::peer_of;

pub(crate) use crate::platform::this::SOCKET_PATH_LIMIT;
pub(crate) use tokio::net::UnixStream as Stream;

/// Whether a socket can be mounted or forwarded elsewhere.
pub(crate) const CAN_BE_SHARED: bool = true;

/// The paths where the agent may listen, in order of preference.
pub(crate) fn places(state: &Path, runtime: Option<PathBuf>) -> Vec<PathBuf> {
    runtime.into_iter().chain([state.to_owned()]).map(|folder| folder.join("control.sock")).collect()
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    /// Only this user may connect, or anybody who reaches the path if it is `open`.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn bind(path: &Path, open: bool) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        // Until here the private folder keeps others out, or the check of the peer.
        files::set_mode(path, if open { 0o666 } else { files::PRIVATE })?;
        Ok(Self(listener))
    }

    /// Accepts the next client.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }

    /// Removes the file. A leftover would be harmless: a dead socket is recognised.
    pub(crate) fn remove(path: &Path) {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether the peer is a process of this user.
pub(crate) fn is_of_this_user(stream: &Stream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user_id())
}

/// A connection without an event loop, for a command that has one thing to ask.
#[derive(Debug)]
pub(crate) struct Direct(std::os::unix::net::UnixStream);

impl Direct {
    /// Connects, or fails at once: a full backlog ([`WouldBlock`](io::ErrorKind::WouldBlock)) means that the other side hangs.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        ioctl_fionbio(&fd, true)?;
        rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
        ioctl_fionbio(&fd, false)?;
        Ok(Self(fd.into()))
    }

    /// How long each read and each write may take.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn limit(&self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(patience))?;
        self.0.set_write_timeout(Some(patience))
    }

    /// The user at the other end; `None` if the system does not say.
    pub(crate) fn peer(&self) -> Option<u32> {
        peer_of(&self.0).or_else(|| by_event_loop(&self.0))
    }
}

/// The user at the other end, asked in a slower way: for systems that are asked by `getpeereid`, and for a peer in another process namespace, whose
/// process id is 0 here.
fn by_event_loop(stream: &std::os::unix::net::UnixStream) -> Option<u32> {
    let (stream, other) = (stream.try_clone().ok()?, stream.try_clone().ok()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    stream.set_nonblocking(true).ok()?;
    let peer = runtime.block_on(async { Stream::from_std(stream).ok()?.peer_cred().ok() });
    // Both share one setting.
    other.set_nonblocking(false).ok()?;
    peer.map(|peer| peer.uid())
}

impl Read for Direct {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Direct {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a process listens at this path. Blocks the thread briefly.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// What already exists at a path to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing, or no longer.
    Free,
    /// A process that answers.
    Taken,
    /// Not a socket.
    NotASocket,
}

/// Removes the socket of a dead agent. Blocks the thread briefly.
///
/// # Errors
/// The system's error.
pub(crate) fn make_way(path: &Path) -> io::Result<Way> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Way::Free),
        Err(error) => Err(error),
        Ok(metadata) if !files::is_socket(&metadata) => Ok(Way::NotASocket),
        Ok(_) if is_listened_at(path) => Ok(Way::Taken),
        Ok(_) => std::fs::remove_file(path).map(|()| Way::Free),
    }
}

/// The folder that must be private for the socket to be private.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    path.parent()
}
