use crate::platform::moment::{is_before, until};
use crate::platform::shell::Shell;
use refresh_engine::Now;
use rustix::fd::OwnedFd;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Claude Code keeps its document in a file here.
pub(crate) const CLIENT_USES_KEYCHAIN: bool = false;

/// Whether Claude Code may keep its document in Windows Credential Manager.
pub(crate) const CLIENT_MAY_USE_CREDENTIAL_MANAGER: bool = false;

/// The shell that commands for the user are written for.
pub(crate) const SHELL: Shell = Shell::Posix;

/// The folder with an organization's managed settings for Claude Code.
pub(crate) const MANAGED_SETTINGS: &str = "/etc/claude-code";

/// Whether systemd is running (`sd_booted(3)`): not in a container or under another init.
pub(crate) fn has_service_manager() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The command line that starts this command so that it outlives the shell.
pub(crate) fn in_background(command: &str) -> String {
    match has_util_linux(&std::env::var_os("PATH").unwrap_or_default()) {
        true => format!("setsid -f {command}"),
        false => format!("nohup {command} &"),
    }
}

/// Whether `setsid` is util-linux's; BusyBox's has no `-f`.
fn has_util_linux(path: &OsStr) -> bool {
    let found = std::env::split_paths(path).find_map(|folder| folder.join("setsid").canonicalize().ok());
    found.is_some_and(|program| program.file_name() == Some(OsStr::new("setsid")))
}

/// The longest socket path, in bytes (`sun_path` without the trailing NUL).
pub(crate) const SOCKET_PATH_LIMIT: usize = 107;

/// The variables that set the configuration and state folders, and their defaults in the home folder (XDG base
/// directories, on every system of this kind).
pub(crate) const CONFIG_FOLDER: (&str, &str) = ("XDG_CONFIG_HOME", ".config");
pub(crate) const STATE_FOLDER: (&str, &str) = ("XDG_STATE_HOME", ".local/state");

/// How often to check the clocks if no kernel timer is available.
const TICK: Duration = Duration::from_secs(30);

/// The unit that runs the agent.
const UNIT: &str = "mcp-refreshd.service";

/// The command that shows the agent's log, `journalctl`, if the agent is a user service. Without such a service, the folders that were
/// searched for one.
pub(crate) fn log_reader(home: &Path, follow: bool, lines: Option<usize>) -> Option<Command> {
    // The user's folders, then the system's: systemd.unit(5).
    let folder = |variable: &str, usual: &str| {
        let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        named.unwrap_or_else(|| home.join(usual)).join("systemd/user")
    };
    let own = [folder("XDG_CONFIG_HOME", ".config"), folder("XDG_DATA_HOME", ".local/share")];
    let machine = ["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];
    let mut folders = own.into_iter().chain(machine.into_iter().map(PathBuf::from));
    if !folders.any(|folder| folder.join(UNIT).exists()) {
        return None;
    }
    let mut reader = Command::new("journalctl");
    reader.args(["--user", "--unit", UNIT]);
    if let Some(lines) = lines {
        reader.arg("--lines").arg(if lines == usize::MAX { "all".to_owned() } else { lines.to_string() });
    }
    if follow {
        reader.arg("--follow");
    }
    Some(reader)
}

/// Whether [`is_stopped`] knows.
#[cfg(test)]
pub(crate) const KNOWS_STOPPED: bool = true;

/// Whether a process is stopped by a signal: field 3 of `/proc/PID/stat`, after the program's name in brackets.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with(['T', 't']))
}

/// The user at the other end of a socket; `None` for a peer in another process namespace.
pub(crate) fn peer_of(stream: &std::os::unix::net::UnixStream) -> Option<u32> {
    rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.uid.as_raw())
}

/// The program that started this one, as a text that no other process gets: process id and start time. Shells in between do not count: a
/// client runs its commands through one, and each command gets another.
pub(crate) fn starter() -> Option<String> {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "busybox"];
    let mut pid = rustix::process::getppid()?.as_raw_nonzero().get();
    // More shells within shells than anybody starts.
    for _ in 0..8 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1;
        // proc_pid_stat(5): field 3 is the first after the name; 4 is the parent, 22 the start time.
        let mut fields = fields.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        if !SHELLS.contains(&name) {
            return Some(format!("{pid}.{}", fields.nth(17)?));
        }
        pid = parent;
    }
    None
}

/// The id that stands for users whom this user namespace does not know (user_namespaces(7)).
pub(crate) fn unknown_user() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()
}

/// Time since boot, including suspends.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Keeps other processes of this user from reading our memory, and so the tokens; also prevents core dumps.
pub(crate) fn forbid_tracing() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// The commands that show a desktop notice, to be tried in order; it replaces the one with this id, if any. They print the id of the
/// notice. The body is markup (Desktop Notifications Specification).
pub(crate) fn desktop_notice(title: &str, body: &str, shown: Option<u32>) -> Vec<Command> {
    let body = body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let notice = |options: &[String]| {
        let mut command = Command::new("notify-send");
        command.args(["--app-name=mcp-refreshd", "--icon=dialog-password"]);
        command.args(options).args(["--", title, &body]);
        command
    };
    let place = shown.map(|shown| format!("--replace-id={shown}"));
    let numbered: Vec<_> = ["--print-id".to_owned()].into_iter().chain(place).collect();
    // notify-send before 0.8 does not support ids.
    vec![notice(&numbered), notice(&[])]
}

