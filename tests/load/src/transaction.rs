//! One refresh after the other, broken down into steps, next to the bare writes it needs.

use crate::bare::Bare;
use crate::document::Logins;
use crate::process::{Usage, wait_for_rest};
use crate::watch::{Event, Watch, What};
use crate::{Fallible, Sorted, between, ms};
use crate::{PATIENCE, daemon_at_work, wait};
use harness::Home;
use harness::strace::{self, Call, covered};
use scripted_server::{Entry, Outcome};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ENTRIES: usize = 20;
/// Calls with externally visible effects, and those that wait for the disk.
const TRACED: &str = "mkdir,rmdir,rename,fsync,fdatasync";

pub(crate) fn run(program: &Path, times: usize) -> Fallible<()> {
    println!("{}", program.display());
    untraced(program, times)?;
    traced(program, times.min(100))
}

/// Refreshes of one entry, as requested by a user.
struct Refreshes {
    home: Home,
    logins: Logins,
}

impl Refreshes {
    fn new(program: &Path) -> Fallible<Self> {
        let (home, logins) = (Home::new(program)?, Logins::expired(ENTRIES, 1, Duration::ZERO)?);
        home.store(&logins.document(0)?)?;
        Ok(Self { home, logins })
    }

    fn all_are_fresh(&self) -> Fallible<()> {
        wait("every server gave its pairs", || Ok(self.logins.fresh() >= ENTRIES))?;
        wait("they can be asked for", || {
            Ok(self.home.command(&["refresh", "lab-0000", "--force"]).output()?.status.success())
        })
    }

