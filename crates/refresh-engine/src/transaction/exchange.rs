//! Steps 4 to 6 of a transaction: reserve room, journal the intent, send the request, journal the raw answer.

use crate::decide::apply_answer::{may_vary, of_client};
use crate::decide::attempts::{Attempts, Circumstances, Next};
use crate::decide::compare::Expected;
use crate::decide::early_retry::may_pass;
use crate::journal::{HealMembers, Intent, TransactionId};
use crate::store_access::scan::note_found;
use crate::store_access::shared::Shared;
use crate::store_access::shared_read::read_entry;
use crate::transaction::decide_again::Decided;
use crate::transaction::end::TransactionEnd;
use crate::transaction::end::{NotSavable, adopted, lock_lost, not_savable};
use crate::transaction::presented::Presented;
use crate::transaction::refresh_locks::RefreshLocks;
use crate::transaction::request::{client_id, first_attempt, for_login, request};
use crate::{Endpoint, Now, ObservedEntry, Partners, Verdict};
use claude_store::{LockLost, Store, Version};
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{
    Answer, ClientAuth, Metadata, RawAnswer, RefreshRequest, RequestShape, SendError, interpret,
};

/// Room reserved in the new document for each refresh in flight.
const ROOM_PER_TRANSACTION: usize = 16 * 1024;

/// An intent that took longer than this to become durable is recorded again.
const OLD_INTENT: Duration = Duration::from_secs(2);

/// A request and its context.
pub(crate) struct Exchange<'a, P: Partners> {
    pub(super) shared: &'a Shared<P>,
    pub(super) locks: &'a RefreshLocks<P>,
    /// What the store held when it was read under the locks.
    pub(super) seen: &'a ObservedEntry,
    pub(super) expected: Expected,
    pub(super) presented: &'a Presented,
    pub(super) heal: Option<Box<HealMembers>>,
    /// Includes the `resource` that the server is known to accept for this login.
    pub(super) metadata: Metadata,
    /// The transaction in the journal.
    pub(super) id: TransactionId,
    attempts: Attempts,
    /// The login's scope is named because an earlier answer granted less.
    pub(super) asks_scope: bool,
    _room: Room<'a, P>,
}

/// The raw answer.
pub(crate) struct Sent {
    answer: Result<RawAnswer, SendError>,
    sent_at: Now,
}

/// The final answer.
pub(crate) struct Answered {
    pub(super) answer: Answer,
    pub(super) sent_at: Now,
    /// A lost answer is worth another request while a short grace period lasts.
    pub(super) within_grace: bool,
}

/// The shape of the last request.
pub(super) struct LastRequest {
    pub(super) shape: RequestShape,
    pub(super) auth: ClientAuth,
    /// The shape that its refusal asks for.
    pub(super) other: Option<RequestShape>,
}

/// Why a token must not be presented, now or again.
enum NotPresented {
    LockLost(LockLost),
    NotSavable(NotSavable),
}

/// Reserves room for the documents of the transactions in flight. Released when the last of them ends, however it ends.
struct Room<'a, P: Partners>(&'a Shared<P>);

impl<'a, P: Partners> Room<'a, P> {
    async fn reserve(shared: &'a Shared<P>, document_size: usize) -> Result<Self, NotSavable> {
        shared.in_flight.set(shared.in_flight.get() + 1);
        let room = Self(shared);
        // Transactions that begin together reserve together; where there is no room for all, one after the other as long as there is.
        let reserved = shared.rooms.ask(document_size, async |rooms| {
            tokio::task::yield_now().await;
            let sizes = rooms.waiting();
            let size = sizes.iter().map(|size| **size).max().unwrap_or_default();
            let others = shared.in_flight.get().saturating_sub(sizes.len());
            let room = |more: usize| size + ROOM_PER_TRANSACTION * (others + more);
            match shared.store.reserve(room(sizes.len())).await {
                Ok(()) => vec![Ok(()); sizes.len()],
                Err(_) if sizes.len() > 1 => {
                    vec![shared.store.reserve(room(1)).await.map_err(Rc::new)]
                }
                Err(error) => vec![Err(Rc::new(error))],
            }
        });
        reserved.await?;
        Ok(room)
    }
}

