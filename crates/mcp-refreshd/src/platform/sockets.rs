//! Sockets with a path, and who is at their other end.

use crate::platform::process::user_id;
use std::path::Path;

pub(crate) use tokio::net::{UnixListener as Listener, UnixStream as Stream};

/// Whether a process of this user is at the other end.
pub(crate) fn is_of_this_user(stream: &Stream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == user_id())
}

/// Whether somebody listens at this path. Blocks the thread for a moment.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}
