//! Prints how long a write takes on this disk and how long the storage lock is held for it:
//! `cargo run --release -p claude-store --example write-time [FOLDER]`.
#![allow(clippy::print_stdout, reason = "it prints its findings")]

use claude_store::{Change, EntryKey, FileStore, OsFileSystem, Published, StorageFolder, Store, TokenChange};
use oauth_secret::{AccessToken, RefreshToken};
use std::path::Path;
use std::time::{Duration, Instant};

const WRITES: i64 = 1000;
const ENTRIES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let below = std::env::args_os().nth(1).unwrap_or_else(|| std::env::temp_dir().into_os_string());
    let folder = tempfile::tempdir_in(below)?;
    let members: Vec<String> = (0..ENTRIES).map(entry).collect();
    let path = folder.path().join(".credentials.json");
    std::fs::write(&path, format!(r#"{{"mcpOAuth":{{{}}}}}"#, members.join(",")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, measure(folder.path()))
}

async fn measure(folder: &Path) -> Result<(), Failed> {
    let store = FileStore::new(OsFileSystem, StorageFolder::at(folder, folder));
    let (mut whole, mut held) = (Vec::new(), Vec::new());
    for round in 0..WRITES {
        let began = Instant::now();
        let read = store.read().await?;
        let document = read.document()?.splice(&[(key(7), change(round))])?;
        let staged = store.stage(&document).await?;
        let lock = store.locks().storage_lock(PATIENCE).await?;
        let taken = Instant::now();
        let published = store.publish(&lock, &read, staged).await?;
        lock.release()?;
        held.push(taken.elapsed());
        assert_eq!(published, Published::Swapped, "nobody else writes here");
        store.settle().await?;
        whole.push(began.elapsed());
    }
    report("whole write, durable", whole);
    report("storage lock held", held);
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| {
        times.get((times.len() * part / 1000).min(times.len() - 1)).copied().unwrap_or_default()
    };
    let under = times.iter().filter(|time| **time < Duration::from_millis(5)).count();
    println!(
        "{what}: median {:.2?}, 99 % under {:.2?}, longest {:.2?}; {under} of {} under 5 ms",
        at(500),
        at(990),
        at(1000),
        times.len()
    );
}

fn key(number: usize) -> EntryKey {
    EntryKey::new(format!("server-{number}|{number:016x}"))
}

fn entry(number: usize) -> String {
    format!(
        r#""{}":{{"serverName":"server-{number}","serverUrl":"https://server-{number}.test/mcp","accessToken":"at","refreshToken":"rt","expiresAt":1795381774631}}"#,
        key(number)
    )
}

fn change(round: i64) -> Change {
    Change::Tokens(TokenChange {
        access_token: AccessToken::new(format!("at_made_up_{round}")),
        refresh_token: Some(RefreshToken::new(format!("rt_made_up_{round}"))),
        expires_at: Some(1_795_381_774_631 + round),
        scope: None,
    })
}