impl<P: Partners> Drop for Room<'_, P> {
    fn drop(&mut self) {
        let others = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(others);
        if others == 0 {
            self.0.store.release_reservation();
        }
    }
}

impl<'a, P: Partners> Exchange<'a, P> {
    /// Step 4: reserves room for the new document and the answer, and makes the intent durable. If this fails, nothing was sent.
    pub(crate) async fn prepare(
        shared: &'a Shared<P>,
        locks: &'a RefreshLocks<P>,
        metadata: Metadata,
        decided: &'a Decided,
    ) -> Result<Self, TransactionEnd> {
        let Decided { seen, presented, size, version, .. } = decided;
        let begun = shared.now().wall;
        let refused = |error| not_savable(shared, seen, error);
        let room = Room::reserve(shared, *size).await.map_err(refused)?;
        let (expected, heal) = (Expected::of(seen), decided.heal_members());
        let intent = intent(shared, locks, seen, presented, heal.clone());
        let id = shared.journal.intend(intent).map_err(|error| refused(error.into()))?;
        let metadata = shared.read_record(&seen.entry.key, |record| for_login(metadata, record));
        let (attempts, asks_scope) = first_attempt(shared, seen, presented, &metadata);
        let exchange = Self {
            shared,
            locks,
            seen,
            expected,
            presented,
            heal,
            metadata,
            id,
            attempts,
            asks_scope,
            _room: room,
        };
        exchange.intent_is_durable(begun).await.map_err(|why| exchange.give_up(why))?;
        exchange.still_as_read(*version).await?;
        Ok(exchange)
    }

    /// Waits until the intent survives a power cut. The machine may have been suspended meanwhile, or the fsync may have been slow: if the agent
    /// dies now, the time that matters is when the request was sent.
    async fn intent_is_durable(&self, begun: jiff::Timestamp) -> Result<(), NotPresented> {
        self.shared.journal.sync().await.map_err(|error| NotPresented::NotSavable(error.into()))?;
        self.still_locked()?;
        if self.shared.now().age_of(begun) > OLD_INTENT { self.intend_again().await } else { Ok(()) }
    }

    /// The fsync may have been slow, and a client that refreshes without the lock may have spent the token meanwhile.
    /// With a [`FolderWatch`](claude_store::FolderWatch) this check costs a `stat`; without one it would itself be slow.
    async fn still_as_read(&self, version: Version) -> Result<(), TransactionEnd> {
        let store = &self.shared.store;
        let unchanged =
            store.look_again_in().is_some() || store.version().await.is_ok_and(|now| now == version);
        if unchanged || !self.replaced().await {
            return Ok(());
        }
        self.shared.journal.done(self.id);
        Err(adopted(self.shared, self.seen, "another process changed it first"))
    }

    fn still_locked(&self) -> Result<(), NotPresented> {
        self.locks.still_ours().map_err(NotPresented::LockLost)
    }

    /// Ends a transaction that must not present its token and has left nothing open.
    fn give_up(&self, why: NotPresented) -> TransactionEnd {
        self.shared.journal.done(self.id);
        match why {
            NotPresented::LockLost(lost) => lock_lost(self.shared, self.seen, lost),
            NotPresented::NotSavable(error) => not_savable(self.shared, self.seen, error),
        }
    }

    /// Step 5: presents the token, once.
    pub(crate) async fn post(&self) -> Sent {
        let (shared, key) = (self.shared, &self.seen.entry.key);
        let sent_at = shared.now();
        shared.change_record(key, |record| record.sent_at = Some(sent_at.wall));
        let login_scope = shared.read_record(key, |record| record.login_scope.clone());
        let (shape, auth) = (self.attempts.shape, self.attempts.auth());
        let client_id = client_id(shared, self.presented);
        let request = RefreshRequest {
            scope: login_scope.or_else(|| self.presented.seen.entry.scope.clone()),
            ..request(self.presented, &self.metadata, client_id, shape, auth)
        };
        let awaited = shared.committer.await_answer();
        let answer = shared.endpoint.send(&request).await;
        drop(awaited);
        Sent { answer, sent_at }
    }

