//! Memory and CPU use of a run, which limits how much can run in parallel.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct Memory(Rc<Cell<u64>>);

/// Samples once a second from now on. In its own namespace, every process is one of ours.
pub(crate) fn watch() -> Memory {
    let peak = Rc::new(Cell::new(0));
    let seen = Rc::clone(&peak);
    tokio::task::spawn_local(async move {
        loop {
            seen.set(seen.get().max(anonymous_kb()));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    Memory(peak)
}

impl Memory {
    pub(crate) fn peak_mb(&self) -> u64 {
        self.0.get() / 1024
    }
}

/// Anonymous memory of all processes; the client's binary is shared between them.
fn anonymous_kb() -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let statuses = processes.filter_map(|process| fs::read_to_string(process.path().join("status")).ok());
    let anonymous = |status: &String| {
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    statuses.filter_map(|status| anonymous(&status)).sum()
}

/// The CPU time of all children that have exited and been waited for.
pub(crate) fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may contain anything, come fields 3 onwards of proc(5); cutime and cstime are 16 and 17, in hundredths.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
