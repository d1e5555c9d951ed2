//! A terminal without a person.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A program whose standard output is a terminal.
pub(crate) struct Terminal {
    pub(crate) process: Child,
    size: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Starts the command on a terminal of this size; its standard error goes elsewhere.
    pub(crate) fn start(command: Command, columns: u16, rows: u16) -> Self {
        Self::started(command, columns, rows, |_| Stdio::piped())
    }

    /// The same with its standard error on the terminal, too.
    pub(crate) fn whole(command: Command, columns: u16, rows: u16) -> Self {
        Self::started(command, columns, rows, |terminal| terminal.try_clone().unwrap().into())
    }

    fn started(mut command: Command, columns: u16, rows: u16, stderr: impl Fn(&File) -> Stdio) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // Other tests start programs meanwhile, which must not inherit it: they count their open files.
        fcntl_setfd(&ours, FdFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs =
            open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut ours = File::from(ours);
        let size = ours.try_clone().unwrap();
        resize(&size, columns, rows);
        let theirs = File::from(theirs);
        let stderr = stderr(&theirs);
        let process = command.stdout(theirs).stderr(stderr).spawn().unwrap();
        // The command holds the last end of the terminal but ours: dropped, its end is heard.
        drop(command);
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = ours.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { process, size, output, seen: String::new() }
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        resize(&self.size, columns, rows);
    }

    /// Everything that was written up to the end of this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + crate::support::PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.push_str(std::str::from_utf8(&bytes).unwrap()),
                Err(_) => panic!("the terminal never showed {text:?}; it showed {:?}", self.seen),
            }
        }
    }

    /// What is written within this time; returns as soon as anything is.
    pub(crate) fn written_within(&mut self, time: Duration) -> String {
        if self.seen.is_empty()
            && let Ok(bytes) = self.output.recv_timeout(time)
        {
            self.seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        std::mem::take(&mut self.seen)
    }

    /// Waits for its end; gives exit code and what was written since the last look.
    pub(crate) fn end(mut self) -> (i32, String) {
        while let Ok(bytes) = self.output.recv_timeout(crate::support::PATIENCE) {
            self.seen.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        (self.process.wait().unwrap().code().unwrap(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn resize(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}
