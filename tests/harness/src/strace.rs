//! Parses the output of strace (`-f -ttt`, with or without `-T` and `-y`).

use std::fs;
use std::path::Path;

/// One system call. Times are microseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The thread; 0 if only one was traced, without its number.
    pub thread: u32,
    /// When it started.
    pub entered_us: u64,
    /// When it returned, at the latest; `None` if it never did.
    pub left_us: Option<u64>,
    /// The call.
    pub name: String,
    /// Everything after the opening parenthesis, including the result.
    pub arguments: String,
}

/// The calls recorded so far, in the order in which they started; incomplete lines are skipped.
#[must_use]
pub fn read(path: &Path) -> Vec<Call> {
    parse(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()))
}

/// For how long, in microseconds, at least one of the calls was running between two times. `calls` is in starting order.
#[must_use]
pub fn covered(calls: &[Call], from_us: u64, to_us: u64) -> u64 {
    let (mut covered, mut up_to) = (0, from_us);
    for call in calls {
        let (from, to) = (call.entered_us.max(up_to), call.left_us.unwrap_or(to_us).min(to_us));
        covered += to.saturating_sub(from);
        up_to = up_to.max(to);
    }
    covered
}

fn parse(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        // Process ids are padded to five characters; a single traced thread has none.
        let Some((first, after)) = line.split_once(' ') else { continue };
        let (thread, rest) = first.parse::<u32>().map_or((0, line), |thread| (thread, after));
        let Some((at, rest)) = rest.trim_start().split_once(' ') else { continue };
        let Some(at) = micros(at) else { continue };
        let rest = rest.trim_start();
        let lasted = rest.rsplit_once('<').and_then(|(_, end)| micros(end.strip_suffix('>')?));
        // A thread's next call shows that its previous one has returned.
        if !rest.starts_with("+++")
            && let Some(open) = calls.iter_mut().rfind(|call| call.thread == thread)
            && open.left_us.is_none()
        {
            let resumed = lasted.filter(|_| rest.starts_with("<..."));
            open.left_us = Some(resumed.map_or(at, |lasted| open.entered_us + lasted));
        }
        if ["<...", "+++", "---"].iter().any(|mark| rest.starts_with(mark)) {
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let finished = !arguments.contains("<unfinished ...>") && arguments.contains(") = ");
        calls.push(Call {
            thread,
            entered_us: at,
            left_us: finished.then(|| at + lasted.unwrap_or(0)),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        });
    }
    calls
}

/// `1764000000.123456` or `0.000123`, in microseconds.
fn micros(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Call, covered, parse};

    #[test]
    fn a_call_ends_where_strace_says_or_with_the_next_of_its_thread() {
        let text = "\
7     10.000001 mkdir(\"a\", 0777) = 0 <0.000030>
7     10.000100 fsync(3</home/me/0.000001> <unfinished ...>
8     10.000200 write(2</log>, \"x\", 1) = 1 <0.000001>
7     10.000300 <... fsync resumed>) = 0 <0.000150>
8     10.000400 recvfrom(5, <unfinished ...>
8     10.000500 close(5) = 0
7     10.000600 rename(\"a\", \"b\" <unfinished ...>
7     10.000700 +++ killed by SIGKILL +++
7     10.0007";
        let calls = parse(text);
        let seen: Vec<_> = calls
            .iter()
            .map(|call| (call.thread, call.name.as_str(), call.entered_us, call.left_us))
            .collect();
        assert_eq!(
            seen,
            [
                (7, "mkdir", 10_000_001, Some(10_000_031)),
                (7, "fsync", 10_000_100, Some(10_000_250)),
                (8, "write", 10_000_200, Some(10_000_201)),
                (8, "recvfrom", 10_000_400, Some(10_000_500)),
                (8, "close", 10_000_500, Some(10_000_500)),
                (7, "rename", 10_000_600, None),
            ]
        );
    }

    #[test]
    fn overlaps_are_counted_once() {
        let call = |entered_us, left_us| Call {
            thread: 1,
            entered_us,
            left_us,
            name: String::new(),
            arguments: String::new(),
        };
        let calls =
            [call(0, Some(10)), call(20, Some(40)), call(25, Some(30)), call(35, Some(50)), call(90, None)];
        assert_eq!(covered(&calls, 5, 100), 5 + 30 + 10);
    }
}
