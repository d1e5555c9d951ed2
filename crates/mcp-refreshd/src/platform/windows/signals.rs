//! What the system tells a process from outside: the console's events.

use std::io;
use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

/// What wants the end.
pub(crate) struct Ends {
    ctrl_c: CtrlC,
    ctrl_break: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Ends {
    /// # Errors
    /// The system gives no handler.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            ctrl_c: ctrl_c()?,
            ctrl_break: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Returns with the name of an event that wants the end.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.ctrl_c.recv() => "Ctrl-C",
            _ = self.ctrl_break.recv() => "Ctrl-Break",
            _ = self.close.recv() => "the console's end",
            _ = self.logoff.recv() => "the end of the session",
            _ = self.shutdown.recv() => "the shutdown",
        }
    }
}

/// An event that never comes here.
pub(crate) struct Signal;

impl Signal {
    pub(crate) async fn recv(&mut self) -> Option<()> {
        std::future::pending().await
    }
}

/// Ctrl-C no longer ends this process.
///
/// # Errors
/// The system gives no handler.
pub(crate) fn interrupt() -> io::Result<CtrlC> {
    ctrl_c()
}

/// There is no such event: the configuration is read again at a restart.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn hangup() -> io::Result<Signal> {
    Ok(Signal)
}

/// The console tells nobody that its size changed; it is asked at every picture.
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
pub(crate) fn resized() -> io::Result<Signal> {
    Ok(Signal)
}
