//! Prints how long planning 10,000 entries takes: `cargo run --release -p refresh-engine --example plan-time`.
#![allow(clippy::print_stdout, reason = "it prints its findings")]

use claude_store::Document;
use jiff::Timestamp;
use refresh_engine::{Activity, Now, ObservedEntry, Plan, Policy, Record, plan};
use std::time::{Duration, Instant};

const ENTRIES: usize = 10_000;
const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Now { wall: Timestamp::now(), boot: Duration::from_secs(1) };
    let expires_at = now.wall.as_millisecond() + 3_600_000;
    let members: Vec<String> = (0..ENTRIES)
        .map(|number| {
            let expires_at = expires_at + i64::try_from(number).unwrap_or_default();
            format!(
                r#""s{number}|{number:016x}":{{"serverName":"s{number}","serverUrl":"https://s{number}.test/mcp","accessToken":"at{number}","refreshToken":"rt{number}","expiresAt":{expires_at}}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"mcpOAuth":{{{}}}}}"#, members.join(","));
    let document = Document::parse(text.as_bytes())?;
    let known: Vec<(ObservedEntry, Record)> = document
        .entries()
        .map(|entry| {
            let seen = ObservedEntry::new(entry.clone());
            let mut record = Record::default();
            record.observe(now, &seen);
            (seen, record)
        })
        .collect();
    let policy = Policy::default();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let sleeping = known
            .iter()
            .filter(|(seen, record)| {
                matches!(plan(now, seen, record, &Activity::default, &policy), Plan::Sleep { .. })
            })
            .count();
        times.push(began.elapsed());
        assert_eq!(sleeping, ENTRIES, "none is due yet");
    }
    times.sort();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    println!("planning {ENTRIES} entries: median {median:.2?}, longest {worst:.2?}");
    Ok(())
}
