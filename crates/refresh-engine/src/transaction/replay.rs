//! Finishes the transactions that the agent's last run left in the journal.

use crate::decide::apply_answer::{apply_answer, of_client};
use crate::decide::compare::Expected;
use crate::decide::policy::LONGEST_GRACE;
use crate::journal::{Intent, Unfinished};
use crate::records::outcome::Outcome;
use crate::records::record::{Record, Retry};
use crate::store_access::entry_state::RunId;
use crate::store_access::obtained_pair::{ObtainedPair, expires_at_ms};
use crate::store_access::settlement::close;
use crate::store_access::shared::{Shared, Superseded};
use crate::transaction::end::TransactionEnd;
use crate::transaction::save::save;
use crate::transaction::settle::{settle, unflag};
use crate::{Event, Now, ObservedEntry, Partners, Verdict};
use claude_store::{Entry, Store, TokenChange};
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{Answer, RawAnswer, TokenPair, interpret};

/// An agent that keeps dying must not present the token each time.
const CUT_OFF_AT_MOST: u32 = 3;
/// If a request was cut off and another program obtained a pair for its token, that pair is settled by using it at once, while a grace period may last
/// (30 s is the longest short one). Later the pair is more likely to be a login's.
const CONTESTED_WITHIN: Duration = Duration::from_secs(30);
/// The pause before the last try, once that time is over.
const AFTER_CRASH_PAUSE: Duration = Duration::from_secs(60);

/// True if a pair was obtained and must be saved.
pub(crate) fn is_pair(unfinished: &Unfinished) -> bool {
    let fresh =
        |(raw, sent_at): &(RawAnswer, jiff::Timestamp)| matches!(interpret(raw, *sent_at), Answer::Fresh(_));
    unfinished.superseded_by.is_none() && unfinished.answer.as_ref().is_some_and(fresh)
}

/// Finishes one transaction: an answer that is not in the store is written by the usual rule; an intent without an
/// answer is ambiguous. `current` is the entry as the store holds it now.
pub(crate) async fn replay<P: Partners>(
    shared: &Shared<P>,
    run: RunId,
    mut unfinished: Unfinished,
    current: Option<Rc<ObservedEntry>>,
) {
    let key = unfinished.intent.entry_key();
    if let Some(lock) = unfinished.intent.lock
        && let Err(error) = shared.store.locks().remove_left_over(&key, lock)
    {
        // It looks dead to everybody within a minute.
        shared.state_trouble(&error);
    }
    shared.grants.remove_left_over(&unfinished.intent.other_locks);
    if let Some(lock) = unfinished.storage_lock
        && let Err(error) = shared.store.locks().remove_left_over_storage_lock(lock)
    {
        shared.state_trouble(&error);
    }
    let what = match (unfinished.answer.take(), unfinished.superseded_by) {
        (None, _) => {
            without_answer(shared, &unfinished.intent, current.as_deref());
            close(shared, &key, unfinished.id, true).await;
            "a request was sent and its answer was not received: the refresh token may be spent"
        }
        (Some((raw, sent_at)), superseded_by) => {
            // The time that matters is when it was sent; by the boot-time clock that is no longer known.
            let sent_at = Now { wall: sent_at, boot: shared.now().boot };
            let answer = interpret(&raw, sent_at.wall);
            note_spent(shared, &unfinished.intent, &answer);
            match (answer, superseded_by) {
                (Answer::Fresh(pair), Some(by))
                    if current.as_deref().is_some_and(|seen| seen.refresh == Some(by)) =>
                {
                    let tokens = TokenChange {
                        access_token: pair.access_token,
                        refresh_token: pair.refresh_token,
                        expires_at: expires_at_ms(sent_at.wall, pair.expires_in),
                        scope: pair.scope,
                    };
                    // The record of it may not have survived the agent.
                    if let Some(seen) = &current {
                        contest(shared, &unfinished.intent, seen);
                    }
                    let kept = Superseded { id: unfinished.id, by, tokens };
                    shared.superseded.borrow_mut().entry(key).or_default().push(kept);
                    return;
                }
                (Answer::Fresh(_), Some(_)) => {
                    close(shared, &key, unfinished.id, true).await;
                    return;
                }
                (Answer::Fresh(pair), None) => {
                    match save_again(shared, run, unfinished, pair, sent_at, current).await {
                        Ok(()) => "a new pair was received and is now in the store",
                        Err(TransactionEnd::Removed) => {
                            "a new pair was received for an entry that was removed meanwhile"
                        }
                        Err(_) => "a new pair was received, and another one in the store is kept",
                    }
                }
                (Answer::Ambiguous { .. }, _) => {
                    without_answer(shared, &unfinished.intent, current.as_deref());
                    close(shared, &key, unfinished.id, true).await;
                    "a request was sent, and its answer does not say whether the refresh token is spent"
                }
                (answer, _) => {
                    judged(shared, &unfinished.intent, current.as_deref(), &answer);
                    close(shared, &key, unfinished.id, true).await;
                    "the server had refused the request; nothing was lost"
                }
            }
        }
    };
    shared.tell_key(&key, Event::Replayed { what });
}

