//! One refresh of one entry, from the metadata to the pair that is saved. Reads from top to bottom like a protocol.
//!
//! - **I1** A refresh token is presented again only after an answer that proves it was not consumed, or after an ambiguous end.
//! - **I2** The raw answer is in the journal before it is interpreted, and durable before the store changes.
//! - **I3** The storage lock is never held over the network nor over an fsync.
//! - **I4** Nothing but the entry's own token members changes.
//! - **I5** A removed entry stays removed.
//! - **I6** Once the request is on the wire the transaction runs to its end. It is a task of its own, which nothing cancels.

use crate::compare::Expected;
use crate::journal::{HealMembers, Intent, TransactionId};
use crate::judge::judge;
use crate::memory::{Heal, decide_heal};
use crate::metadata::{self, NoMetadata};
use crate::plan::{Plan, Reason, plan, plan_forced};
use crate::record::{Outcome, Retry};
use crate::save::{Obtainment, save};
use crate::shared::Shared;
use crate::{Endpoint, Event, Partners, Seen};
use claude_store::{LockError, ReadError, RefreshLock, Snapshot, Store};
use jiff::Timestamp;
use oauth_secret::{RefreshToken, TokenDigest};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{Answer, ClientAuth, Metadata, RefreshRequest, RequestShape, interpret, next_shape};
use zeroize::Zeroizing;

/// How long a refresh lock that somebody alive holds is waited for; the client is refreshing then.
const REFRESH_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How soon to look again after somebody else held the lock.
const LOCKED_PAUSE: Duration = Duration::from_secs(10);
/// How soon to try again when the result could not have been saved.
const NOT_SAVABLE_PAUSE: Duration = Duration::from_secs(60);
/// How soon to look again when the store could not be read under the lock; old clients write it in place.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);
/// Room set aside in the new document for each refresh in flight.
const ROOM_PER_TRANSACTION: usize = 16 * 1024;
/// A dead-token answer is believed only if the store holds the same token after this: another process may be saving its pair.
const CONFIRM_PAUSE: Duration = Duration::from_secs(3);
/// The one early retry after a lost connection, inside what grace there may be (10 s is the shortest seen).
const EARLY_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Who wants this refresh.
#[derive(Clone, Debug)]
pub(crate) enum Demand {
    /// The plan.
    Planned,
    /// A person.
    Forced,
    /// A wiped entry: the remembered one is tried.
    Heal(Box<Seen>),
}

/// How a transaction ended, for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A new pair is in the store.
    Fresh,
    /// Somebody else had refreshed it, or it was not due any more.
    NotNeeded,
    /// The entry is gone.
    Removed,
    /// Somebody else holds its lock.
    Locked(String),
    /// Nothing was sent, since the result could not be saved.
    NotSavable(String),
    /// The store cannot be read.
    Unreadable(String),
    /// A person is needed first.
    NeedsPerson(crate::plan::Need),
    /// The attempt failed.
    Failed(Outcome, String),
}

/// Refreshes one entry.
pub(crate) async fn refresh<P: Partners>(shared: &Rc<Shared<P>>, seen: &Seen, demand: Demand) -> Ended {
    // 1: metadata, before any lock is taken
    let metadata = match metadata::of(shared, seen).await {
        Ok(metadata) => metadata,
        Err(NoMetadata { outcome, why }) => return Ended::Failed(outcome, why),
    };
    // 2: the entry's own lock
    let key = &seen.entry.key;
    let lock = match shared.store.locks().refresh_lock(key, REFRESH_LOCK_PATIENCE).await {
        Ok(lock) => lock,
        Err(error) => return locked(shared, seen, &error),
    };
    let ended = under_lock(shared, seen, demand, &metadata, &lock).await;
    // A lock that is no longer ours is left alone.
    let _ = lock.release();
    ended
}

