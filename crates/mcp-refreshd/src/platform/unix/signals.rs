//! Signals.

use std::io;
use tokio::signal::unix::SignalKind;

pub(crate) use tokio::signal::unix::Signal;

/// Signals that ask the process to stop.
pub(crate) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// # Errors
    /// A signal handler cannot be installed, here and below.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns the name of a signal that asks the process to stop.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The terminal was closed; a service reloads its configuration.
pub(crate) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Ctrl-C: while this lives, it does not kill the process.
pub(crate) fn interrupt() -> io::Result<Signal> {
    signal(SignalKind::interrupt())
}

/// The terminal was resized.
pub(crate) fn resized() -> io::Result<Signal> {
    signal(SignalKind::window_change())
}

fn signal(kind: SignalKind) -> io::Result<Signal> {
    tokio::signal::unix::signal(kind)
}
