//! The resources used by a process so far, as counted by the kernel.

use crate::wait;
use harness::Fallible;
use std::fs;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time of the current threads, in nanoseconds. Short-lived threads that wait for the disk are not included.
    pub(crate) cpu: Duration,
    /// Processor time of all threads so far in user mode, in hundredths of a second.
    pub(crate) user_of_all: Duration,
    /// The same in kernel mode: sockets, files, threads, and waiting for the disk.
    pub(crate) system_of_all: Duration,
    /// Bytes passed to `write` and similar calls, sockets included.
    pub(crate) written: u64,
    /// Bytes sent to the disk.
    pub(crate) to_disk: u64,
    /// The peak resident memory in kB.
    pub(crate) peak_kb: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Fallible<Self> {
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let mut cpu = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may have exited between the two reads.
            let Ok(schedule) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            cpu += Duration::from_nanos(first_number(&schedule).unwrap_or(0));
        }
        // Fields 14 and 15, counted after the name in parentheses; in hundredths of a second.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut ticks = fields.split_whitespace().skip(11).filter_map(|field| field.parse::<u64>().ok());
        let (user, system) = (ticks.next().unwrap_or(0), ticks.next().unwrap_or(0));
        Ok(Self {
            cpu,
            user_of_all: Duration::from_millis(user * 10),
            system_of_all: Duration::from_millis(system * 10),
            written: number_after(&io, "wchar:"),
            to_disk: number_after(&io, "write_bytes:"),
            peak_kb: number_after(&status, "VmHWM:"),
        })
    }
}

/// Waits until this process has been idle for `quiet`, so that it has saved everything.
pub(crate) fn wait_for_rest(pid: u32, quiet: Duration) -> Fallible<()> {
    let (mut last, mut since) = (Usage::of(pid)?, Instant::now());
    wait("the daemon rests", || {
        let now = Usage::of(pid)?;
        if now.cpu != last.cpu || now.written != last.written {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= quiet)
    })
}

fn number_after(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| first_number(line.strip_prefix(name)?)).unwrap_or(0)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
