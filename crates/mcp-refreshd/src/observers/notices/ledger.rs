//! What was told when: survives a restart, so that nobody is told the same again within a day.

use super::trouble::{Id, Trouble};
use crate::platform::files;
use compact::{Map, Set};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A trouble that lasts is told again after this time.
pub(crate) const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// No ledger is larger.
const LARGEST: u64 = 1 << 20;

/// What was told.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    told: Map<Id, Timestamp>,
}

#[derive(Default, Serialize, Deserialize)]
struct Document {
    format_version: u32,
    told: Vec<Told>,
}

#[derive(Serialize, Deserialize)]
struct Told {
    store: String,
    key: String,
    cause: String,
    at: Timestamp,
}

impl Ledger {
    /// The one in this folder; an empty one where there is none, or none that can be understood: then something is told once more.
    pub(crate) fn load(state: &Path) -> Self {
        let path = state.join("notices.json");
        let document = read(&path).unwrap_or_default();
        let told = document.told.into_iter().map(|told| ((told.store, told.key, told.cause), told.at));
        Self { told: told.collect(), path }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What of the troubles that are `open` is to be told now, noted as told; and forgets those that are solved, except in stores
    /// that cannot be read now and where `settled` is false: after a start it takes a while until everything was tried again. Also when to
    /// come back.
    pub(crate) fn due(
        &mut self,
        open: Vec<Trouble>,
        unreadable: &Set<String>,
        settled: bool,
        now: Timestamp,
    ) -> (Vec<Trouble>, Option<Timestamp>) {
        let before = self.told.clone();
        let ids: Set<_> = open.iter().map(Trouble::id).collect();
        self.told.retain(|id, _| !settled || ids.contains(id) || unreadable.contains(&id.0));
        let daily: Set<_> = open.iter().filter(|trouble| trouble.daily).map(Trouble::id).collect();
        let mut due = Vec::new();
        for trouble in open {
            // A moment in the future was noted by a clock that was wrong.
            let told = self.told.get(&trouble.id()).filter(|at| **at <= now);
            if told.is_none_or(|at| trouble.daily && now.duration_since(*at) >= AGAIN_AFTER) {
                self.told.insert(trouble.id(), now);
                due.push(trouble);
            }
        }
        if self.told != before
            && let Err(error) = self.save()
        {
            tracing::warn!("{} cannot be written: {error}; notices may come twice", self.path.display());
        }
        let again = self.told.iter().filter(|(id, _)| daily.contains(*id)).map(|(_, at)| *at).min();
        (due, again.map(|at| at.saturating_add(AGAIN_AFTER).unwrap_or(Timestamp::MAX)))
    }

    fn save(&self) -> io::Result<()> {
        let told = self.told.iter().map(|((store, key, cause), at)| Told {
            store: store.clone(),
            key: key.clone(),
            cause: cause.clone(),
            at: *at,
        });
        let text = serde_json::to_vec(&Document { format_version: 1, told: told.collect() })?;
        let beside = self.path.with_extension("json.new");
        let mut file = files::opening_no_link().write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(&text)?;
        std::fs::rename(&beside, &self.path)
    }
}

fn read(path: &Path) -> Option<Document> {
    let mut bytes = Vec::new();
    files::opening_no_link().read(true).open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
