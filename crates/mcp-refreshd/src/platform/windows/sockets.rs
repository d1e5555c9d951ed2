//! Named pipes, which only this user can open.

use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::named_pipe::{PipeListenerOptions, pipe_mode};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// All rights for whoever made the pipe, and for nobody else; nothing is inherited (Security Descriptor Definition Language).
const FOR_THE_OWNER_ALONE: &widestring::U16CStr = widestring::u16cstr!("D:P(A;;GA;;;OW)");

/// The places where the agent may listen, one for each start. Nobody can know the name before, and take it: clients learn it from a
/// file in the agent's own folder.
pub(crate) fn places(_state: &Path, _runtime: Option<PathBuf>) -> Vec<PathBuf> {
    let name = std::collections::hash_map::RandomState::new();
    let chance = std::hash::BuildHasher::hash_one(&name, std::process::id());
    vec![PathBuf::from(format!(r"\\.\pipe\mcp-refreshd-{}-{chance:016x}", std::process::id()))]
}

/// A pipe that is waited at.
#[derive(Debug)]
pub(crate) struct Listener(PipeListener<pipe_mode::Bytes, pipe_mode::Bytes>);

impl Listener {
    /// Makes the pipe; fails where there is one of this name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let path = widestring::U16CString::from_os_str(path)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = PipeListenerOptions::new()
            .path(path)
            .security_descriptor(Some(SecurityDescriptor::deserialize(FOR_THE_OWNER_ALONE)?))
            .create_tokio_duplex::<pipe_mode::Bytes>()?;
        Ok(Self(listener))
    }

    /// The next client.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        self.0.accept().await.map(Stream)
    }

    /// It goes with its last handle.
    pub(crate) fn remove(_path: &Path) {}
}

/// One end of a conversation.
#[derive(Debug)]
pub(crate) struct Stream(DuplexPipeStream<pipe_mode::Bytes>);

impl Stream {
    /// # Errors
    /// Nobody listens ([`io::ErrorKind::NotFound`]), or the system's.
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

/// The pipe's access list lets nobody else in.
pub(crate) fn is_of_this_user(_stream: &Stream) -> bool {
    true
}

/// Nothing has to be there before, and no name is ever used twice.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn make_way(_path: &Path) -> io::Result<Way> {
    Ok(Way::Free)
}

/// Whether somebody listens at this path. Blocks the thread for a moment.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::fs::File::options().read(true).write(true).open(path).is_ok()
}

/// What stands where one wants to listen.
#[expect(dead_code, reason = "the same names on every system")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing any more.
    Free,
    /// Somebody who answers.
    Taken,
    /// Something that is no socket.
    NotASocket,
}

/// Characters that a pipe's name may have.
pub(crate) const SOCKET_PATH_LIMIT: usize = 256;

/// The folder that has to be private for the socket to be.
pub(crate) fn folder_of(_path: &Path) -> Option<&Path> {
    None
}
