//! How long the storage lock is held, and what happens meanwhile.

use crate::trace::{SHOWN, Trace};
use crate::{Fallible, Tally};
use harness::Home;
use harness::strace::Call;
use scripted_server::{Grant, Script, Server};
use std::path::Path;
use std::time::Duration;

const REFRESHES: usize = 200;
/// The number of entries that expire together in the storm.
const TOGETHER: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(program: &Path, tally: &mut Tally) -> Fallible<()> {
    let server = Server::start(Script::default())?;
    one_after_the_other(program, &server, tally)?;
    all_at_once(program, &server, tally)
}

fn one_after_the_other(program: &Path, server: &Server, tally: &mut Tally) -> Fallible<()> {
    let site = server.add("serial", Script::default());
    let home = Home::with(
        program,
        &scripted_server::credentials_json([("lab", &site.grant(Duration::from_secs(36_000)))]),
    )?;
    let mut daemon = home.traced(SHOWN, &["--seccomp-bpf"])?;
    daemon.wait(PATIENCE, || home.log().contains("started (process"));
    for _ in 0..REFRESHES {
        home.command(&["refresh", "lab", "--force"]).output()?;
    }
    let ended = daemon.ends_well(PATIENCE);
    let made = site.refreshes();
    let mut unmet = Vec::new();
    if made != REFRESHES || !ended {
        unmet.push(format!("only {made} of {REFRESHES} were made; the log:\n{}", home.log()));
    }
    tell(
        &format!("{REFRESHES} refreshes one after the other"),
        &Trace::read(&home.trace()),
        true,
        unmet,
        tally,
    );
    Ok(())
}

fn all_at_once(program: &Path, server: &Server, tally: &mut Tally) -> Fallible<()> {
    let names: Vec<_> = (0..TOGETHER).map(|number| format!("storm-{number}")).collect();
    let grants: Vec<Grant> =
        names.iter().map(|name| server.add(name, Script::default()).grant(Duration::ZERO)).collect();
    let home = Home::with(
        program,
        &scripted_server::credentials_json(names.iter().map(String::as_str).zip(&grants)),
    )?;
    let mut daemon = home.traced(SHOWN, &["--seccomp-bpf"])?;
    let done = daemon.wait(PATIENCE, || home.log().matches("refreshed, valid for").count() == TOGETHER);
    let ended = daemon.ends_well(PATIENCE);
    let mut unmet = Vec::new();
    if !done || !ended {
        unmet.push(format!("they were not all made; the log:\n{}", home.log()));
    }
    tell(&format!("{TOGETHER} refreshes at once"), &Trace::read(&home.trace()), false, unmet, tally);
    Ok(())
}

/// One hold of the storage lock: from before the mkdir to after the rmdir.
pub(crate) struct Hold {
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
    /// The fsyncs started meanwhile.
    begun: usize,
    /// The fsyncs of other transactions still running.
    under_way: usize,
}

pub(crate) fn holds(trace: &Trace) -> Vec<Hold> {
    let is_lock = |call: &&Call| call.arguments.contains(".storage-write.lock\"");
    let made = trace.calls.iter().filter(|call| call.name.starts_with("mkdir")).filter(is_lock);
    let removed = |after: u64| {
        let mut rmdirs = trace.calls.iter().filter(|call| call.name == "rmdir").filter(is_lock);
        rmdirs.find(|call| call.entered_us > after)
    };
    let syncs: Vec<_> = trace.calls.iter().filter(|call| call.name.contains("sync")).collect();
    made.filter_map(|mkdir| {
        let from = mkdir.entered_us;
        let to = removed(from)?.left_us?;
        let begun = syncs.iter().filter(|sync| sync.entered_us > from && sync.entered_us < to).count();
        let under_way = syncs
            .iter()
            .filter(|sync| sync.entered_us <= from && sync.left_us.is_none_or(|left| left > from))
            .count();
        Some(Hold { from_us: from, to_us: to, begun, under_way })
    })
    .collect()
}

fn tell(what: &str, trace: &Trace, every_one_written: bool, mut unmet: Vec<String>, tally: &mut Tally) {
    let holds = holds(trace);
    let mut times: Vec<f64> = holds.iter().map(|hold| (hold.to_us - hold.from_us) as f64 / 1000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN)
    };
    let syncs = trace.calls.iter().filter(|call| call.name.contains("sync")).count();
    let begun: usize = holds.iter().map(|hold| hold.begun).sum();
    let under_way: usize = holds.iter().map(|hold| hold.under_way).sum();
    if begun > 0 {
        unmet.push(format!("{begun} fsyncs began while the storage lock was held"));
    }
    if holds.is_empty() || (every_one_written && holds.len() != REFRESHES) {
        unmet.push(format!("{} writes are in the trace", holds.len()));
    }
    // Times are reported but have no limits: they depend on the machine's load.
    tally.note(
        &format!(
            "{what}: {} writes, {syncs} fsyncs, {begun} of them begun and {under_way} still under way while the storage lock was held; \
             held (under strace) min {:.2} ms, median {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            holds.len(), at(0), at(50), at(99), at(100)
        ),
        &unmet,
    );
}