async fn under_lock<P: Partners>(
    shared: &Rc<Shared<P>>,
    planned: &Seen,
    demand: Demand,
    metadata: &Metadata,
    lock: &RefreshLock<P::Files>,
) -> Ended {
    let key = &planned.entry.key;
    // 3: read the store again, decide again
    let forgotten = shared.track(key, |tracked| Rc::clone(&tracked.forgotten));
    let (snapshot, seen) = match read_entry(shared, key).await {
        Ok((snapshot, Some(seen))) => (snapshot, seen),
        Ok((_, None)) => return Ended::Removed,
        Err(why) => {
            let now = shared.now();
            shared.change_record(key, |record| record.retry = Some(Retry::after(now, UNREADABLE_PAUSE)));
            return Ended::Unreadable(why);
        }
    };
    let (reason, presented) = match decide_again(shared, planned, &seen, demand) {
        Ok(decided) => decided,
        Err(ended) => return ended,
    };
    // 4: make sure that the answer can be saved
    shared.in_flight.set(shared.in_flight.get() + 1);
    let _in_flight = InFlight(shared);
    let mut exchange = Exchange {
        shared,
        expected: Expected::of(&seen),
        snapshot_size: snapshot.bytes().len(),
        heal: (reason == Reason::Heal).then(|| Box::new(heal_members(&presented))),
        presented: &presented,
        seen: &seen,
        metadata,
        lock,
        id: None,
    };
    drop(snapshot);
    if let Err(ended) = exchange.prepare().await {
        return ended;
    }
    // 5 to 9
    if let Some(refresh) = presented.refresh {
        shared.tell(&seen, Event::Refreshing { reason, refresh: refresh.fingerprint() });
    }
    let (answer, sent_at) = match exchange.run().await {
        Ok(answered) => answered,
        Err(ended) => return ended,
    };
    match answer {
        Answer::Fresh(pair) => {
            let obtainment = Obtainment {
                id: exchange.id,
                expected: exchange.expected,
                presented: exchange.presented_digest(),
                heal: exchange.heal.take(),
                pair,
                sent_at,
                forgotten,
                before: presented.clone(),
                found: Cell::new(None),
            };
            save(shared, obtainment).await
        }
        answer => exchange.conclude(&answer).await,
    }
}

/// The plan as it looks under the lock: the entry to present, and why. `Err` is how the transaction ends instead.
fn decide_again<P: Partners>(
    shared: &Shared<P>,
    planned: &Seen,
    seen: &Seen,
    demand: Demand,
) -> Result<(Reason, Seen), Ended> {
    let (location, key, now) = (shared.location(), &seen.entry.key, shared.now());
    shared.records.change(location, key, |record| record.observe(now, seen));
    let policy = shared.policy.borrow();
    let decision = shared.read_record(key, |record| match &demand {
        Demand::Heal(remembered) => {
            let heal = decide_heal(Some(remembered), seen, record);
            if heal == Heal::TryRemembered {
                Plan::Refresh(Reason::Heal)
            } else {
                Plan::NeedsPerson(crate::plan::Need::Stub)
            }
        }
        Demand::Forced => plan_forced(seen, record, &policy),
        Demand::Planned => plan(now, seen, record, &shared.activity(), &policy),
    });
    match (decision, demand) {
        (Plan::Refresh(reason), Demand::Heal(remembered)) => Ok((reason, *remembered)),
        (Plan::Refresh(reason), _) => Ok((reason, seen.clone())),
        (Plan::NeedsPerson(need), _) => Err(Ended::NeedsPerson(need)),
        (Plan::Sleep { .. } | Plan::Ignore(_), _) => {
            if seen.refresh != planned.refresh {
                shared.change_record(key, |record| {
                    record.note(now.wall, Outcome::Adopted, "another process refreshed it first");
                });
            }
            Err(Ended::NotNeeded)
        }
    }
}

/// A request and everything that has to be in order around it.
struct Exchange<'a, P: Partners> {
    shared: &'a Rc<Shared<P>>,
    /// What the store holds.
    seen: &'a Seen,
    /// What is presented: the same, or the remembered entry where a wipe is healed.
    presented: &'a Seen,
    expected: Expected,
    snapshot_size: usize,
    heal: Option<Box<HealMembers>>,
    metadata: &'a Metadata,
    lock: &'a RefreshLock<P::Files>,
    id: Option<TransactionId>,
}

