//! To whom which access token was handed out, to recognise one that a server refused.
//!
//! Claude Code runs its helper when it connects and again when the server answers 401 (measured with 2.1.332: in one session the second run
//! comes about 0.6 s after the first). So the same token, asked for again by the same process, was most likely refused. Sessions that start at
//! the same time are different processes, and a running session that comes back after a rotation gets another token than before: neither is a
//! refusal.

use compact::Map;
use oauth_secret::TokenDigest;
use std::time::{Duration, Instant};

/// A second request within this time is a refusal. Later it may as well be a reconnect: the server is asked.
const SECONDS: Duration = Duration::from_secs(30);
/// For so long a refusal of the token that came of a refusal is not followed by another refresh: the server objects to something else.
const ONCE_IN: Duration = Duration::from_secs(5 * 60);
/// More processes than ever run at once; the oldest is forgotten.
const AT_MOST: usize = 1024;

/// The entry: its store's location and its key.
pub(crate) type EntryId = (String, String);

/// What follows from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// The token may be handed out.
    Nothing,
    /// The server refused it: refresh.
    Refused,
    /// It may have been refused: ask the server.
    Perhaps,
    /// It came of a refusal not long ago: wait for a refresh that runs, and start none.
    Again,
}

/// What was handed out, by caller and entry; nothing but digests.
#[derive(Debug, Default)]
pub(crate) struct Handouts {
    given: Map<(String, EntryId), (TokenDigest, Instant)>,
    renewed: Map<EntryId, Instant>,
}

impl Handouts {
    /// What it means that this caller asks now for this entry, whose token is this one.
    pub(crate) fn suspicion(
        &self,
        caller: &str,
        entry: &EntryId,
        token: TokenDigest,
        now: Instant,
    ) -> Suspicion {
        let renewed = self.renewed.get(entry).is_some_and(|at| now.duration_since(*at) < ONCE_IN);
        match self.given.get(&(caller.to_owned(), entry.clone())) {
            Some((before, _)) if *before != token => Suspicion::Nothing,
            None => Suspicion::Nothing,
            Some(_) if renewed => Suspicion::Again,
            Some((_, at)) if now.duration_since(*at) < SECONDS => Suspicion::Refused,
            Some(_) => Suspicion::Perhaps,
        }
    }

    /// The token was refreshed because the server refused it.
    pub(crate) fn note_renewal(&mut self, entry: &EntryId, now: Instant) {
        self.renewed.retain(|_, at| now.duration_since(*at) < ONCE_IN);
        self.renewed.insert(entry.clone(), now);
    }

    /// This caller got this token.
    pub(crate) fn note(&mut self, caller: &str, entry: &EntryId, token: TokenDigest, now: Instant) {
        self.given.insert((caller.to_owned(), entry.clone()), (token, now));
        if self.given.len() > AT_MOST
            && let Some(oldest) = self.given.iter().min_by_key(|(_, (_, at))| *at).map(|(who, _)| who.clone())
        {
            self.given.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lab() -> EntryId {
        ("/store".to_owned(), "lab|00".to_owned())
    }

    fn token(number: u8) -> TokenDigest {
        TokenDigest::of(&format!("at_{number}"))
    }

    #[test]
    fn the_same_token_asked_for_again_by_the_same_process_within_seconds_was_refused() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        assert_eq!(handouts.suspicion("1.1", &lab(), token(1), now), Suspicion::Nothing);
        handouts.note("1.1", &lab(), token(1), now);
        assert_eq!(handouts.suspicion("1.1", &lab(), token(1), now + SECOND), Suspicion::Refused);
        assert_eq!(handouts.suspicion("1.1", &lab(), token(1), now + 31 * SECOND), Suspicion::Perhaps);
    }

    #[test]
    fn five_sessions_that_connect_at_once_are_no_refusal() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        for caller in ["1.1", "2.1", "3.1", "4.1", "5.1"] {
            assert_eq!(handouts.suspicion(caller, &lab(), token(1), now), Suspicion::Nothing, "{caller}");
            handouts.note(caller, &lab(), token(1), now);
        }
    }

    #[test]
    fn a_session_that_comes_back_after_a_rotation_refuses_nothing() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        for rotation in 1..=3 {
            assert_eq!(handouts.suspicion("1.1", &lab(), token(rotation), now), Suspicion::Nothing);
            handouts.note("1.1", &lab(), token(rotation), now);
        }
    }

    #[test]
    fn another_entry_of_the_same_process_is_another_matter() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        handouts.note("1.1", &lab(), token(1), now);
        let wiki = ("/store".to_owned(), "wiki|00".to_owned());
        assert_eq!(handouts.suspicion("1.1", &wiki, token(1), now), Suspicion::Nothing);
    }

    #[test]
    fn a_token_that_came_of_a_refusal_and_is_refused_too_is_not_refreshed_again() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        handouts.note("1.1", &lab(), token(1), now);
        handouts.note_renewal(&lab(), now + SECOND);
        handouts.note("1.1", &lab(), token(2), now + SECOND);
        assert_eq!(handouts.suspicion("1.1", &lab(), token(2), now + 2 * SECOND), Suspicion::Again);
        // Nor does another session that got the second one set it off.
        handouts.note("2.1", &lab(), token(2), now + 2 * SECOND);
        assert_eq!(handouts.suspicion("2.1", &lab(), token(2), now + 3 * SECOND), Suspicion::Again);
        assert_eq!(handouts.suspicion("1.1", &lab(), token(2), now + 400 * SECOND), Suspicion::Perhaps);
    }

    #[test]
    fn the_memory_has_an_end() {
        let (mut handouts, now) = (Handouts::default(), Instant::now());
        for caller in 0..2000_u32 {
            handouts.note(&caller.to_string(), &lab(), token(1), now + SECOND * caller);
        }
        assert_eq!(handouts.given.len(), AT_MOST);
        assert_eq!(handouts.suspicion("0", &lab(), token(1), now), Suspicion::Nothing);
    }
}
