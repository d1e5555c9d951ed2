//! What must hold when the clock jumps or the machine sleeps. Each gives its figure, or says what was wrong.

use crate::Fallible;
use crate::guest::{boot_time, step_clock, suspend};
use crate::home::{Home, LIFETIME};
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;

pub(crate) type Scenario = fn() -> Fallible<String>;

/// In a machine whose time leaps while it idles.
const JUMPS: [(&str, Scenario); 5] = [
    ("without a jump every token is refreshed inside its margin, and the daemon sleeps", nothing_happens),
    ("a clock set ahead over the expiry is noticed at once", ahead_over_the_expiry),
    ("a clock set ahead a year costs one refresh of each server", ahead_a_year),
    ("a clock set back a day lets no token expire that the daemon wrote", back_a_day),
    ("a clock set to and fro every second starts no storm", to_and_fro),
];

/// In a machine with everybody's time: one that leaps is not waked by its real-time clock.
const SLEEP: [(&str, Scenario); 1] =
    [("what became due while the machine slept is refreshed at once", suspended_over_the_due_moment)];

/// The scenarios of a part; none if there is no such part.
pub(crate) fn of(part: &str) -> &'static [(&'static str, Scenario)] {
    match part {
        "jumps" => &JUMPS,
        "sleep" => &SLEEP,
        _ => &[],
    }
}

/// A quarter of the lifetime, and its jitter of a tenth of that.
const EARLIEST: i64 = 3600 - 900 - 90;
const LATEST: i64 = 3600 - 900;

fn nothing_happens() -> Fallible<String> {
    let home = Home::new(LIFETIME)?;
    let (began, woken) = (boot_time(), home.wake_ups()?);
    std::thread::sleep(Duration::from_secs(2400));
    let idle = home.wake_ups()? - woken;
    home.wait_for_all(0, LIFETIME)?;
    let took = boot_time() - began;
    if !(EARLIEST - 5..=LATEST + 5).contains(&took) {
        return Err(format!("refreshed after {took} s, not between {EARLIEST} and {LATEST}").into());
    }
    if idle > 0 {
        return Err(format!("{idle} wake-ups in 40 idle minutes").into());
    }
    Ok(format!("after {took} of 3600 s; no wake-up in the 40 minutes before"))
}

fn ahead_over_the_expiry() -> Fallible<String> {
    let home = Home::new(LIFETIME)?;
    step_clock(2 * 3600)?;
    let began = Instant::now();
    home.wait_for_all(0, Duration::from_secs(10))?;
    let took = began.elapsed();
    Ok(format!("all fresh {} ms later", took.as_millis()))
}

fn ahead_a_year() -> Fallible<String> {
    let home = Home::new(LIFETIME)?;
    step_clock(365 * DAY)?;
    home.wait_for_all(0, Duration::from_secs(10))?;
    std::thread::sleep(Duration::from_secs(1800));
    match home.refreshes() {
        3 => Ok("3 refreshes, and none more in half an hour".into()),
        more => Err(home.complaint(&format!("{more} refreshes of 3 servers"))),
    }
}

fn back_a_day() -> Fallible<String> {
    let home = Home::new(LIFETIME)?;
    // What the daemon wrote itself, it knows the age of whatever the wall clock says.
    step_clock(2 * 3600)?;
    home.wait_for_all(0, Duration::from_secs(10))?;
    let (began, before) = (boot_time(), home.refreshes());
    step_clock(-DAY)?;
    std::thread::sleep(Duration::from_secs(1800));
    if home.refreshes() > before {
        return Err("refreshed for nothing after the step".into());
    }
    home.wait_for_all(before, LIFETIME)?;
    let took = boot_time() - began;
    if took > LATEST + 5 {
        return Err(format!("refreshed {took} s after the tokens were issued").into());
    }
    Ok(format!("refreshed {took} s after the tokens were issued, which live 3600 s"))
}

fn to_and_fro() -> Fallible<String> {
    let home = Home::new(LIFETIME)?;
    let woken = home.wake_ups()?;
    for _ in 0..30 {
        step_clock(600)?;
        std::thread::sleep(Duration::from_secs(1));
        step_clock(-600)?;
        std::thread::sleep(Duration::from_secs(1));
    }
    let woken = home.wake_ups()? - woken;
    match home.refreshes() {
        0 if woken <= 60 * 10 => Ok(format!("60 steps, no refresh, {woken} wake-ups")),
        refreshes => Err(format!("60 steps, {refreshes} refreshes, {woken} wake-ups").into()),
    }
}

fn suspended_over_the_due_moment() -> Fallible<String> {
    // Due 7 minutes before the end, or up to 42 s earlier: 18 s to a minute from now.
    let home = Home::new(Duration::from_secs(480))?;
    let (began, awake) = (boot_time(), Instant::now());
    suspend(Duration::from_secs(70))?;
    let asleep = Duration::from_secs(u64::try_from(boot_time() - began)?).saturating_sub(awake.elapsed());
    if asleep < Duration::from_secs(60) {
        return Err(format!("the machine slept for {} s only", asleep.as_secs()).into());
    }
    let resumed = Instant::now();
    home.wait_for_all(0, Duration::from_secs(10))?;
    let took = resumed.elapsed();
    match home.refreshes() {
        3 => Ok(format!("asleep for {} s, all fresh {} ms after", asleep.as_secs(), took.as_millis())),
        more => Err(home.complaint(&format!("{more} refreshes of 3 servers"))),
    }
}