impl<P: Partners> Exchange<'_, P> {
    fn presented_digest(&self) -> TokenDigest {
        // Whoever gets here was planned with a refresh token; the digest of nothing matches no token.
        self.presented.refresh.unwrap_or_else(|| TokenDigest::of(""))
    }

    fn intent(&self) -> Intent {
        Intent {
            store: self.shared.location().to_owned(),
            key: self.seen.entry.key.to_string(),
            presented: self.presented_digest(),
            expected: self.expected,
            at: self.shared.now().wall,
            heal: self.heal.clone(),
        }
    }

    /// Step 4: room for the new document and for the answer, and a durable intent. Nothing was sent when this fails.
    async fn prepare(&mut self) -> Result<(), Ended> {
        let size = self.snapshot_size + ROOM_PER_TRANSACTION * self.shared.in_flight.get();
        let prepared = match self.shared.store.reserve(size).await {
            Ok(()) => match self.shared.journal.intend(self.intent()) {
                Ok(id) => {
                    self.id = Some(id);
                    self.shared.journal.sync().await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        prepared.map_err(|why| {
            self.close();
            not_savable(self.shared, self.seen, why)
        })?;
        self.still_locked()
    }

    fn still_locked(&self) -> Result<(), Ended> {
        self.lock.still_ours().map_err(|lost| {
            self.close();
            let now = self.shared.now();
            self.shared.change_record(&self.seen.entry.key, |record| {
                record.retry = Some(Retry::after(now, LOCKED_PAUSE));
            });
            Ended::Locked(lost.to_string())
        })
    }

    fn close(&self) {
        if let Some(id) = self.id {
            self.shared.journal.done(id);
        }
    }

    /// Steps 5 and 6, again where the answer proves that nothing was consumed (another shape of the request is wanted), and
    /// once where the connection was lost (I1).
    async fn run(&mut self) -> Result<(Answer, crate::Now), Ended> {
        let mut shape = self.shared.read_record(&self.seen.entry.key, |record| record.shape);
        let has_scope = self.presented.entry.scope.as_ref().is_some_and(|scope| !scope.trim().is_empty());
        let mut retried = false;
        loop {
            let (answer, sent_at) = self.send(shape).await;
            if let Some(other) = next_shape(shape, &answer, has_scope) {
                shape = other;
                self.shared.change_record(&self.seen.entry.key, |record| record.shape = other);
            } else if matches!(answer, Answer::Ambiguous { lost: true, .. }) && !retried {
                retried = true;
                tokio::time::sleep(EARLY_RETRY_PAUSE).await;
                if self.replaced().await {
                    return Ok((answer, sent_at));
                }
            } else {
                return Ok((answer, sent_at));
            }
            self.present_again().await?;
        }
    }

    async fn send(&self, shape: RequestShape) -> (Answer, crate::Now) {
        let sent_at = self.shared.now();
        self.shared.change_record(&self.seen.entry.key, |record| record.sent_at = Some(sent_at.wall));
        let request = request(self.presented, self.metadata, shape);
        match self.shared.endpoint.send(&request).await {
            Ok(raw) => {
                if let Some(id) = self.id
                    && let Err(error) = self.shared.journal.answer(id, sent_at.wall, &raw)
                {
                    // The answer goes on to the store all the same: there it is safe as well.
                    self.shared.state_trouble(&error);
                }
                (interpret(&raw, self.shared.now().wall), sent_at)
            }
            Err(error) => (Answer::from(error), sent_at),
        }
    }

    /// A new durable intent: should the daemon die now, the answer so far must not count for the next request.
    async fn present_again(&self) -> Result<(), Ended> {
        self.still_locked()?;
        let Some(id) = self.id else { return Ok(()) };
        let again = match self.shared.journal.intend_again(id, self.intent()) {
            Ok(()) => self.shared.journal.sync().await,
            Err(error) => Err(error),
        };
        again.map_err(|error| {
            self.close();
            not_savable(self.shared, self.seen, error.to_string())
        })
    }

    /// True where the store no longer holds what was presented: somebody else refreshed, logged in or removed the entry.
    async fn replaced(&self) -> bool {
        match read_entry(self.shared, &self.seen.entry.key).await {
            Ok((_, Some(found))) => Expected::of(&found) != self.expected,
            Ok((_, None)) => true,
            Err(_) => false,
        }
    }

    /// An answer that is no pair: what it means, once it is believed.
    async fn conclude(&self, answer: &Answer) -> Ended {
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
            shared.change_record(key, |record| {
                record.note(now.wall, Outcome::Adopted, "another process refreshed it meanwhile");
            });
            self.close();
            return Ended::NotNeeded;
        }
        let heals = self.heal.is_some();
        let (outcome, detail, retry_in) = shared.change_record(key, |record| {
            let left = self.seen.left(now, record);
            let standing = record.clone();
            let (outcome, detail) = judge(record, now, self.presented_digest(), left, answer);
            if heals {
                // The stub has no refresh token that a verdict could speak of; that it was tried is all there is to remember.
                record.verdict = standing.verdict;
                record.heal_tried = self.presented.refresh;
            }
            (outcome, detail, record.retry.map(|retry| retry.left(now)))
        });
        if outcome == Outcome::Ambiguous {
            // The intent may go only when the record that says the same is durable.
            shared.save_records().await;
        }
        self.close();
        let fingerprint = self.presented.refresh.map(|refresh| refresh.fingerprint());
        let (before, now) = (fingerprint, fingerprint);
        let ended = Event::Ended { outcome, detail: detail.clone(), before, now, lifetime: None, retry_in };
        shared.tell(self.seen, ended);
        Ended::Failed(outcome, detail)
    }
}

/// Gives the reserved room back when the last transaction ends, however it ends.
struct InFlight<'a, P: Partners>(&'a Shared<P>);

