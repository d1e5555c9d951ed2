//! Runs a part of this program in its own process, in namespaces that simulate another machine.

use crate::{Fallible, Tally};
use std::io::Read;
use std::process::{Child, Command, Stdio};

/// A running part, killed when dropped.
pub(crate) struct Apart {
    process: Child,
    what: &'static str,
}

impl Apart {
    /// Starts `part` after running `script`.
    pub(crate) fn begin(
        what: &'static str,
        part: &str,
        times: usize,
        namespaces: &[&str],
        script: &str,
    ) -> Fallible<Self> {
        let mut command = Command::new("unshare");
        // Only root may mount; anyone may be root in their own namespace.
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(namespaces).args(["sh", "-c", &format!("{script} && exec \"$@\""), "sh"]);
        command.arg(std::env::current_exe()?).args([part, &times.to_string()]);
        Ok(Self { process: command.stdout(Stdio::piped()).spawn()?, what })
    }

    /// Waits for it to exit, and prints its output.
    pub(crate) fn end(mut self, tally: &mut Tally) -> Fallible<()> {
        let mut said = String::new();
        if let Some(mut output) = self.process.stdout.take() {
            output.read_to_string(&mut said)?;
        }
        print!("{said}");
        let unmet = (!self.process.wait()?.success()).then(|| "not everything held, see above".to_owned());
        tally.note(self.what, unmet.as_slice());
        Ok(())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
