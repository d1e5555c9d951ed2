//! A machine wakes up and everything has expired: how long until all is fresh, and at what cost?

use crate::document::{Logins, fresh_in};
use crate::growth::exponent;
use crate::picture::{Curve, draw};
use crate::process::{Usage, wait_for_rest};
use crate::watch::Watch;
use crate::{Fallible, between, ms};
use crate::{daemon_at_work, wait};
use harness::Home;
use scripted_server::Kind;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a token endpoint takes to answer.
const ANSWER: Duration = Duration::from_millis(50);
/// After this long without activity, the daemon has saved everything.
const REST: Duration = Duration::from_millis(1500);

/// One storm.
#[derive(Clone, Copy, Debug)]
struct Storm {
    entries: usize,
    servers: usize,
    size: usize,
    tls: bool,
}

/// The cost of one storm.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    entries: usize,
    servers: usize,
    document: u64,
    /// From the first request of any kind until the last pair is visible.
    fresh: Duration,
    document_writes: usize,
    document_bytes: u64,
    /// The size of the records' file afterwards; it is append-only.
    records_bytes: u64,
    /// Journal, rewritten records, history, log, and bytes sent to sockets by `write`.
    other_bytes: u64,
    to_disk: u64,
    peak_kb: u64,
    metadata: usize,
    token: usize,
    cpu: Duration,
}

impl Row {
    fn bytes(&self) -> u64 {
        self.document_bytes + self.records_bytes + self.other_bytes
    }
}

/// `only` leaves one number of entries of a storm over TLS.
pub(crate) fn run(program: &Path, which: &str, only: Option<usize>) -> Fallible<()> {
    println!("{}", program.display());
    let start = start_up(program)?;
    println!(
        "start with no entry: {:.1} ms of CPU, {} kB at most (taken off the CPU below)",
        ms(start.cpu),
        start.peak_kb
    );
    let of_entries = |counts: &[usize]| -> Vec<Storm> {
        counts
            .iter()
            .map(|entries| Storm {
                entries: *entries,
                servers: (*entries).min(10),
                size: 0,
                tls: which == "tls",
            })
            .collect()
    };
    let of_sizes = |sizes: &[usize]| -> Vec<Storm> {
        sizes.iter().map(|size| Storm { entries: 100, servers: 10, size: *size, tls: false }).collect()
    };
    let entries = match which {
        "quick" => of_entries(&[1, 10, 100]),
        "tls" => only.map_or_else(|| of_entries(&[1, 10, 100, 1000]), |only| of_entries(&[only])),
        "size" => Vec::new(),
        _ => of_entries(&[1, 3, 10, 30, 100, 300, 1000]),
    };
    let sizes = match which {
        "quick" => of_sizes(&[1_000_000]),
        "entries" | "tls" => Vec::new(),
        _ => of_sizes(&[80_000, 300_000, 1_000_000, 5_000_000]),
    };
    let by_entries = table("by the number of entries", program, &entries, start)?;
    let by_size = table("by the size of the document", program, &sizes, start)?;
    if !by_entries.is_empty() {
        println!("grows with the entries to the power of (10 entries and more):");
        exponents(&by_entries, &|row| row.entries as f64, 10.0);
    }
    if by_size.len() > 1 {
        println!("grows with the document to the power of:");
        exponents(&by_size, &|row| row.document as f64, 0.0);
    }
    if which == "draw" {
        let curves = |rows: &[Row], x: &dyn Fn(&Row) -> f64| {
            let points = |y: &dyn Fn(&Row) -> f64| rows.iter().map(|row| (x(row), y(row))).collect();
            vec![
                Curve { name: "until all are fresh, ms", points: points(&|row| ms(row.fresh)) },
                Curve { name: "CPU, ms", points: points(&|row| ms(row.cpu)) },
                Curve { name: "written, kB", points: points(&|row| row.bytes() as f64 / 1000.0) },
            ]
        };
        let entries = curves(&by_entries, &|row| row.entries as f64);
        fs::write(
            "docs/internals/performance-entries.svg",
            draw("expired entries, on up to 10 servers", &entries),
        )?;
        let sizes = curves(&by_size, &|row| row.document as f64 / 1000.0);
        fs::write(
            "docs/internals/performance-document.svg",
            draw("size of the document in kB, with 100 expired entries", &sizes),
        )?;
    }
    Ok(())
}

