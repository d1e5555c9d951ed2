//! What the system tells a process from outside.

use std::io;
use tokio::signal::unix::SignalKind;

pub(crate) use tokio::signal::unix::Signal;

/// What wants the end.
pub(crate) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// # Errors
    /// The system gives no handler, here as below.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns with the name of a signal that wants the end.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The terminal went away; a service is to read its configuration again.
pub(crate) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Ctrl-C: as long as this lives, it does not end the process.
pub(crate) fn interrupt() -> io::Result<Signal> {
    signal(SignalKind::interrupt())
}

/// The terminal has another size.
pub(crate) fn resized() -> io::Result<Signal> {
    signal(SignalKind::window_change())
}

fn signal(kind: SignalKind) -> io::Result<Signal> {
    tokio::signal::unix::signal(kind)
}
