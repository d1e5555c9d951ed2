//! A part of this program in a process of its own, in namespaces that are like another machine.

use crate::{Fallible, Tally};
use std::process::{Child, Command, Stdio};

/// A part that runs.
pub(crate) struct Apart {
    process: Child,
    what: &'static str,
}

impl Apart {
    /// Begins `part`, with `script` before it.
    pub(crate) fn begin(
        what: &'static str,
        part: &str,
        times: usize,
        namespaces: &[&str],
        script: &str,
    ) -> Fallible<Self> {
        let mut command = Command::new("unshare");
        // Only root may mount; anybody may be root in a namespace of their own.
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(namespaces).args(["sh", "-c", &format!("{script} && exec \"$@\""), "sh"]);
        command.arg(std::env::current_exe()?).args([part, &times.to_string()]);
        Ok(Self { process: command.stdout(Stdio::piped()).spawn()?, what })
    }

    /// Waits for its end, and says what it said.
    pub(crate) fn end(self, tally: &mut Tally) -> Fallible<()> {
        let output = self.process.wait_with_output()?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        let unmet = (!output.status.success()).then(|| "not everything held, see above".to_owned());
        tally.note(self.what, unmet.as_slice());
        Ok(())
    }
}
