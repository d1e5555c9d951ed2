//! Signals, modes, reading in the middle of a file, and where the agent keeps its state.

#[cfg(unix)]
mod system {
    use rustix::process::{Pid, Signal, kill_process};
    use std::fs::{File, Permissions};
    use std::io;
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::path::Path;
    use std::process::{Child, Command};

    pub(crate) const STATE: &str = ".local/state/mcp-refreshd";
    pub(crate) const CONFIGURATION: &str = ".config/mcp-refreshd";

    pub(crate) fn send(pid: u32, signal: Signal) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// The agent, which may be a child of the started process.
    pub(crate) fn kill(_started: &mut Child, agent: u32) {
        send(agent, Signal::KILL);
    }

    pub(crate) fn make_private(path: &Path) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(0o600))
    }

    pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(bytes, offset)
    }

    pub(crate) fn set_home(command: &mut Command, home: &Path) {
        command.env("HOME", home);
    }
}

#[cfg(windows)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;
    use std::process::{Child, Command};

    pub(crate) const STATE: &str = "AppData/Local/mcp-refreshd";
    pub(crate) const CONFIGURATION: &str = "AppData/Roaming/mcp-refreshd";

    /// As the Task Manager ends a process.
    pub(crate) fn kill(started: &mut Child, _agent: u32) {
        let _ = started.kill();
    }

    /// A file has the access list that its folder hands down.
    pub(crate) fn make_private(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(bytes, offset)
    }

    /// The profile, and what no program can do without.
    pub(crate) fn set_home(command: &mut Command, home: &Path) {
        command.env("USERPROFILE", home);
        for name in ["SystemRoot", "TEMP", "TMP"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
    }
}

#[cfg(unix)]
pub(crate) use system::send;
pub(crate) use system::{CONFIGURATION, STATE, kill, make_private, read_at, set_home};
