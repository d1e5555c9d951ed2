//! What was seen of one entry. Pure: the entry, the time and the server's opinion come in as arguments.

use oauth_secret::{AccessToken, Fingerprint, RefreshToken};
use serde_json::Value;

/// One entry's story as told by the store alone.
pub(crate) struct Track {
    name: String,
    manner: &'static str,
    now: Option<Sighting>,
    refreshes: usize,
    lowest_ms: Option<i64>,
    expired_reads: usize,
    missing_reads: usize,
    /// The server would not take the access token at the last look.
    refused: bool,
}

/// An entry at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Remaining life in milliseconds.
    pub(crate) left_ms: i64,
    pub(crate) access: Fingerprint,
    pub(crate) refresh: Fingerprint,
}

impl Track {
    pub(crate) fn new(name: &str, manner: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            manner,
            now: None,
            refreshes: 0,
            lowest_ms: None,
            expired_reads: 0,
            missing_reads: 0,
            refused: false,
        }
    }

    /// Takes in one look at the entry; gives back what is new. An access token counts as expired when `expiresAt` says so, or when
    /// the server would not take it at two looks in a row: one alone may have fallen between the server's rotation and the
    /// daemon's write, where the server kills the old token at once.
    pub(crate) fn look(
        &mut self,
        entry: Option<Value>,
        now_ms: i64,
        accepted: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let seen = entry.as_ref().and_then(|entry| {
            let token = |name: &str| entry.get(name)?.as_str();
            let (access, refresh) = (token("accessToken")?, token("refreshToken")?);
            Some((access, sighting(entry.get("expiresAt")?.as_i64()?, now_ms, access, refresh)))
        });
        let Some((access_token, seen)) = seen else {
            self.missing_reads += 1;
            return (self.missing_reads == 1).then(|| "the entry is missing or cannot be read".to_owned());
        };
        self.lowest_ms = Some(self.lowest_ms.map_or(seen.left_ms, |lowest| lowest.min(seen.left_ms)));
        let refused_before = std::mem::replace(&mut self.refused, !accepted(access_token));
        if seen.left_ms <= 0 || (self.refused && refused_before) {
            self.expired_reads += 1;
            if self.expired_reads == 1 {
                self.now = Some(seen);
                return Some("READ EXPIRED".to_owned());
            }
        }
        let before = self.now.replace(seen)?;
        if before.refresh == seen.refresh && before.access == seen.access {
            return None;
        }
        self.refreshes += 1;
        Some(format!(
            "refreshed with {} left: access {} -> {}, refresh {} -> {}",
            seconds(before.left_ms),
            before.access,
            seen.access,
            before.refresh,
            seen.refresh
        ))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn manner(&self) -> &'static str {
        self.manner
    }

    pub(crate) fn now(&self) -> Option<Sighting> {
        self.now
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.refreshes
    }

    pub(crate) fn lowest_ms(&self) -> Option<i64> {
        self.lowest_ms
    }

    pub(crate) fn expired_reads(&self) -> usize {
        self.expired_reads + self.missing_reads
    }

    pub(crate) fn went_well(&self) -> bool {
        self.now.is_some() && self.expired_reads() == 0
    }
}

fn sighting(expires_at: i64, now_ms: i64, access: &str, refresh: &str) -> Sighting {
    Sighting {
        left_ms: expires_at.saturating_sub(now_ms),
        access: AccessToken::new(access).fingerprint(),
        refresh: RefreshToken::new(refresh).fingerprint(),
    }
}

/// Milliseconds as seconds for people.
pub(crate) fn seconds(ms: i64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(access: &str, expires_at: i64) -> Option<Value> {
        Some(json!({"accessToken": access, "refreshToken": format!("rt_{access}"), "expiresAt": expires_at}))
    }

    #[test]
    fn a_changed_pair_is_a_refresh_and_the_lowest_life_is_kept() {
        let mut track = Track::new("lab", "");
        assert_eq!(track.look(entry("a", 20_000), 0, |_| true), None);
        assert_eq!(track.look(entry("a", 20_000), 12_500, |_| true), None);
        let news = track.look(entry("b", 75_000), 13_000, |_| true).unwrap();
        assert!(news.starts_with("refreshed with 7.5 s left: access ca978112 -> 3e23e816"), "{news}");
        assert_eq!((track.refreshes(), track.lowest_ms(), track.went_well()), (1, Some(7_500), true));
    }

    #[test]
    fn one_look_between_the_rotation_and_the_write_is_forgiven() {
        let mut track = Track::new("lab", "");
        track.look(entry("a", 9000), 1000, |_| false);
        track.look(entry("b", 60_000), 1200, |_| true);
        assert!(track.went_well());
    }

    #[test]
    fn an_entry_that_is_expired_or_refused_or_missing_fails_the_demo() {
        let mut expired = Track::new("lab", "");
        expired.look(entry("a", 1000), 1000, |_| true);
        let mut refused = Track::new("lab", "");
        refused.look(entry("a", 9000), 1000, |_| false);
        refused.look(entry("a", 9000), 1200, |_| false);
        let mut missing = Track::new("lab", "");
        missing.look(entry("a", 9000), 1000, |_| true);
        missing.look(None, 2000, |_| true);
        let unseen = Track::new("lab", "");
        for track in [expired, refused, missing, unseen] {
            assert!(!track.went_well());
        }
    }
}