    /// Step 6: journals the raw answer before parsing it (I2).
    pub(crate) fn journal_answer(&self, sent: &Sent) {
        if let Ok(raw) = &sent.answer
            && let Err(error) = self.shared.journal.answer(self.id, sent.sent_at.wall, raw)
        {
            // The answer still goes to the store, where it is just as safe.
            self.shared.state_trouble(&error);
        }
    }

    /// The final answer, or `None` to present the token once more: with another
    /// client authentication method, with another request shape if that may be tried ([`may_vary`]), or once more if the token's fate
    /// is open (I1).
    pub(crate) async fn evaluate(&mut self, sent: Sent) -> Result<Option<Answered>, TransactionEnd> {
        let Sent { answer, sent_at } = sent;
        let oversized = matches!(answer, Err(SendError::TooBig { .. }));
        let answer = match answer {
            Ok(raw) => {
                let client_id = client_id(self.shared, self.presented);
                of_client(interpret(&raw, self.shared.now().wall), client_id.as_deref())
            }
            Err(error) => Answer::from(error),
        };
        let circumstances = self.circumstances(oversized);
        let (shape, auth) = (self.attempts.shape, self.attempts.auth());
        let first = |(answer, sent_at)| Answered { answer, sent_at, within_grace: false };
        match self.attempts.next(&answer, sent_at, self.shared.now(), circumstances) {
            Next::Nothing => {
                self.note_shape(&LastRequest { shape, auth, other: self.attempts.other }, &answer);
                let within_grace = may_pass(&answer) && !circumstances.was_left_open && !oversized;
                let (answer, sent_at) = self.attempts.counting(answer, sent_at);
                return Ok(Some(Answered { answer, sent_at, within_grace }));
            }
            Next::Again => {}
            Next::AgainAfter(pause) => {
                tokio::time::sleep(pause).await;
                if self.replaced().await {
                    return Ok(self.attempts.lost.take().map(first));
                }
            }
        }
        match (self.present_again().await, self.attempts.lost.take()) {
            (Ok(()), lost) => {
                self.attempts.lost = lost;
                Ok(None)
            }
            // The first request keeps its time.
            (Err(_), Some(lost)) => Ok(Some(first(lost))),
            (Err(why), None) => Err(self.give_up(why)),
        }
    }

    fn circumstances(&self, oversized: bool) -> Circumstances {
        let now = self.shared.now();
        self.shared.read_record(&self.seen.entry.key, |record| Circumstances {
            may_vary: may_vary(self.seen.left(now, record)),
            was_left_open: matches!(record.verdict, Verdict::Ambiguous { .. }),
            stopping: self.shared.stopping.get(),
            oversized,
        })
    }

    async fn present_again(&self) -> Result<(), NotPresented> {
        self.still_locked()?;
        self.intend_again().await
    }

    /// Records a new durable intent: if the agent dies now, the answer so far must not count for the next request.
    async fn intend_again(&self) -> Result<(), NotPresented> {
        let intent = intent(self.shared, self.locks, self.seen, self.presented, self.heal.clone());
        let not_savable = |error: crate::JournalError| NotPresented::NotSavable(error.into());
        self.shared.journal.intend_again(self.id, intent).map_err(not_savable)?;
        self.shared.journal.sync().await.map_err(not_savable)
    }

    /// True if the store no longer holds what was presented: another program refreshed, logged in or removed the entry.
    pub(super) async fn replaced(&self) -> bool {
        match read_entry(self.shared, &self.seen.entry.key).await.map(|reading| reading.seen) {
            Ok(Some(found)) => {
                let replaced = Expected::of(&found) != self.expected;
                if replaced {
                    note_found(self.shared, &found);
                }
                replaced
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }
}

fn intent<P: Partners>(
    shared: &Shared<P>,
    locks: &RefreshLocks<P>,
    seen: &ObservedEntry,
    presented: &Presented,
    heal: Option<Box<HealMembers>>,
) -> Intent {
    Intent {
        store: shared.location().to_owned(),
        key: seen.entry.key.to_string(),
        presented: presented.digest,
        expected: Expected::of(seen),
        at: shared.now().wall,
        lock: Some(locks.identity()),
        other_locks: locks.others_for_journal(),
        heal,
    }
}
