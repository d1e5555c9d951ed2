//! What a process costs, as the kernel counts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Read at one moment; memory in kB. The agent lets nobody look at its memory and its files but root: others see none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Memory in use, with what it shares with other programs.
    pub(crate) resident: u64,
    /// The same where a page that n processes share counts as a n-th.
    pub(crate) proportional: Option<u64>,
    /// What is in no file: heap, stacks, changed pages.
    pub(crate) anonymous: u64,
    pub(crate) threads: usize,
    /// Open files, sockets and timers.
    pub(crate) files: Option<usize>,
    /// How often a thread went to sleep, so how often one was woken.
    pub(crate) wake_ups: u64,
    /// Time on a processor of the threads that are there.
    pub(crate) busy: Duration,
}

impl Cost {
    pub(crate) fn of(pid: u32) -> Self {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let of_process = |file: &str, name: &str| member(&process.join(file), name);
        let tasks = entries(&process.join("task")).unwrap();
        let switches = |task: &PathBuf| member(&task.join("status"), "voluntary_ctxt_switches:");
        Self {
            resident: of_process("status", "VmRSS:").unwrap(),
            proportional: of_process("smaps_rollup", "Pss:"),
            anonymous: of_process("status", "RssAnon:").unwrap(),
            threads: tasks.len(),
            files: entries(&process.join("fd")).map(|files| files.len()),
            wake_ups: tasks.iter().filter_map(switches).sum(),
            busy: Duration::from_nanos(tasks.iter().filter_map(|task| on_processor(task)).sum()),
        }
    }
}

fn entries(folder: &Path) -> Option<Vec<PathBuf>> {
    Some(fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect())
}

/// The number behind a name at a line's start; none of a file that cannot be read, or of a thread that has just ended.
fn member(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    Some(rest.split_whitespace().next().unwrap().parse().unwrap())
}

/// Nanoseconds; none of a thread that has just ended.
fn on_processor(task: &Path) -> Option<u64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    Some(text.split_whitespace().next().unwrap().parse().unwrap())
}
