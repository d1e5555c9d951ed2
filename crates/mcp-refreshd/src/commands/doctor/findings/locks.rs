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

/// Locks that nobody holds, and things that are no locks.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let now = SystemTime::now();
    let of_store = |store: &StoreFacts| {
        let folder = store.folder.path().to_owned();
        let found = store.locks.iter().filter_map(|sighting| one(sighting, &folder, now));
        found.collect::<Vec<_>>()
    };
    facts.stores.iter().flat_map(of_store).collect()
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
            format!("a file stands where a lock's folder belongs, and no {what} can be done, by Claude Code neither"),
            format!("{cure}, or rm {}", quoted(&sighting.path.display().to_string())),
        )
        .mended_by(Fix::RemoveFile { folder, sighting: copy })
    } else if sighting.dated_ahead {
        let ahead = sighting.modified.duration_since(now).unwrap_or_default();
        if ahead < AHEAD_ALLOWED {
            return None;
        }
        Finding::trouble(
            "lock-dated-ahead",
            Certain,
            format!(
                "a lock is dated {} in the future, as after a step of the clock; Claude Code never takes such a one, and \
                 waits for it at each {what}",
                length(ahead)
            ),
            cure,
        )
        .mended_by(Fix::TakeLock { folder, sighting: copy })
    } else if sighting.age > sighting.kind.stale_after() {
        Finding::trouble(
            "lock-orphaned",
            Likely,
            format!(
                "a lock without a sign of life for {}: its holder was killed. The next {what} takes it over, after a wait",
                length(sighting.age)
            ),
            cure,
        )
        .mended_by(Fix::TakeLock { folder, sighting: copy })
    } else {
        return None;
    };
    Some(finding.at(&sighting.path))
}
