use crate::{Fallible, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running agent, killed when it is dropped.
pub struct Daemon {
    process: Child,
    pid: u32,
    log: File,
    /// Where in the log the next line begins.
    read: u64,
    /// The lines read so far.
    lines: Vec<String>,
}

impl Daemon {
    /// Starts the command. Its log, standard error, is appended to this file, from which it must be possible to read.
    ///
    /// # Errors
    /// The command cannot be started, or the log cannot be used.
    pub fn start(mut command: Command, log: File) -> Fallible<Self> {
        let read = log.metadata()?.len();
        let process = command.stdout(Stdio::null()).stderr(log.try_clone()?).spawn()?;
        Ok(Self { pid: process.id(), process, log, read, lines: Vec::new() })
    }

    /// The agent is not the process that was started, but this child of it (which dies with it).
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

    /// Sends a signal to the agent; it may have ended already.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(Some(_)))
    }

    /// Looks again and again until the condition holds or the agent has ended; says whether the condition held.
    pub fn wait(&mut self, patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
        until(patience, || condition() || self.has_ended()) && condition()
    }

    /// Waits for a line of its log that has this text in it and was not read before, and gives it.
    ///
    /// # Errors
    /// There is none within this time, or before its end; with the whole log.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Fallible<String> {
        let mut found = None;
        until(patience, || {
            let ended = self.has_ended();
            let lines = self.next_lines();
            let end = lines.iter().position(|line| line.contains(text));
            found = end.and_then(|end| lines.get(end).cloned());
            // What comes behind the line is read by the next call.
            self.keep(lines, end.map(|end| end + 1));
            found.is_some() || ended
        });
        found.ok_or_else(|| {
            format!("the log never said \"{text}\"; it said:\n{}", self.lines.join("\n")).into()
        })
    }

    /// Waits for its end; gives its exit status and its whole log.
    ///
    /// # Errors
    /// It has not ended within this time; with the log.
    pub fn end(mut self, patience: Duration) -> Fallible<(ExitStatus, String)> {
        let ended = until(patience, || self.has_ended());
        let lines = self.next_lines();
        self.keep(lines, None);
        let log = self.lines.join("\n");
        match self.process.try_wait()? {
            Some(status) if ended => Ok((status, log)),
            _ => Err(format!("it did not end; its log:\n{log}").into()),
        }
    }

    /// Asks it to end by SIGTERM, and waits until it has.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub fn terminate(self, patience: Duration) -> Fallible<(ExitStatus, String)> {
        self.signal(Signal::TERM);
        self.end(patience)
    }

    /// Asks it to end by SIGTERM, and says whether it did so in time and with success.
    pub fn ends_well(self, patience: Duration) -> bool {
        self.terminate(patience).is_ok_and(|(status, _)| status.success())
    }

    /// The whole lines that came since `read`.
    fn next_lines(&self) -> Vec<String> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        let mut at = self.read;
        while let Ok(count @ 1..) = self.log.read_at(&mut chunk, at) {
            bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
            at += count as u64;
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default()).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Counts the first of these lines, or all, as read.
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
        if !self.has_ended() {
            self.signal(Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

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
