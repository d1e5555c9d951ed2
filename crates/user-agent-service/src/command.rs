use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often to poll a running tool.
const LOOK: Duration = Duration::from_millis(10);
/// No useful output of a tool is longer.
const LONGEST_ANSWER: u64 = 1 << 20;

/// A program of the service manager, such as `systemctl`.
#[derive(Clone, Debug)]
pub struct Tool {
    program: PathBuf,
    limit: Duration,
}

/// A tool's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; `None` if killed by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Why a tool failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It does not exist, or may not be run.
    #[error("cannot run {program}: {source}")]
    NotStarted {
        /// Its name.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// It timed out and was killed.
    #[error("`{command}` timed out after {} s and was killed", limit.as_secs())]
    TooSlow {
        /// The command line.
        command: String,
        /// The time limit.
        limit: Duration,
    },
    /// It failed.
    #[error("`{command}` failed{}: {}", code.map_or_else(String::new, |code| format!(" ({code})")), said.trim())]
    Failed {
        /// The command line.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// Its output, standard error first.
        said: String,
    },
}

impl ToolError {
    /// Whether the program does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotStarted { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Said {
    /// Whether it exited with 0.
    pub fn well(&self) -> bool {
        self.code == Some(0)
    }
}

impl Tool {
    /// The tool with this name or path; each run may take up to `limit`.
    pub fn new(program: impl Into<PathBuf>, limit: Duration) -> Self {
        Self { program: program.into(), limit }
    }

    /// The same tool with another time limit.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { program: self.program.clone(), limit }
    }

    /// Its name or path.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it and leaves the exit code to the caller. Its messages are in English.
    ///
    /// # Errors
    /// It cannot be run, or times out and is killed.
    pub fn ask<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Said, ToolError> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let not_started =
            |source| ToolError::NotStarted { program: self.program.display().to_string(), source };
        let mut child = command.spawn().map_err(not_started)?;
        let out = collect(child.stdout.take());
        let err = collect(child.stderr.take());
        let code = wait(&mut child, self.limit).map_err(not_started)?;
        let Some(code) = code else {
            return Err(ToolError::TooSlow { command: self.shown(arguments), limit: self.limit });
        };
        // Both pipes close with the process, unless it leaves a child behind that holds them.
        Ok(Said { code, out: out.join().unwrap_or_default(), err: err.join().unwrap_or_default() })
    }

    /// Runs it; any exit code but 0 is an error.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask), or it fails.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Said, ToolError> {
        let said = self.ask(arguments)?;
        if said.well() { Ok(said) } else { Err(self.failed(arguments, said)) }
    }

    /// Turns a failed run into an error.
    pub fn failed<S: AsRef<OsStr>>(&self, arguments: &[S], said: Said) -> ToolError {
        let Said { code, out, err } = said;
        let said = [err.trim(), out.trim()].into_iter().filter(|part| !part.is_empty());
        let said = said.collect::<Vec<_>>().join("\n");
        let said = if said.is_empty() { "no output".to_owned() } else { said };
        ToolError::Failed { command: self.shown(arguments), code, said }
    }

    fn shown<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        let words = arguments.iter().map(|argument| argument.as_ref().to_owned());
        let words: Vec<OsString> = [name.to_owned()].into_iter().chain(words).collect();
        words.join(OsStr::new(" ")).to_string_lossy().into_owned()
    }
}

fn collect<R: Read + Send + 'static>(pipe: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // Keep what was read before the error.
            let _ = pipe.by_ref().take(LONGEST_ANSWER).read_to_end(&mut bytes);
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Its exit code; the outer `None` if it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<Option<i32>>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code()));
        }
        if began.elapsed() >= limit {
            // It may have exited at this very moment.
            let _ = child.kill();
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

#[cfg(unix)] // They start a shell.
#[cfg(test)]
mod tests {
    use super::*;

    fn shell(limit: Duration) -> Tool {
        Tool::new("/bin/sh", limit)
    }

    #[test]
    fn a_failure_includes_the_command_and_its_output() {
        let error = shell(Duration::from_secs(20)).run(&["-c", "echo no such unit >&2; exit 5"]).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c echo no such unit >&2; exit 5` failed (5): no such unit");
    }

    #[test]
    fn a_tool_that_hangs_is_killed() {
        let began = Instant::now();
        let error = shell(Duration::from_millis(50)).run(&["-c", "exec sleep 60"]).unwrap_err();
        assert!(matches!(error, ToolError::TooSlow { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_missing_tool_is_distinguished() {
        let error = Tool::new("/nowhere/systemctl", Duration::from_secs(1)).run(&["status"]).unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().contains("/nowhere/systemctl"), "{error}");
    }

    #[test]
    fn long_output_does_not_block_the_tool() {
        let said =
            shell(Duration::from_secs(20)).run(&["-c", "head -c 3000000 /dev/zero; echo end >&2"]).unwrap();
        assert_eq!((said.out.len(), said.err.as_str()), (1 << 20, "end\n"));
    }
}
