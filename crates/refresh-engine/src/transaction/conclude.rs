//! What the final answer means: a pair to save, or, once it is believed, the end of the transaction.

use crate::decide::apply_answer::{apply_answer, ask_within_grace};
use crate::decide::narrowing;
use crate::records::outcome::Outcome;
use crate::store_access::entry_state::RunId;
use crate::store_access::obtained_pair::{ObtainedPair, complete, is_same_grant};
use crate::store_access::settlement::close;
use crate::transaction::end::TransactionEnd;
use crate::transaction::end::adopted;
use crate::transaction::exchange::{Answered, Exchange, LastRequest};
use crate::transaction::request::resource;
use crate::{Event, Partners, Verdict};
use claude_store::Store;
use oauth_secret::TokenDigest;
use std::time::Duration;
use token_endpoint::{Answer, RequestShape, guessed_shape};

/// A dead-token answer is believed only if the store still holds the same token after this: another process may be saving its pair.
const CONFIRM_PAUSE: Duration = Duration::from_secs(3);

impl<P: Partners> Exchange<'_, P> {
    /// The obtained pair. Any other answer is noted and ends the transaction.
    pub(crate) async fn conclude(
        &self,
        answered: Answered,
        run: RunId,
    ) -> Result<ObtainedPair, TransactionEnd> {
        let Answered { answer, sent_at, within_grace } = answered;
        let Answer::Fresh(mut pair) = answer else {
            return Err(self.end(&Answered { answer, sent_at, within_grace }).await);
        };
        let key = &self.seen.entry.key;
        let before = self.presented.seen.clone();
        let had_expired = self.shared.read_record(key, |record| {
            complete(&mut pair, &before, sent_at, record);
            self.heal.is_none() && before.has_expired(sent_at, record)
        });
        Ok(ObtainedPair {
            id: self.id,
            expected: self.expected,
            presented: self.presented.digest,
            heal: self.heal.clone(),
            pair,
            sent_at,
            run,
            before,
            has_room: true,
            had_expired,
        })
    }

    /// The refresh token that another program obtained and stored while our own request may have produced another one that got lost. Not
    /// a login's, which empties the entry first; without change notification the two cannot be told apart.
    fn contested(&self) -> Option<TokenDigest> {
        let blind = self.shared.store.look_again_in().is_some();
        self.shared.state(&self.seen.entry.key, |state| {
            let presented = &self.presented.seen;
            let found = state.current.as_ref().filter(|found| is_same_grant(presented, found))?;
            let others = |refresh: &TokenDigest| *refresh != self.presented.digest;
            found.refresh.filter(others).filter(|_| !blind && !state.was_emptied())
        })
    }

    /// Whether the answer still applies to what the store holds.
    async fn is_believed(&self, answer: &Answer) -> bool {
        match answer {
            Answer::Dead { .. } | Answer::ClientDead { .. } => {
                if self.replaced().await {
                    return false;
                }
                tokio::time::sleep(CONFIRM_PAUSE).await;
                !self.replaced().await
            }
            Answer::Ambiguous { .. } => !self.replaced().await,
            _ => true,
        }
    }

    /// Notes an answer without a pair.
    async fn end(&self, answered: &Answered) -> TransactionEnd {
        let Answered { answer, sent_at, within_grace } = answered;
        let shared = self.shared;
        let key = &self.seen.entry.key;
        if !self.is_believed(answer).await {
            let contested = matches!(answer, Answer::Ambiguous { .. }).then(|| self.contested()).flatten();
            shared.change_record(key, |record| record.contested = contested.or(record.contested));
            shared.journal.done(self.id);
            return adopted(shared, self.seen, "another process refreshed it meanwhile");
        }
        let now = shared.now();
        let (outcome, detail, retry_in) = shared.change_record(key, |record| {
            let left = self.seen.left(now, record);
            let verdict = record.verdict.clone();
            let (outcome, detail) = apply_answer(record, now, self.presented.digest, left, answer);
            if outcome == Outcome::Ambiguous && *within_grace {
                ask_within_grace(record, now, sent_at.wall);
            }
            if self.heal.is_some() {
                // A stub has no refresh token to pass a verdict on; only remember that healing was tried.
                record.verdict = verdict;
                if !matches!(outcome, Outcome::Transient | Outcome::Unsent) {
                    record.heal_tried = Some(self.presented.digest);
                }
            }
            // Of a login that has ended for good, a pause of an earlier try says nothing.
            let ended = matches!(record.verdict, Verdict::Dead { .. } | Verdict::ClientDead { .. });
            let retry_in = record.retry.map(|retry| retry.left(now)).filter(|left| !ended && !left.is_zero());
            (outcome, detail, retry_in)
        });
        if matches!(outcome, Outcome::Transient | Outcome::Unsent) {
            shared.journal.done(self.id);
        } else {
            // I1: the answer may leave the journal only when the record that reflects it is durable, or the next agent
            // would present the token again.
            close(shared, key, self.id, true).await;
        }
        shared.tell(self.seen, Event::failed(outcome, detail.clone(), self.presented.digest, retry_in));
        TransactionEnd::NoPair { outcome, detail }
    }

    /// Remembers which request shape this server accepts, or which to try next.
    pub(super) fn note_shape(&self, last: &LastRequest, answer: &Answer) {
        let LastRequest { shape, auth, other } = *last;
        let news = self.shared.change_record(&self.seen.entry.key, |record| {
            let known = record.narrowing.clone();
            narrowing::note(record, shape, self.asks_scope, answer);
            let before = record.shape;
            match answer {
                Answer::Fresh(_) => {
                    let sent = || resource(&self.metadata, &self.presented.seen.entry, shape.own_url);
                    record.resource = shape.resource.then(sent);
                    // Do not name a scope again if no server demanded it and it did not help.
                    let in_vain = self.asks_scope && record.narrowing.is_some();
                    record.shape = RequestShape { scope: shape.scope && !in_vain, ..shape };
                    record.auth = Some(auth);
                    record.trying = None;
                }
                // After an experiment, go back to the shape that is known to work.
                Answer::Dead { .. } | Answer::ClientDead { .. } | Answer::Refused { .. }
                    if self.asks_scope =>
                {
                    record.trying = Some(before);
                }
                Answer::Refused { .. } => record.trying = other.or_else(|| guessed_shape(shape, answer)),
                _ => {}
            }
            record.narrowing.clone().filter(|narrowing| known.as_ref() != Some(narrowing))
        });
        if let Some(narrowing) = news {
            self.shared.tell(self.seen, Event::Narrowed { narrowing });
        }
    }
}
