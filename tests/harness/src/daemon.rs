use crate::{Fallible, platform, until};
#[cfg(unix)]
use rustix::process::Signal;
use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running agent, killed when it is dropped.
pub struct Daemon {
    process: Child,
    pid: u32,
    log: File,
    /// Offset in the log of the next line to read.
    read: u64,
    /// The lines read so far.
    lines: Vec<String>,
}

impl Daemon {
    /// Starts the command. Its standard error is appended to `log`, which must be readable.
    ///
    /// # Errors
    /// The command cannot be started, or the log cannot be used.
    pub fn start(mut command: Command, log: File) -> Fallible<Self> {
        let read = log.metadata()?.len();
        let process = command.stdout(Stdio::null()).stderr(log.try_clone()?).spawn()?;
        Ok(Self { pid: process.id(), process, log, read, lines: Vec::new() })
    }

    /// Sets the agent's process id if it is a child of the started process (and dies with it).
    #[must_use]
    pub fn known_as(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// The agent's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the agent, which may have exited already.
    #[cfg(unix)]
    pub fn signal(&self, signal: Signal) {
        platform::send(self.pid, signal);
    }

    /// Whether it has exited.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Polls until the condition holds or the agent has exited; returns whether the condition holds.
    pub fn wait(&mut self, patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
        until(patience, || condition() || self.has_ended()) && condition()
    }

    /// Waits for a new log line that contains this text, and returns it.
    ///
    /// # Errors
    /// No such line appears in time, or before the agent exits; the error includes the whole log.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Fallible<String> {
        let mut found = None;
        until(patience, || {
            let ended = self.has_ended();
            let lines = self.next_lines();
            let end = lines.iter().position(|line| line.contains(text));
            found = end.and_then(|end| lines.get(end).cloned());
            // The lines after it are left for the next call.
            self.keep(lines, end.map(|end| end + 1));
            found.is_some() || ended
        });
        found.ok_or_else(|| {
            format!("the log never said \"{text}\"; it said:\n{}", self.lines.join("\n")).into()
        })
    }

    /// Waits until it exits; returns its exit status and its whole log.
    ///
    /// # Errors
    /// It does not exit in time; the error includes the log.
    pub fn end(mut self, patience: Duration) -> Fallible<(ExitStatus, String)> {
        let ended = until(patience, || self.has_ended());
        let lines = self.next_lines();
        self.keep(lines, None);
        let log = self.lines.join("\n");
        match self.process.try_wait()? {
            Some(status) if ended => Ok((status, log)),
            _ => Err(format!("it did not exit; its log:\n{log}").into()),
        }
    }

    /// Ends it at once, without asking.
    pub fn kill(&mut self) {
        if !self.has_ended() {
            platform::kill(&mut self.process, self.pid);
            let _ = self.process.wait();
        }
    }

    /// Sends SIGTERM and waits until it has exited.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    #[cfg(unix)]
    pub fn terminate(self, patience: Duration) -> Fallible<(ExitStatus, String)> {
        self.signal(Signal::TERM);
        self.end(patience)
    }

    /// Sends SIGTERM; returns whether it exits in time and successfully.
    #[cfg(unix)]
    pub fn ends_well(self, patience: Duration) -> bool {
        self.terminate(patience).is_ok_and(|(status, _)| status.success())
    }

    /// The complete lines after `read`.
    fn next_lines(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        let mut at = self.read;
        while let Ok(count @ 1..) = platform::read_at(&self.log, &mut chunk, at) {
            bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
            at += count as u64;
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Marks the first of these lines, or all, as read.
    fn keep(&mut self, lines: Vec<String>, first: Option<usize>) {
        let count = first.unwrap_or(lines.len());
        for line in lines.into_iter().take(count) {
            self.read += line.len() as u64 + 1;
            self.lines.push(line);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(unix)] // They start a shell.
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that meets anything unexpected should end")]
    use super::Daemon;
    use std::process::Command;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Daemon {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Daemon::start(command, tempfile::tempfile().unwrap()).unwrap()
    }

    #[test]
    fn each_line_is_found_once() {
        let mut daemon = shell("echo 'a 1' >&2; echo b >&2; echo 'a 2' >&2; exec sleep 60");
        assert_eq!(daemon.wait_for("a", PATIENCE).unwrap(), "a 1");
        assert_eq!(daemon.wait_for("a", PATIENCE).unwrap(), "a 2");
        assert!(daemon.wait_for("a", Duration::from_millis(20)).is_err());
    }

    #[test]
    fn a_line_that_never_comes_ends_with_the_process() {
        let mut daemon = shell("echo last words >&2; exit 3");
        let error = daemon.wait_for("more", PATIENCE).unwrap_err().to_string();
        assert!(error.contains("last words"), "{error}");
        assert_eq!(daemon.end(PATIENCE).unwrap().0.code(), Some(3));
    }
}
