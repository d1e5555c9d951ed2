//! How much memory a run takes: it decides how many scenarios can run side by side.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct Memory(Rc<Cell<u64>>);

/// Looks once a second from now on. In a namespace of its own every process is one of ours.
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

/// Memory that is not backed by a file, of all processes: the client's binary is shared between its processes.
fn anonymous_kb() -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let statuses = processes.filter_map(|process| fs::read_to_string(process.path().join("status")).ok());
    let anonymous = |status: &String| {
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    statuses.filter_map(|status| anonymous(&status)).sum()
}
