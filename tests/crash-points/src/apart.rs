//! A part of this program in a process of its own, in namespaces that are like another machine.

use crate::{Fallible, Tally};
use std::io::Read;
use std::process::{Child, Command, Stdio};

/// A part that runs; killed when it is dropped.
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
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