impl<P: Partners> Drop for InFlight<'_, P> {
    fn drop(&mut self) {
        let others = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(others);
        if others == 0 {
            self.0.store.release_reservation();
        }
    }
}

fn request(presented: &Seen, metadata: &Metadata, shape: RequestShape) -> RefreshRequest {
    let entry = &presented.entry;
    RefreshRequest {
        token_endpoint: metadata.token_endpoint.clone(),
        refresh_token: entry.refresh_token.clone().unwrap_or_else(|| RefreshToken::new("")),
        client_id: entry.client_id.clone(),
        client_secret: entry.client_secret.clone(),
        auth: ClientAuth::choose(&metadata.auth_methods, entry.client_secret.is_some()),
        shape,
        resource: entry.server_url.clone().unwrap_or_default(),
        scope: entry.scope.clone(),
    }
}

fn heal_members(remembered: &Seen) -> HealMembers {
    let entry = &remembered.entry;
    let refresh_token = entry.refresh_token.as_ref().map_or(String::new(), |token| token.expose().to_owned());
    HealMembers {
        client_id: entry.client_id.clone(),
        issuer: entry.issuer.clone(),
        redirect_uri: entry.redirect_uri.clone(),
        scope: entry.scope.clone(),
        refresh_token: Zeroizing::new(refresh_token),
    }
}

async fn read_entry<P: Partners>(
    shared: &Shared<P>,
    key: &claude_store::EntryKey,
) -> Result<(Snapshot, Option<Seen>), String> {
    let snapshot = shared.store.read().await.map_err(|error: ReadError| error.to_string())?;
    let seen = match snapshot.document() {
        Ok(document) => match document.entry(key) {
            Some(entry) => Some(Seen::new(entry.clone())),
            None if document.raw_entry(key).is_some() => {
                return Err(format!(
                    "entry `{key}` has a form that is not understood; mend it or log in again"
                ));
            }
            None => None,
        },
        Err(error) => return Err(format!("{}: {error}", shared.location())),
    };
    if seen.is_none() {
        // I5: whoever looks first takes note.
        shared.track(key, |tracked| tracked.forgotten.set(true));
    }
    Ok((snapshot, seen))
}

fn locked<P: Partners>(shared: &Shared<P>, seen: &Seen, error: &LockError) -> Ended {
    let now = shared.now();
    let pause = match error {
        LockError::Held { .. } | LockError::Lost { .. } => LOCKED_PAUSE,
        _ => NOT_SAVABLE_PAUSE,
    };
    shared.change_record(&seen.entry.key, |record| record.retry = Some(Retry::after(now, pause)));
    shared.tell(seen, Event::Locked { why: error.to_string() });
    Ended::Locked(error.to_string())
}

fn not_savable<P: Partners>(shared: &Shared<P>, seen: &Seen, why: String) -> Ended {
    let now = shared.now();
    shared.change_record(&seen.entry.key, |record| {
        record.retry = Some(Retry::after(now, NOT_SAVABLE_PAUSE));
        record.note(now.wall, Outcome::Unsent, why.clone());
    });
    shared.tell(seen, Event::NotSavable { why: why.clone() });
    Ended::NotSavable(why)
}

/// `expiresAt` as it is written: counted from the moment of sending, so that it errs on the early side.
pub(crate) fn expires_at_ms(sent_at: Timestamp, expires_in: Option<Duration>) -> Option<i64> {
    expires_in.map(|life| crate::later(sent_at, life).as_millisecond())
}
