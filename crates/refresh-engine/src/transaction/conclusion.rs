//! Step 6, where the answer is no pair: what it means, once it is believed.

use crate::decide::apply_answer::{apply_answer, ask_within_grace};
use crate::records::outcome::Outcome;
use crate::store_access::settlement::close;
use crate::transaction::end::TransactionEnd;
use crate::transaction::exchange::Exchange;
use crate::transaction::obtained_pair::is_same_grant;
use crate::{Event, Now, Partners};
use claude_store::Store;
use oauth_secret::TokenDigest;
use std::time::Duration;
use token_endpoint::Answer;

/// A dead-token answer is believed only if the store holds the same token after this: another process may be saving its pair.
const CONFIRM_PAUSE: Duration = Duration::from_secs(3);

impl<P: Partners> Exchange<'_, P> {
    /// The refresh token that somebody else got and stored while our own request may have brought another one, which nobody heard of. Not
    /// that of a login, which empties the entry first, and of which nothing tells where nothing tells of changes.
    fn contested(&self) -> Option<TokenDigest> {
        let blind = self.shared.store.look_again_in().is_some();
        self.shared.track(&self.seen.entry.key, |known| {
            let found = known.current.as_ref().filter(|found| is_same_grant(self.presented, found))?;
            found
                .refresh
                .filter(|refresh| !blind && !known.emptied && Some(*refresh) != self.presented.refresh)
        })
    }

    /// An answer that is no pair: what it means, once it is believed.
    pub(crate) async fn conclude(&self, answer: &Answer, sent_at: Now) -> TransactionEnd {
        let shared = self.shared;
        let key = &self.seen.entry.key;
        let believed = match answer {
            Answer::Dead { .. } | Answer::ClientDead { .. } => {
                if self.replaced().await {
                    false
                } else {
                    tokio::time::sleep(CONFIRM_PAUSE).await;
                    !self.replaced().await
                }
            }
            Answer::Ambiguous { .. } => !self.replaced().await,
            _ => true,
        };
        let now = shared.now();
        if !believed {
            let contested = matches!(answer, Answer::Ambiguous { .. }).then(|| self.contested()).flatten();
            shared.change_record(key, |record| {
                record.contested = contested.or(record.contested);
                record.note(now.wall, Outcome::Adopted, "another process refreshed it meanwhile");
            });
            self.close();
            return TransactionEnd::NotNeeded;
        }
        let heals = self.heal.is_some();
        let (outcome, detail, retry_in) = shared.change_record(key, |record| {
            let left = self.seen.left(now, record);
            let known = record.clone();
            let (outcome, detail) = apply_answer(record, now, self.presented_digest(), left, answer);
            if outcome == Outcome::Ambiguous && self.within_grace {
                ask_within_grace(record, now, sent_at.wall);
            }
            if heals {
                // The stub has no refresh token that a verdict could speak of; that it was tried is all there is to remember.
                record.verdict = known.verdict;
                if !matches!(outcome, Outcome::Transient | Outcome::Unsent) {
                    record.heal_tried = self.presented.refresh;
                }
            }
            (outcome, detail, record.retry.map(|retry| retry.left(now)))
        });
        if matches!(outcome, Outcome::Transient | Outcome::Unsent) {
            self.close();
        } else {
            // I1: what was answered may leave the journal only when the record that says the same is durable, or the next daemon
            // would present the token again.
            close(shared, self.id, true).await;
        }
        let fingerprint = self.presented.refresh.map(|refresh| refresh.fingerprint());
        let (before, now) = (fingerprint, fingerprint);
        let (lifetime, expires_at) = (None, None);
        let told = detail.clone();
        let ended = Event::Ended { outcome, detail: told, before, now, lifetime, expires_at, retry_in };
        shared.tell(self.seen, ended);
        TransactionEnd::Failed(outcome, detail)
    }
}
