//! The delay from an external write to the daemon's reaction, and the cost of a store that changes ten times a second.

use crate::document::{Logins, padded};
use crate::process::{Usage, wait_for_rest};
use crate::{Fallible, Sorted, between, ms, now_us};
use crate::{daemon_at_work, wait};
use harness::Home;
use scripted_server::{Kind, credentials_json};
use std::path::Path;
use std::time::{Duration, Instant};

const LOGINS: usize = 20;
const CHANGES_PER_SECOND: u32 = 10;
const SIZES: [usize; 2] = [5_000, 5_000_000];

pub(crate) fn run(program: &Path, seconds: usize) -> Fallible<()> {
    println!("{}", program.display());
    delay(program)?;
    let seconds = Duration::from_secs(u64::try_from(seconds)?);
    SIZES.iter().try_for_each(|size| cost(program, *size, seconds))
}

/// An expired login is written to the store; how long until its request reaches the server?
fn delay(program: &Path) -> Fallible<()> {
    let home = Home::new(program)?;
    let servers = Logins::expired(0, 1, Duration::ZERO)?;
    let server = servers.servers.first().ok_or("a server was started")?;
    home.store("{\"mcpOAuth\":{}}")?;
    let daemon = daemon_at_work(&home)?;
    let requests = || server.log().into_iter().filter(|entry| entry.kind != Kind::Mcp);
    let mut delays = Vec::new();
    for number in 0..LOGINS {
        wait_for_rest(daemon.pid(), Duration::from_millis(400))?;
        let before = requests().count();
        let (name, grant) = (format!("lab-{number}"), server.grant(Duration::ZERO));
        let document = credentials_json([(name.as_str(), &grant)]);
        let written_us = now_us();
        home.store(&document)?;
        wait("a request arrives", || Ok(requests().count() > before))?;
        delays.extend(requests().nth(before).map(|request| between(written_us, request.received_us)));
    }
    let delays = Sorted::new(delays);
    println!(
        "from an outside write to the first request of the new plan: median {:.0} ms, longest {:.0} ms of {LOGINS}",
        ms(delays.median()),
        ms(delays.at(1000))
    );
    Ok(())
}

/// A store with 10 valid logins whose other content changes all the time.
fn cost(program: &Path, size: usize, time: Duration) -> Fallible<()> {
    let home = Home::new(program)?;
    let servers = Logins::expired(0, 1, Duration::ZERO)?;
    let server = servers.servers.first().ok_or("a server was started")?;
    let grants: Vec<_> =
        (0..10).map(|number| (format!("lab-{number}"), server.grant(Duration::from_secs(86_400)))).collect();
    let plain = credentials_json(grants.iter().map(|(name, grant)| (name.as_str(), grant)));
    let document = padded(&plain, size)?;
    home.store(&document)?;
    let daemon = daemon_at_work(&home)?;
    wait_for_rest(daemon.pid(), Duration::from_millis(1500))?;
    let (before, began) = (Usage::of(daemon.pid())?, Instant::now());
    let mut changes = 0;
    while began.elapsed() < time {
        changes += 1;
        // The login to Claude itself, which the daemon ignores.
        home.store(&document.replacen("1795381774631", &format!("17953817{:05}", changes % 100_000), 1))?;
        std::thread::sleep(
            (began + Duration::from_secs(1) / CHANGES_PER_SECOND * changes)
                .saturating_duration_since(Instant::now()),
        );
    }
    let (used, took) = (Usage::of(daemon.pid())?, began.elapsed());
    let cpu = used.cpu.saturating_sub(before.cpu);
    println!(
        "document of {} kB, {changes} changes in {:.0} s: {:.2} ms of CPU a change, {:.2} % of a core, {} kB resident at most",
        document.len() / 1000,
        took.as_secs_f64(),
        ms(cpu) / f64::from(changes),
        100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
        used.peak_kb
    );
    Ok(())
}