fn table(title: &str, program: &Path, storms: &[Storm], start: Usage) -> Fallible<Vec<Row>> {
    if storms.is_empty() {
        return Ok(Vec::new());
    }
    println!("{title}; each token endpoint answers after {} ms", ANSWER.as_millis());
    println!(
        "{:>7} {:>7} {:>8} {:>9} {:>7} {:>8} {:>10} {:>8} {:>8} {:>8} {:>5} {:>6} {:>8} {:>9}",
        "entries",
        "servers",
        "doc kB",
        "fresh ms",
        "writes",
        "doc kB",
        "records kB",
        "rest kB",
        "disk kB",
        "peak kB",
        "meta",
        "token",
        "CPU ms",
        "CPU/entry"
    );
    let mut rows = Vec::new();
    for storm in storms {
        let row = measure(program, *storm, start)?;
        println!(
            "{:>7} {:>7} {:>8} {:>9.1} {:>7} {:>8} {:>10} {:>8} {:>8} {:>8} {:>5} {:>6} {:>8.1} {:>9.2}",
            row.entries,
            row.servers,
            row.document / 1000,
            ms(row.fresh),
            row.document_writes,
            row.document_bytes / 1000,
            row.records_bytes / 1000,
            row.other_bytes / 1000,
            row.to_disk / 1000,
            row.peak_kb,
            row.metadata,
            row.token,
            ms(row.cpu),
            ms(row.cpu) / row.entries as f64,
        );
        rows.push(row);
    }
    Ok(rows)
}

fn exponents(rows: &[Row], x: &dyn Fn(&Row) -> f64, from: f64) {
    let of = |name: &str, y: &dyn Fn(&Row) -> f64| {
        let points: Vec<_> = rows.iter().filter(|row| x(row) >= from).map(|row| (x(row), y(row))).collect();
        println!("  {name}: {:.2}", exponent(&points));
    };
    of("time", &|row| row.fresh.as_secs_f64());
    of("CPU", &|row| row.cpu.as_secs_f64());
    of("bytes written", &|row| row.bytes() as f64);
    of("bytes of the document written", &|row| row.document_bytes as f64);
    of("memory", &|row| row.peak_kb as f64);
}

/// The daemon's usage without any entry.
fn start_up(program: &Path) -> Fallible<Usage> {
    let home = Home::new(program)?;
    home.store("{\"mcpOAuth\":{}}")?;
    let daemon = daemon_at_work(&home)?;
    wait_for_rest(daemon.pid(), REST)?;
    Usage::of(daemon.pid())
}

fn measure(program: &Path, storm: Storm, start: Usage) -> Fallible<Row> {
    let home = Home::new(program)?;
    let logins = if storm.tls {
        Logins::expired_over_tls(storm.entries, storm.servers, ANSWER)?
    } else {
        Logins::expired(storm.entries, storm.servers, ANSWER)?
    };
    if storm.tls {
        fs::write(home.path().join("authorities.pem"), logins.authorities())?;
        home.configure("[network]\nextra_ca = [\"~/authorities.pem\"]\n")?;
    }
    home.store(&logins.document(storm.size)?)?;
    let document = fs::metadata(home.credentials())?.len();
    let watch = Watch::renames_in(&home.claude())?;
    let daemon = home.daemon()?;
    wait("every server gave its pairs", || Ok(logins.fresh() >= logins.len()))?;
    let mut visible_us = 0;
    wait("every pair is in the document", || {
        let last = watch.last_rename(&home.credentials()).unwrap_or(0);
        if last == visible_us {
            return Ok(false);
        }
        visible_us = last;
        Ok(fresh_in(&fs::read(home.credentials())?) == logins.len())
    })?;
    wait_for_rest(daemon.pid(), REST)?;
    let used = Usage::of(daemon.pid())?;
    let requests: Vec<_> = logins.servers.iter().flat_map(|server| server.log()).collect();
    let of = |kind: Kind| requests.iter().filter(|request| request.kind == kind).count();
    let first_us = requests.iter().map(|request| request.received_us).min().unwrap_or(0);
    let (document_writes, document_bytes) = watch.renames(&home.credentials());
    let records_bytes = fs::metadata(home.state().join("records.jsonl"))?.len();
    Ok(Row {
        entries: storm.entries,
        servers: storm.servers,
        document,
        fresh: between(first_us, visible_us),
        document_writes,
        document_bytes,
        records_bytes,
        other_bytes: used.written.saturating_sub(document_bytes + records_bytes),
        to_disk: used.to_disk,
        peak_kb: used.peak_kb,
        metadata: of(Kind::Metadata),
        token: of(Kind::Token),
        cpu: used.cpu.saturating_sub(start.cpu),
    })
}
