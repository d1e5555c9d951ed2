//! The virtual machine: operations that are only safe in it.

use crate::Fallible;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The kernel parameter by which `run.sh` marks its machine.
const MARK: &str = "clock-guest.machine";

/// Succeeds only in the machine made by `run.sh`.
pub(crate) fn is_this_one() -> Result<(), String> {
    let words = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if words.split_ascii_whitespace().any(|word| word == MARK) {
        return Ok(());
    }
    Err("it sets the clock, so it runs in a virtual machine only; run: tests/clock-guest/run.sh".into())
}

/// The part requested by `run.sh` on the kernel's command line.
pub(crate) fn part() -> String {
    let words = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let part = words.split_ascii_whitespace().find_map(|word| word.strip_prefix("clock-guest.part="));
    part.unwrap_or_default().to_owned()
}

/// Seconds since boot, including sleep.
pub(crate) fn boot_time() -> i64 {
    clock_gettime(ClockId::Boottime).tv_sec
}

/// Sets the wall clock forward or back.
pub(crate) fn step_clock(seconds: i64) -> Fallible<()> {
    let now = clock_gettime(ClockId::Realtime);
    clock_settime(ClockId::Realtime, Timespec { tv_sec: now.tv_sec + seconds, tv_nsec: now.tv_nsec })?;
    Ok(())
}

/// Suspends to memory; the real-time clock's alarm wakes the machine.
pub(crate) fn suspend(time: Duration) -> Fallible<()> {
    let alarm = Path::new("/sys/class/rtc/rtc0/wakealarm");
    fs::write(alarm, "0")?;
    fs::write(alarm, format!("+{}", time.as_secs()))?;
    fs::write("/sys/power/state", "mem")
        .map_err(|error| format!("/sys/power/state: {error}; this kernel cannot sleep").into())
}
