use crate::commands::doctor::facts::{Facts, StoreFacts};
use crate::commands::doctor::finding::Confidence::{Certain, Likely};
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::terminal::wording::{length, quoted};
use claude_store::{LockKind, LockSighting};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A lock on another machine's clock (a network file system) may be dated a little ahead.
const AHEAD_ALLOWED: Duration = Duration::from_secs(10);

/// Locks that nobody holds, and files in the place of locks.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let now = SystemTime::now();
    let of_store = |store: &StoreFacts| {
        let folder = store.folder.path().to_owned();
        let found = store
            .locks
            .iter()
            .filter_map(|sighting| Some(one(sighting, &folder, now)?.of_all(server_of(sighting, store))));
        found.collect::<Vec<_>>()
    };
    facts.concerned().flat_map(of_store).collect()
}

/// The server whose entry a refresh lock is for: its name is the key, with `_` for every other character than letters and digits.
fn server_of<'a>(sighting: &LockSighting, store: &'a StoreFacts) -> Option<&'a str> {
    let file = sighting.path.file_name()?.to_str()?;
    let plain = |key: &str| key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let entries = store.entries.iter().map(|(seen, _)| &seen.entry);
    let mut same =
        entries.filter(|entry| file == format!("mcp-refresh-{}.lock.lock", plain(entry.key.as_str())));
    same.next().map(|entry| entry.server_name.as_str())
}

fn one(sighting: &LockSighting, folder: &Path, now: SystemTime) -> Option<Finding> {
    let what = match sighting.kind {
        LockKind::Refresh => "refresh of this entry",
        LockKind::Storage => "write of the store",
    };
    let (folder, copy) = (folder.to_owned(), sighting.clone());
    let cure = "mcp-refreshd doctor --fix";
    let finding = if sighting.is_file {
        Finding::trouble(
            "lock-is-file",
            Certain,
            format!("a file stands in the place of a lock's folder: no {what} is possible, not even by Claude Code"),
            format!("{cure}, or rm {}", quoted(&sighting.path.display().to_string())),
        )
        .fixed_by(Fix::RemoveFile { folder, sighting: copy })
    } else if sighting.dated_ahead {
        let ahead = sighting.modified.duration_since(now).unwrap_or_default();
        if ahead < AHEAD_ALLOWED {
            return None;
        }
        Finding::trouble(
            "lock-dated-ahead",
            Certain,
            format!(
                "a lock is dated {} in the future, as after a clock step; Claude Code never takes it over, and waits for \
                 it at each {what}",
                length(ahead)
            ),
            cure,
        )
        .fixed_by(Fix::TakeLock { folder, sighting: copy })
    } else if sighting.age > sighting.kind.stale_after() {
        Finding::trouble(
            "lock-orphaned",
            Likely,
            format!(
                "nobody renewed this lock for {}: its holder was killed. The next {what} waits, and takes it over",
                length(sighting.age)
            ),
            cure,
        )
        .fixed_by(Fix::TakeLock { folder, sighting: copy })
    } else {
        return None;
    };
    Some(finding.at(&sighting.path))
}