/// Saves a pair that an earlier run obtained. A home that is not mounted yet must not cost it.
async fn save_again<P: Partners>(
    shared: &Shared<P>,
    run: RunId,
    unfinished: Unfinished,
    pair: TokenPair,
    sent_at: Now,
    current: Option<Rc<ObservedEntry>>,
) -> Result<(), TransactionEnd> {
    let Unfinished { id, intent, .. } = unfinished;
    let before = current.unwrap_or_else(|| Rc::new(remembered(&intent)));
    let had_expired = shared.read_record(&before.entry.key, |record| {
        intent.heal.is_none() && before.has_expired(sent_at, record)
    });
    let Intent { expected, presented, heal, .. } = intent;
    let obtained = ObtainedPair {
        has_room: false,
        id,
        expected,
        presented,
        heal,
        pair,
        sent_at,
        run,
        before,
        had_expired,
    };
    let obtained = Rc::new(obtained);
    let saved = save(shared, &obtained, &|| false).await?;
    unflag(shared, &obtained).await;
    settle(shared, &obtained, saved).await;
    shared.grants.hand_over(shared, obtained.key(), presented).await;
    Ok(())
}

/// I1: an exchanged token is spent, whatever became of its successor and of the record.
fn note_spent<P: Partners>(shared: &Shared<P>, intent: &Intent, answer: &Answer) {
    let Answer::Fresh(pair) = answer else { return };
    if pair.refresh_token.as_ref().is_some_and(|refresh| refresh.digest() != intent.presented) {
        shared.change_record(&intent.entry_key(), |record| record.spend(intent.presented));
    }
}

/// The token's fate is unknown: after a crash the request is repeated at once while a grace period may last, as after a broken
/// connection. A server with a grace period repeats its answer, one that never got the request answers now, and without a grace period the grant is
/// lost anyway. Later, the old access token's remaining life counts for more.
fn without_answer<P: Partners>(shared: &Shared<P>, intent: &Intent, current: Option<&ObservedEntry>) {
    let now = shared.now();
    let Some(seen) = current else { return };
    if Expected::of(seen) != intent.expected {
        contest(shared, intent, seen);
        return;
    }
    shared.change_record(&intent.entry_key(), |record| {
        let why = "the agent was stopped while it waited for the answer".to_owned();
        let times = times_cut_off(record, intent) + 1;
        let ask_again = now.age_of(intent.at) < LONGEST_GRACE && times <= CUT_OFF_AT_MOST;
        if intent.heal.is_some() {
            record.heal_tried = Some(intent.presented);
        } else if ask_again {
            record.refresh = Some(intent.presented);
            record.verdict = Verdict::CutOff { why: why.clone(), times };
            record.retry = None;
        } else {
            record.refresh = Some(intent.presented);
            record.verdict = Verdict::Ambiguous { why: why.clone(), tries: 1 };
            record.retry = Some(Retry::after(now, AFTER_CRASH_PAUSE));
        }
        record.note(now.wall, Outcome::Ambiguous, why);
    });
}

/// Another program obtained a pair for the same token at the same moment: using it settles the matter. A new registration means a login.
fn contest<P: Partners>(shared: &Shared<P>, intent: &Intent, seen: &ObservedEntry) {
    if intent.heal.is_some() || shared.now().age_of(intent.at) >= CONTESTED_WITHIN {
        return;
    }
    shared.change_record(&intent.entry_key(), |record| {
        let same_client = record.pin.as_ref().is_some_and(|pin| pin.client_id == seen.entry.client_id);
        record.contested = seen.refresh.filter(|refresh| same_client && *refresh != intent.presented);
    });
}

/// How often a request with this token was cut off before. A request after a lost answer may be the one that the server acted on: it is
/// repeated once, and then without haste.
fn times_cut_off(record: &Record, intent: &Intent) -> u32 {
    match record.verdict {
        _ if record.refresh != Some(intent.presented) => 0,
        Verdict::CutOff { times, .. } => times,
        Verdict::Ambiguous { .. } => CUT_OFF_AT_MOST - 1,
        _ => 0,
    }
}

fn judged<P: Partners>(
    shared: &Shared<P>,
    intent: &Intent,
    current: Option<&ObservedEntry>,
    answer: &Answer,
) {
    let now = shared.now();
    let Some(seen) = current.filter(|seen| seen.refresh == Some(intent.presented)) else { return };
    shared.change_record(&intent.entry_key(), |record| {
        record.observe(now, seen);
        let left = seen.left(now, record);
        apply_answer(
            record,
            now,
            intent.presented,
            left,
            &of_client(answer.clone(), seen.entry.client_id.as_deref()),
        );
    });
}

/// A placeholder for an entry that is not in the store: the write will find it gone and report it under this name.
fn remembered(intent: &Intent) -> ObservedEntry {
    ObservedEntry::new(Entry::named(intent.entry_key()))
}
