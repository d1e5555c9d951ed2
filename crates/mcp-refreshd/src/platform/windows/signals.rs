//! Console events, the counterpart of signals.

use std::io;
use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// Events that ask the process to stop.
pub(crate) struct Ends {
    ctrl_c: CtrlC,
    ctrl_break: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Ends {
    /// # Errors
    /// An event handler cannot be installed.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            ctrl_c: ctrl_c()?,
            ctrl_break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Returns the name of an event that asks the process to stop.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.ctrl_c.recv() => "Ctrl-C",
            _ = self.ctrl_break.recv() => "Ctrl-Break",
            _ = self.close.recv() => "console closed",
            _ = self.logoff.recv() => "logoff",
            _ = self.shutdown.recv() => "the shutdown",
        }
    }
}

/// An event that never happens.
pub(crate) struct Signal;

impl Signal {
    pub(crate) async fn recv(&mut self) -> Option<()> {
        std::future::pending().await
    }
}

/// Ctrl-C no longer ends this process.
///
/// # Errors
/// An event handler cannot be installed.
pub(crate) fn interrupt() -> io::Result<CtrlC> {
    ctrl_c()
}

/// There is no such event: reloading the configuration takes a restart.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn hangup() -> io::Result<Signal> {
    Ok(Signal)
}

/// The console does not report resizing; its size is read for every frame.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn resized() -> io::Result<Signal> {
    Ok(Signal)
}