    /// One refresh; returns the server's log entry for it.
    fn once(&self) -> Fallible<Entry> {
        let output = self.home.command(&["refresh", "lab-0000", "--force"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let mut log = self.logins.servers.iter().flat_map(|server| server.log());
        log.rfind(|entry| entry.outcome == Outcome::Fresh).ok_or_else(|| "no refresh was made".into())
    }
}

fn untraced(program: &Path, times: usize) -> Fallible<()> {
    let refreshes = Refreshes::new(program)?;
    let home = &refreshes.home;
    let watch = Watch::everything(&[&home.claude(), &home.state()])?;
    let daemon = daemon_at_work(home)?;
    refreshes.all_are_fresh()?;
    wait_for_rest(daemon.pid(), Duration::from_millis(1500))?;
    let document = fs::read(home.credentials())?;
    let mut bare = Bare::new(home.path())?;
    let before = Usage::of(daemon.pid())?;
    let (mut visible, mut durable, mut held, mut bare_times) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        let seen = watch.events().len();
        let request = refreshes.once()?;
        let events = watch.events();
        let events = events.get(seen..).unwrap_or_default();
        let finished = request.finished_us.unwrap_or(0);
        let swap =
            events.iter().position(|event| event.what == What::Renamed && event.path == home.credentials());
        if let Some((swap, at)) = swap.and_then(|swap| Some((swap, events.get(swap)?.at_us))) {
            visible.push(between(finished, at));
            // After the folder's fsync, the next call writes a record to the state folder.
            let noted = events.iter().skip(swap).find(|event| event.path.starts_with(home.state()));
            durable.extend(noted.map(|event| between(finished, event.at_us)));
        }
        held.extend(lock_held(events));
        bare_times.push(bare.write(&document)?);
    }
    let used = Usage::of(daemon.pid())?;
    let user = used.user_of_all.saturating_sub(before.user_of_all);
    let system = used.system_of_all.saturating_sub(before.system_of_all);
    println!(
        "{times} refreshes in turn, document of {} bytes, each with a bare write beside it",
        document.len()
    );
    println!("{:<58} {:>9} {:>9} {:>9}", "", "median", "95 %", "99 %");
    let row = |what: &str, times: Vec<Duration>| {
        let sorted = Sorted::new(times);
        let (half, most, all) = (ms(sorted.median()), ms(sorted.at(950)), ms(sorted.at(990)));
        println!("{what:<58} {half:>6.2} ms {most:>6.2} ms {all:>6.2} ms");
        sorted.median()
    };
    row("last byte of the answer to the pair visible", visible);
    let ours = row("last byte of the answer to the pair visible and durable", durable);
    let bare = row("bare: write, fsync by fsync, rename, fsync of the folder", bare_times);
    row("storage lock held", held);
    println!("durable against bare, medians: {:.2} times", ms(ours) / ms(bare).max(1e-9));
    let each = |time: Duration| ms(time) / times.max(1) as f64;
    println!(
        "CPU of all threads: {:.2} ms a refresh in the program, {:.2} ms in the kernel",
        each(user),
        each(system)
    );
    println!(
        "bytes written: {} a refresh",
        used.written.saturating_sub(before.written) / times.max(1) as u64
    );
    Ok(())
}

/// From the creation of the storage lock to its removal, as far as both were reported.
fn lock_held(events: &[Event]) -> Option<Duration> {
    let is_lock = |event: &&Event| event.path.file_name().is_some_and(|name| name == ".storage-write.lock");
    let made = events.iter().filter(is_lock).find(|event| event.what == What::Made)?;
    let gone = events.iter().filter(is_lock).find(|event| event.what == What::Gone)?;
    Some(between(made.at_us, gone.at_us))
}

/// The daemon's own share: from lock to unlock, without server and disk.
fn traced(program: &Path, times: usize) -> Fallible<()> {
    let refreshes = Refreshes::new(program)?;
    let home = &refreshes.home;
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        println!("own share of the time: not measured, strace is not installed");
        return Ok(());
    }
    let daemon = home.traced(TRACED, &["--seccomp-bpf"])?;
    let measured = refreshes.all_are_fresh().and_then(|()| {
        let mut requests = Vec::new();
        for _ in 0..times {
            requests.push(refreshes.once()?);
        }
        Ok(requests)
    });
    daemon.terminate(PATIENCE)?;
    let requests = measured?;
    let calls = strace::read(&home.trace());
    let of = |name: &str, part: &str| -> Vec<Call> {
        let calls = calls.iter().filter(|call| call.name == name && call.arguments.contains(part));
        calls.cloned().collect()
    };
    let waits: Vec<_> = calls.iter().filter(|call| call.name.contains("sync")).cloned().collect();
    let (locks, unlocks) = (of("mkdir", "mcp-refresh-"), of("rmdir", "mcp-refresh-"));
    let (mut own, mut whole) = (Vec::new(), Vec::new());
    for request in &requests {
        let (sent, answered) = (request.received_us, request.finished_us.unwrap_or(request.received_us));
        let from = locks.iter().rfind(|call| call.entered_us < sent).map(|call| call.entered_us);
        let to = unlocks.iter().find(|call| call.entered_us > answered).and_then(|call| call.left_us);
        let (Some(from), Some(to)) = (from, to) else { continue };
        whole.push(between(from, to));
        own.push(Duration::from_micros(
            (to - from).saturating_sub(answered - sent + covered(&waits, from, to)),
        ));
    }
    let held: Vec<_> = of("mkdir", ".storage-write.lock")
        .iter()
        .filter_map(|made| {
            let gone = of("rmdir", ".storage-write.lock")
                .into_iter()
                .find(|gone| gone.entered_us > made.entered_us)?;
            Some(between(made.entered_us, gone.left_us?))
        })
        .collect();
    println!("{} refreshes under strace, which stops the daemon at {TRACED}", own.len());
    let row = |what: &str, times: Vec<Duration>| {
        let sorted = Sorted::new(times);
        println!(
            "{what:<58} {:>6.2} ms {:>6.2} ms {:>6.2} ms",
            ms(sorted.median()),
            ms(sorted.at(950)),
            ms(sorted.at(990))
        );
    };
    row("from the entry's lock to its release", whole);
    row("of it the daemon's own: less server and fsync", own);
    row("storage lock held", held);
    Ok(())
}