/// The commands that close the notice with this id, to be tried in order: one closes it silently, one replaces it with a notice that
/// lasts a second.
pub(crate) fn withdrawn_notice(shown: u32) -> Vec<Command> {
    let mut close = Command::new("gdbus");
    close.args(["call", "--session", "--dest=org.freedesktop.Notifications"]);
    close.args(["--object-path=/org/freedesktop/Notifications"]);
    close.args(["--method=org.freedesktop.Notifications.CloseNotification", &shown.to_string()]);
    let mut replace = Command::new("notify-send");
    replace.args(["--app-name=mcp-refreshd", "--expire-time=1000", &format!("--replace-id={shown}")]);
    replace.args(["--", "MCP servers", "Solved."]);
    vec![close, replace]
}

/// Sleeps until either clock has reached its part of `moment`, or the wall clock was set. The kernel wakes us exactly then; the
/// timers of an async runtime stop during a suspend.
pub(crate) async fn sleep_until(moment: Now, now: impl Fn() -> Now) {
    let wall =
        Duration::try_from(moment.wall.duration_since(jiff::Timestamp::UNIX_EPOCH)).unwrap_or(Duration::ZERO);
    let timers =
        Timer::new(TimerfdClockId::Realtime, wall, TimerfdTimerFlags::CANCEL_ON_SET).and_then(|wall| {
            Ok((wall, Timer::new(TimerfdClockId::Boottime, moment.boot, TimerfdTimerFlags::empty())?))
        });
    match timers {
        Ok((wall, boot)) => {
            tokio::select! {
                () = wall.fires() => {}
                () = boot.fires() => {}
            }
        }
        // Out of file descriptors, or a sandbox that forbids timers: polling is still on time, at a small cost.
        Err(_) => {
            while is_before(now(), moment) {
                tokio::time::sleep(until(now(), moment).min(TICK)).await;
            }
        }
    }
}

/// Returns when the wall clock was set or the machine resumed: the kernel then cancels timers that ask for it
/// (`timerfd_create(2)`). May return spuriously. Returns for how long it waited if no clock tells that.
pub(crate) async fn clock_changed() -> Option<Duration> {
    match Timer::new(TimerfdClockId::Realtime, Duration::MAX, TimerfdTimerFlags::CANCEL_ON_SET) {
        Ok(timer) => timer.fires().await,
        Err(_) => tokio::time::sleep(TICK).await,
    }
    None
}

/// A one-shot kernel timer.
struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    fn new(clock: TimerfdClockId, at: Duration, flags: TimerfdTimerFlags) -> io::Result<Self> {
        let timer = timerfd_create(clock, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm it; a time beyond the kernel's range means never.
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        let at = Timespec { tv_sec: seconds, tv_nsec: i64::from(at.subsec_nanos().max(1)) };
        timerfd_settime(
            &timer,
            TimerfdTimerFlags::ABSTIME | flags,
            &Itimerspec { it_interval: zero, it_value: at },
        )?;
        #[expect(
            deprecated,
            reason = "its successor is `unsafe`, for types that lie about their descriptor; an `OwnedFd` cannot"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Returns when the time has come or the clock was set: both make the timer readable. Use it only once.
    async fn fires(&self) {
        if self.0.readable().await.is_err() {
            // The runtime is shutting down.
            std::future::pending::<()>().await;
        }
    }
}

/// Watches the mount table.
pub(crate) struct Mounts(Option<AsyncFd<File>>);

impl Mounts {
    /// Watches for changes from now on. Sees none if the kernel does not report them.
    pub(crate) fn new() -> Self {
        #[expect(
            deprecated,
            reason = "its successor is `unsafe`, for types that lie about their descriptor; a `File` cannot"
        )]
        let watched = |file| AsyncFd::with_interest(file, Interest::PRIORITY);
        Self(File::open("/proc/self/mountinfo").and_then(watched).ok())
    }

    /// Returns when something was mounted or unmounted: the kernel then signals priority data on the table, see proc(5).
    pub(crate) async fn changed(&self) {
        match &self.0 {
            Some(table) => match table.ready(Interest::PRIORITY).await {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is shutting down.
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// The command that opens a URL in the user's browser; `None` where there is no desktop.
pub(crate) fn browser_command(url: &str) -> Option<Command> {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut command = Command::new("xdg-open");
    command.arg(url);
    (has("DISPLAY") || has("WAYLAND_DISPLAY")).then_some(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_agent_is_detached_by_what_this_system_has() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = place.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let (none, busybox, real) = (folder("none"), folder("busybox"), folder("real"));
        std::fs::write(busybox.join("busybox"), "").unwrap();
        symlink(busybox.join("busybox"), busybox.join("setsid")).unwrap();
        std::fs::write(real.join("setsid"), "").unwrap();
        let has = |folders: &[&PathBuf]| has_util_linux(&std::env::join_paths(folders).unwrap());
        assert!(!has(&[&none]) && !has(&[&busybox, &real]));
        assert!(has(&[&none, &real, &busybox]));
    }
}
