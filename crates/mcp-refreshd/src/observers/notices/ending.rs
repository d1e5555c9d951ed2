//! Logins that no refresh can keep: the user is told a day before they end.

use super::trouble::Trouble;
use crate::control::report::{EntryStatus, Status};
use compact::Map;
use jiff::{SignedDuration, Timestamp};
use oauth_secret::Fingerprint;
use std::time::Duration;

/// So long before the end the user is told.
const NOTICE: SignedDuration = SignedDuration::from_hours(24);
/// A token of a shorter life is told by its margin: a day's notice would come with every login.
const LONG_LIVED: u64 = 48 * 3600;
/// How often refresh tokens with an end of their own are looked at, until it is known whether a refresh moves that end. Not at each
/// refresh, of which there are many, and which all would wake the agent once more.
const LOOK: SignedDuration = SignedDuration::from_hours(12);
/// Two answers name the same end if they differ by no more than the rounding and the way of an answer.
const SAME: SignedDuration = SignedDuration::from_mins(2);

/// What is known of the refresh tokens' ends, to tell an end that each refresh moves from one that stays.
#[derive(Debug, Default)]
pub(crate) struct Endings(Map<(String, String), Seen>);

#[derive(Debug)]
struct Seen {
    access: Option<Fingerprint>,
    end: Timestamp,
    fixed: bool,
    /// It was seen with more than a day left. A login that never lasts longer, one for a working day for example, gets no such notice.
    long: bool,
}

impl Endings {
    /// The logins that end within a day, and when to look again.
    pub(crate) fn troubles(&mut self, status: &Status, now: Timestamp) -> (Vec<Trouble>, Option<Timestamp>) {
        let mut troubles = Vec::new();
        let mut again: Option<Timestamp> = None;
        for store in &status.stores {
            for entry in &store.entries {
                let mut look_at = |then: Timestamp| again = Some(again.map_or(then, |again| again.min(then)));
                let Some((end, why)) = self.end(&store.location, entry, now) else {
                    if self.is_open(&store.location, entry) {
                        look_at(now.saturating_add(LOOK).unwrap_or(now));
                    }
                    continue;
                };
                let left = end.duration_since(now);
                if left > NOTICE {
                    look_at(end.saturating_sub(NOTICE).unwrap_or(end));
                } else if let Ok(left) = Duration::try_from(left)
                    && !left.is_zero()
                {
                    let place = (store.location.as_str(), entry.key.as_str(), entry.name.as_str());
                    troubles.push(Trouble::ends(place, left, why));
                }
            }
        }
        (troubles, again)
    }

    /// Whether it is not known yet if a refresh moves the end.
    fn is_open(&self, store: &str, entry: &EntryStatus) -> bool {
        self.0.get(&(store.to_owned(), entry.key.clone())).is_some_and(|seen| !seen.fixed)
    }

    /// When a login ends for good, and why.
    fn end(&mut self, store: &str, entry: &EntryStatus, now: Timestamp) -> Option<(Timestamp, &'static str)> {
        let place = (store.to_owned(), entry.key.clone());
        if entry.refresh.is_none() {
            self.0.remove(&place);
            let lives_long = entry.facts.lifetime_s.is_none_or(|life| life >= LONG_LIVED);
            let end = entry.expires_at.filter(|_| entry.access.is_some() && lives_long)?;
            return Some((end, "the server gave no refresh token"));
        }
        let end = entry.facts.refresh_token_expires_at?;
        let same = self.0.get(&place).filter(|seen| end.duration_since(seen.end).abs() <= SAME);
        // Refreshed since, and the end is where it was.
        let fixed = same.is_some_and(|seen| seen.fixed || seen.access != entry.access);
        let long = same.is_some_and(|seen| seen.long) || end.duration_since(now) > NOTICE;
        self.0.insert(place, Seen { access: entry.access, end, fixed, long });
        (fixed && long)
            .then_some((end, "the server limits how long a login lasts, and a refresh does not extend it"))
    }
}
