//! Which system calls were under way when, as strace saw it. Only those that are asked for stop the daemon.

use crate::home::Home;
use std::process::Command;

/// One call: from when to when, in microseconds since the epoch.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
}

/// strace around the daemon's start.
pub(crate) fn around(home: &Home, daemon: Command, calls: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-ttt", "-T", "-q", "-e", "signal=none", "-e"]);
    strace
        .arg(format!("trace={calls}"))
        .arg("-o")
        .arg(home.trace())
        .arg(daemon.get_program())
        .args(daemon.get_args());
    strace.env_clear().env("HOME", home.path());
    strace
}

/// Everything that has come to an end, in the order of its beginning.
pub(crate) fn read(home: &Home) -> Vec<Call> {
    let text = std::fs::read_to_string(home.trace()).unwrap_or_default();
    let (mut calls, mut open) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(at)) = (words.next(), words.next().and_then(micros)) else { continue };
        let Some((_, rest)) = line.split_once('.').and_then(|(_, rest)| rest.split_once(' ')) else {
            continue;
        };
        let lasted = rest.rsplit_once('<').and_then(|(_, end)| micros(end.strip_suffix('>')?));
        if rest.starts_with("<...") {
            let number = open.iter().position(|(of, _): &(String, Call)| of == thread);
            if let (Some(number), Some(lasted)) = (number, lasted) {
                let (_, call) = open.swap_remove(number);
                calls.push(Call { to_us: call.from_us + lasted, ..call });
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let call = Call { name: name.to_owned(), arguments: arguments.to_owned(), from_us: at, to_us: at };
        match lasted {
            Some(lasted) => calls.push(Call { to_us: at + lasted, ..call }),
            None => open.push((thread.to_owned(), call)),
        }
    }
    calls.sort_by_key(|call| call.from_us);
    calls
}

/// `1764000000.123456` or `0.000123`, in microseconds.
fn micros(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

/// How long at least one of the calls was under way between two moments.
pub(crate) fn covered(calls: &[Call], from_us: u64, to_us: u64) -> u64 {
    let (mut covered, mut up_to) = (0, from_us);
    for call in calls {
        let (from, to) = (call.from_us.max(up_to), call.to_us.min(to_us));
        covered += to.saturating_sub(from);
        up_to = up_to.max(to);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::{Call, covered};

    #[test]
    fn what_overlaps_is_counted_once() {
        let call = |from_us, to_us| Call { name: String::new(), arguments: String::new(), from_us, to_us };
        let calls = [call(0, 10), call(20, 40), call(25, 30), call(35, 50), call(90, 120)];
        assert_eq!(covered(&calls, 5, 100), 5 + 30 + 10);
    }
}
