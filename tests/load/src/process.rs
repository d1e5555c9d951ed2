//! What a process used so far, as the kernel counts it.

use crate::wait;
use harness::Fallible;
use std::fs;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time of the threads that live now, to the nanosecond. Those that wait for the disk come and go and are not in it.
    pub(crate) cpu: Duration,
    /// Processor time of all threads there ever were in the program itself, to the hundredth of a second.
    pub(crate) user_of_all: Duration,
    /// The same in the kernel, on their behalf: sockets, files, threads, and waiting for the disk.
    pub(crate) system_of_all: Duration,
    /// Bytes handed to `write` and its like, sockets included.
    pub(crate) written: u64,
    /// Bytes that were sent to the disk.
    pub(crate) to_disk: u64,
    /// The most resident memory so far, in kB.
    pub(crate) peak_kb: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Fallible<Self> {
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let mut cpu = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may have ended between the two looks.
            let Ok(schedule) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            cpu += Duration::from_nanos(first_number(&schedule).unwrap_or(0));
        }
        // Fields 14 and 15, counted behind the name in parentheses; in hundredths of a second.
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

/// Waits until this process has rested for `quiet`: what it still had to save is saved then.
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
