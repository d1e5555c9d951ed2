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

/// The tool that comes with macOS. Items made by it, as the client's are, list it as trusted: it may read and write them without a
/// question, and what it writes keeps their access list (reported).
const SECURITY: &str = "/usr/bin/security";

/// What the tool needs of the environment: where the user's Keychains are, and who the user is. Nothing else is handed on.
const VARIABLES: [&str; 3] = ["HOME", "USER", "LOGNAME"];

/// No item is larger; what prints more is not the tool.
const MOST_OUTPUT: u64 = 32 << 20;

/// How long a killed tool may take to be gone.
const KILL: Duration = Duration::from_millis(250);

/// Whoever runs `/usr/bin/security`: this machine, or a stand-in in tests.
pub trait SecurityTool: Clone + 'static {
    /// Runs the tool once. It is ended at the call's time limit.
    fn run(&self, call: SecurityCall) -> impl Future<Output = Result<SecurityOutput, ToolError>>;
}

/// One run of the tool.
pub struct SecurityCall {
    /// The arguments.
    pub arguments: Zeroizing<Vec<String>>,
    /// What it reads from its standard input; nothing where empty.
    pub input: SecretBytes,
    /// How long it may take.
    pub limit: Duration,
}

/// How the tool ended. Its standard error is never read: there it repeats what it did not understand.
pub struct SecurityOutput {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: SecretBytes,
}

/// The tool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It was ended at its time limit.
    #[error("no answer in time")]
    NoAnswer,
    /// It could not be run.
    #[error("{program} cannot be run: {source}")]
    Io {
        /// The program.
        program: String,
        /// What the operating system said.
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
    /// The tool of the operating system, by its fixed path: `PATH` has no say.
    #[must_use]
    pub fn new() -> Self {
        Self::stand_in(SECURITY)
    }

    /// Another program in its place. For tests alone: whatever it is will be handed tokens.
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
        // The copies of the arguments that the command keeps are not needed any more.
        drop(command);
        let ended = tokio::time::timeout(call.limit, talk(&mut child, &call.input)).await;
        match ended {
            Ok(output) => output.map_err(|error| self.failed(error)),
            Err(_) => {
                // It may not write any more when this returns.
                let _ = child.start_kill();
                let _ = tokio::time::timeout(KILL, child.wait()).await;
                Err(ToolError::NoAnswer)
            }
        }
    }
}

/// Hands the input over, and waits for output and end.
async fn talk(child: &mut Child, input: &[u8]) -> io::Result<SecurityOutput> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let hand_over = async move {
        if let Some(mut stdin) = stdin {
            // A tool that ends without reading says so by its exit code.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let listen = async move {
        // Large enough for most documents from the start: a buffer that grows leaves copies behind.
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
    /// A run without input. None of the arguments may be secret: other processes of the user see them.
    #[must_use]
    pub fn plain(arguments: &[&str], limit: Duration) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { arguments: Zeroizing::new(arguments), input: SecretBytes::default(), limit }
    }
}

/// Says nothing of the arguments nor the input.
impl fmt::Debug for SecurityCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.arguments.first().map(String::as_str);
        f.debug_struct("SecurityCall").field("command", &command).finish_non_exhaustive()
    }
}

/// Says nothing of what was printed.
impl fmt::Debug for SecurityOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityOutput").field("code", &self.code).finish_non_exhaustive()
    }
}
