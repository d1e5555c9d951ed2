use oauth_secret::SecretBytes;
use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

/// The tool that ships with macOS. Items created with it, such as the client's, list it as trusted: it reads and writes them without
/// a dialog, and its writes preserve their access list (reported).
const SECURITY: &str = "/usr/bin/security";

/// The environment that the tool needs: the location of the Keychains, and the user. Nothing else is passed on.
const VARIABLES: [&str; 3] = ["HOME", "USER", "LOGNAME"];

/// No item is larger; longer output is not from the tool.
const MOST_OUTPUT: u64 = 32 << 20;

/// How long to wait for a killed tool to exit.
const KILL: Duration = Duration::from_millis(250);

/// Runs `/usr/bin/security`, or a substitute in tests.
pub trait SecurityTool: Clone + 'static {
    /// Runs the tool once, and kills it at the call's time limit.
    fn run(&self, call: SecurityCall) -> impl Future<Output = Result<SecurityOutput, ToolError>>;
}

/// One run of the tool.
pub struct SecurityCall {
    /// The arguments.
    pub arguments: Zeroizing<Vec<String>>,
    /// Its standard input; may be empty.
    pub input: SecretBytes,
    /// The time limit.
    pub limit: Duration,
}

/// The result of a run. Standard error is never read, because it quotes the input.
pub struct SecurityOutput {
    /// The exit code; `None` if killed by a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: SecretBytes,
}

/// The tool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It was killed at its time limit.
    #[error("no response within the time limit")]
    NoAnswer,
    /// It could not be run.
    #[error("cannot run {program}: {source}")]
    Io {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
}

/// `/usr/bin/security` of this machine.
#[derive(Clone, Debug)]
pub struct OsSecurity {
    program: PathBuf,
    variables: Vec<(OsString, OsString)>,
}

impl OsSecurity {
    /// The system's tool at its fixed path, regardless of `PATH`.
    #[must_use]
    pub fn new() -> Self {
        Self::stand_in(SECURITY)
    }

    /// Another program in its place. For tests only: it receives tokens.
    #[must_use]
    pub fn stand_in(program: impl Into<PathBuf>) -> Self {
        let variable = |name| Some((OsString::from(name), std::env::var_os(name)?));
        Self { program: program.into(), variables: VARIABLES.into_iter().filter_map(variable).collect() }
    }

    fn failed(&self, source: io::Error) -> ToolError {
        ToolError::Io { program: self.program.display().to_string(), source }
    }
}

impl Default for OsSecurity {
    fn default() -> Self {
        Self::new()
    }
}

impl SecurityTool for OsSecurity {
    async fn run(&self, call: SecurityCall) -> Result<SecurityOutput, ToolError> {
        let mut command = Command::new(&self.program);
        command.args(call.arguments.iter()).env_clear().envs(self.variables.iter().cloned());
        command.stdin(if call.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| self.failed(error))?;
        // Drop the command's copies of the arguments.
        drop(command);
        let ended = tokio::time::timeout(call.limit, talk(&mut child, &call.input)).await;
        match ended {
            Ok(output) => output.map_err(|error| self.failed(error)),
            Err(_) => {
                // It must not write after we return.
                let _ = child.start_kill();
                let _ = tokio::time::timeout(KILL, child.wait()).await;
                Err(ToolError::NoAnswer)
            }
        }
    }
}

/// Passes the input, and waits for the output and exit.
async fn talk(child: &mut Child, input: &[u8]) -> io::Result<SecurityOutput> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let hand_over = async move {
        if let Some(mut stdin) = stdin {
            // If the tool exits without reading, its exit code says why.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let listen = async move {
        // Large enough for most documents: a growing buffer leaves copies behind.
        let mut printed = SecretBytes::with_capacity(128 << 10);
        match stdout {
            Some(stdout) => stdout.take(MOST_OUTPUT).read_to_end(&mut printed).await.map(|_| printed),
            None => Ok(printed),
        }
    };
    let ((), stdout) = tokio::join!(hand_over, listen);
    let stdout = stdout?;
    Ok(SecurityOutput { code: child.wait().await?.code(), stdout })
}

impl SecurityCall {
    /// A run without input. Arguments must not be secret: the user's other processes can see them.
    #[must_use]
    pub fn plain(arguments: &[&str], limit: Duration) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { arguments: Zeroizing::new(arguments), input: SecretBytes::default(), limit }
    }
}

/// Hides the arguments and the input.
impl fmt::Debug for SecurityCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.arguments.first().map(String::as_str);
        f.debug_struct("SecurityCall").field("command", &command).finish_non_exhaustive()
    }
}

/// Hides the output.
impl fmt::Debug for SecurityOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityOutput").field("code", &self.code).finish_non_exhaustive()
    }
}
