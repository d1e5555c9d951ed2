//! Named pipes that only this user can open.

use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::named_pipe::{PipeListenerOptions, pipe_mode};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Full access for the pipe's owner and nobody else; nothing is inherited (Security Descriptor Definition Language).
const FOR_THE_OWNER_ALONE: &widestring::U16CStr = widestring::u16cstr!("D:P(A;;GA;;;OW)");

/// Whether a socket can be mounted or forwarded elsewhere.
pub(crate) const CAN_BE_SHARED: bool = false;

/// The path where the agent listens, a new one for each start. Nobody can guess the name and claim it first: clients read it from a
/// file in the agent's own folder.
pub(crate) fn places(_state: &Path, _runtime: Option<PathBuf>) -> Vec<PathBuf> {
    let name = std::collections::hash_map::RandomState::new();
    let chance = std::hash::BuildHasher::hash_one(&name, std::process::id());
    vec![PathBuf::from(format!(r"\\.\pipe\mcp-refreshd-{}-{chance:016x}", std::process::id()))]
}

/// A listening pipe.
#[derive(Debug)]
pub(crate) struct Listener(PipeListener<pipe_mode::Bytes, pipe_mode::Bytes>);

impl Listener {
    /// Creates the pipe; fails if the name is taken. It is never open to others.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn bind(path: &Path, _open: bool) -> io::Result<Self> {
        let path = widestring::U16CString::from_os_str(path)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = PipeListenerOptions::new()
            .path(path)
            .security_descriptor(Some(SecurityDescriptor::deserialize(FOR_THE_OWNER_ALONE)?))
            .create_tokio_duplex::<pipe_mode::Bytes>()?;
        Ok(Self(listener))
    }

    /// Accepts the next client.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(Stream)
    }

    /// It disappears with its last handle.
    pub(crate) fn remove(_path: &Path) {}
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream(DuplexPipeStream<pipe_mode::Bytes>);

impl Stream {
    /// # Errors
    /// Nobody listens ([`io::ErrorKind::NotFound`]), or the system's error.
    pub(crate) async fn connect(path: &Path) -> io::Result<Self> {
        DuplexPipeStream::connect_by_path(path).await.map(Self)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The pipe's access control list keeps everybody else out.
pub(crate) fn is_of_this_user(_stream: &Stream) -> bool {
    true
}

/// A connection without an event loop, for a command that has one thing to ask.
#[derive(Debug)]
pub(crate) struct Direct(std::fs::File);

impl Direct {
    /// # Errors
    /// Nobody listens ([`io::ErrorKind::NotFound`]), or the system's error.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        std::fs::File::options().read(true).write(true).open(path).map(Self)
    }

    /// Pipes have no time limit; the agent keeps its own.
    #[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
    pub(crate) fn limit(&self, _patience: Duration) -> io::Result<()> {
        Ok(())
    }

    /// The pipe's access control list keeps everybody else out.
    pub(crate) fn peer(&self) -> Option<u32> {
        Some(crate::platform::process::user_id())
    }
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

/// Nothing to prepare, and names are never reused.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn make_way(_path: &Path) -> io::Result<Way> {
    Ok(Way::Free)
}

/// Whether a process listens at this path. Blocks the thread briefly.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::fs::File::options().read(true).write(true).open(path).is_ok()
}

/// What already exists at a path to listen at.
#[expect(dead_code, reason = "the same names on every system")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing, or no longer.
    Free,
    /// A process that answers.
    Taken,
    /// Not a socket.
    NotASocket,
}

/// The longest pipe name, in characters.
pub(crate) const SOCKET_PATH_LIMIT: usize = 256;

/// The folder that must be private for the socket to be private.
pub(crate) fn folder_of(_path: &Path) -> Option<&Path> {
    None
}
