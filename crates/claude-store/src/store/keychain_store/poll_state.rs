use super::KeychainError;
use crate::ItemVersion;
use std::time::Duration;
use tokio::time::Instant;

/// Modification dates count whole seconds: within this time the item may have been written again with the same date.
const DOUBT: Duration = Duration::from_secs(2);

/// The shortest and longest intervals between checks of the date.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN_AT_LAST: Duration = Duration::from_secs(5 * 60);

/// The delay after an unanswered dialog, doubling up to a maximum; otherwise a dialog would pop up every few seconds.
const AFTER_SILENCE: Duration = Duration::from_secs(60);
const AFTER_SILENCE_AT_LAST: Duration = Duration::from_secs(10 * 60);

/// The delay after the user declined.
pub(super) const AFTER_NO: Duration = Duration::from_secs(60 * 60);

/// The item's last known date, and how the Keychain responds.
pub(crate) struct PollState {
    modified: Option<u64>,
    /// When the date was first seen.
    since: Instant,
    doubts: u64,
    /// Consecutive unanswered dialogs.
    unanswered: u32,
    /// Why access is paused, and until when.
    quiet: Option<(KeychainError, Instant)>,
}

impl PollState {
    pub(crate) fn new() -> Self {
        Self { modified: None, since: Instant::now(), doubts: 0, unanswered: 0, quiet: None }
    }

    /// The version of an item with this date, seen now.
    pub(crate) fn version(&mut self, modified: Option<u64>) -> ItemVersion {
        if modified != self.modified {
            self.modified = modified;
            self.since = Instant::now();
        }
        let settled = modified.is_some() && self.since.elapsed() >= DOUBT;
        if !settled {
            self.doubts += 1;
        }
        ItemVersion { modified: modified.unwrap_or(0), doubt: if settled { 0 } else { self.doubts } }
    }

    /// A quarter of the time since the last change, within limits: active clients write more often than idle ones.
    pub(crate) fn look_again_in(&self) -> Duration {
        (self.since.elapsed() / 4).clamp(LOOK_AGAIN, LOOK_AGAIN_AT_LAST)
    }

    /// Why access is paused now.
    pub(super) fn refusal(&self) -> Option<KeychainError> {
        let (error, until) = self.quiet.as_ref()?;
        (Instant::now() < *until).then(|| error.clone())
    }

    /// Records the result of an access.
    pub(super) fn note_answer(&mut self, error: Option<&KeychainError>) {
        let pause = match error {
            Some(KeychainError::NoAnswer { .. }) => {
                let pause = AFTER_SILENCE * 2_u32.saturating_pow(self.unanswered.min(8));
                self.unanswered += 1;
                pause.min(AFTER_SILENCE_AT_LAST)
            }
            Some(KeychainError::Declined { .. }) => AFTER_NO,
            _ => {
                self.unanswered = 0;
                self.quiet = None;
                return;
            }
        };
        self.quiet = error.cloned().map(|error| (error, Instant::now() + pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn silence() -> KeychainError {
        KeychainError::NoAnswer { item: "item".into(), limit: Duration::from_secs(10) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_date_is_trusted_when_its_second_is_over() {
        let mut poll_state = PollState::new();
        let first = poll_state.version(Some(7));
        assert_ne!(poll_state.version(Some(7)), first, "within the same second another write may follow");
        advance(DOUBT).await;
        let settled = poll_state.version(Some(7));
        assert_ne!(settled, first);
        assert_eq!(poll_state.version(Some(7)), settled);
        assert_ne!(poll_state.version(Some(8)), settled);
        advance(DOUBT).await;
        assert_ne!(poll_state.version(None), poll_state.version(None), "no date proves nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unchanged_item_is_checked_less_and_less_often() {
        let mut poll_state = PollState::new();
        poll_state.version(Some(7));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(poll_state.look_again_in().as_secs());
            advance(Duration::from_secs(240)).await;
            poll_state.version(Some(7));
        }
        assert_eq!(pauses, [30, 60, 120, 180, 240, 300]);
        advance(Duration::from_secs(24 * 3600)).await;
        assert_eq!(poll_state.look_again_in(), LOOK_AGAIN_AT_LAST);
        poll_state.version(Some(8));
        assert_eq!(poll_state.look_again_in(), LOOK_AGAIN);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unanswered_dialog_is_not_repeated_every_few_seconds() {
        let mut poll_state = PollState::new();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            poll_state.note_answer(Some(&silence()));
            let began = Instant::now();
            while poll_state.refusal().is_some() {
                advance(Duration::from_secs(1)).await;
            }
            pauses.push(began.elapsed().as_secs());
        }
        assert_eq!(pauses, [60, 120, 240, 480, 600, 600]);
        poll_state.note_answer(Some(&silence()));
        poll_state.note_answer(None);
        assert_eq!(poll_state.refusal(), None, "after an answer, access resumes");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_declined_dialog_access_pauses_for_an_hour_but_a_locked_keychain_is_always_tried() {
        let mut poll_state = PollState::new();
        poll_state.note_answer(Some(&KeychainError::Declined { item: "item".into(), again_in: AFTER_NO }));
        advance(AFTER_NO - Duration::from_secs(1)).await;
        assert!(poll_state.refusal().is_some());
        advance(Duration::from_secs(1)).await;
        assert!(poll_state.refusal().is_none());
        poll_state.note_answer(Some(&KeychainError::Locked { item: "item".into() }));
        assert!(poll_state.refusal().is_none(), "this shows no dialog");
    }
}
