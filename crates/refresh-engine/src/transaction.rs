//! One refresh of one entry, from the metadata to the pair that is saved. Reads from top to bottom like a protocol.
//!
//! - **I1** A refresh token is presented again only after an answer that proves it was not consumed, or after an ambiguous end.
//! - **I2** The raw answer is in the journal before it is interpreted, and durable before the store changes.
//! - **I3** The storage lock is never held over the network nor over an fsync.
//! - **I4** Nothing but the entry's own token members changes.
//! - **I5** A removed entry stays removed.
//! - **I6** Once the request is on the wire the transaction runs to its end. It is a task of its own, which nothing cancels.

pub(crate) mod conclusion;
pub(crate) mod end;
pub(crate) mod exchange;
pub(crate) mod grants;
pub(crate) mod heal;
pub(crate) mod in_flight;
pub(crate) mod metadata;
pub(crate) mod obtained_pair;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod restore;
pub(crate) mod save;

use crate::decide::compare::Expected;
use crate::decide::memory::{Heal, decide_heal};
use crate::decide::plan::{plan, plan_forced};
use crate::decide::planned::{Plan, Reason};
use crate::records::outcome::Outcome;
use crate::records::record::Retry;
use crate::store_access::reader::Reading;
use crate::store_access::reading::read_entry;
use crate::store_access::scan::note_found;
use crate::store_access::shared::Shared;
use crate::transaction::end::{TransactionEnd, locked};
use crate::transaction::exchange::Exchange;
use crate::transaction::grants::Others;
use crate::transaction::heal::heal_members;
use crate::transaction::in_flight::InFlight;
use crate::transaction::metadata::NoMetadata;
use crate::transaction::obtained_pair::ObtainedPair;
use crate::transaction::request::for_login;
use crate::transaction::save::save;
use crate::{Event, ObservedEntry, Partners};
use claude_store::{RefreshLock, Store};
use oauth_secret::TokenDigest;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::{Answer, Metadata};

/// How long a refresh lock that somebody alive holds is waited for; the client is refreshing then.
const REFRESH_LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long another entry's refresh of the same login is waited for: two requests of 30 s. One of a store that cannot be read may never end.
const TURN_PATIENCE: Duration = Duration::from_secs(90);
/// How soon to look again when the store could not be read under the lock; old clients write it in place.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(5);

/// Who wants this refresh.
#[derive(Clone, Debug)]
pub(crate) enum Demand {
    /// The plan.
    Planned,
    /// A person.
    Forced,
    /// A wiped entry: the remembered one is tried.
    Heal(Box<ObservedEntry>),
}

/// Refreshes one entry.
pub(crate) async fn refresh<P: Partners>(
    shared: &Rc<Shared<P>>,
    seen: &ObservedEntry,
    demand: Demand,
) -> TransactionEnd {
    // A stub no longer says where its login was.
    let presented = if let Demand::Heal(remembered) = &demand { remembered.as_ref() } else { seen };
    let presented = presented.clone();
    let token = presented.refresh.unwrap_or_else(|| TokenDigest::of(""));
    // One grant is one transaction, in however many entries it stands.
    let turn = shared.grants.present_after_others(token);
    let Ok((_presenting, waited)) = tokio::time::timeout(TURN_PATIENCE, turn).await else {
        let why = "another entry holds the same login, and how its refresh ended is not known yet; mend its store first";
        return TransactionEnd::Locked(why.to_owned());
    };
    if waited {
        let current = shared.track(&seen.entry.key, |known| known.current.clone());
        match demand {
            Demand::Forced if current.is_none_or(|now| now.access != seen.access) => {
                return TransactionEnd::Fresh;
            }
            Demand::Forced => {}
            // What was learned meanwhile makes another plan.
            Demand::Planned | Demand::Heal(_) => return TransactionEnd::NotNeeded,
        }
    }
    // 1: metadata, before any lock is taken.
    let metadata = match metadata::of(shared, &presented).await {
        Ok(metadata) => metadata,
        Err(NoMetadata { outcome, why }) => return TransactionEnd::Failed(outcome, why),
    };
    // 2: the entry's own lock
    let key = &seen.entry.key;
    let lock = match shared.store.locks().refresh_lock(key, REFRESH_LOCK_PATIENCE).await {
        Ok(lock) => lock,
        Err(error) => return locked(shared, seen, &error),
    };
    let others = match shared.grants.lock_others(shared, key, token, REFRESH_LOCK_PATIENCE).await {
        Ok(others) => others,
        Err(error) => {
            let _ = lock.release();
            return locked(shared, seen, &error);
        }
    };
    let ended = under_lock(shared, seen, demand, &metadata, &lock, &others).await;
    if ended == TransactionEnd::Fresh {
        others.hand_over(shared, key, token).await;
    } else {
        others.release();
    }
    // A lock that is no longer ours is left alone.
    let _ = lock.release();
    ended
}

async fn under_lock<P: Partners>(
    shared: &Rc<Shared<P>>,
    planned: &ObservedEntry,
    demand: Demand,
    metadata: &Metadata,
    lock: &RefreshLock<P::Files>,
    others: &Others<P>,
) -> TransactionEnd {
    let key = &planned.entry.key;
    // 3: read the store again, decide again
    let forgotten = shared.track(key, |tracked| Rc::clone(&tracked.forgotten));
    let (size, version, seen) = match read_entry(shared, key).await {
        Ok(Reading { size, version, seen: Some(seen) }) => (size, version, seen),
        Ok(Reading { seen: None, .. }) => return TransactionEnd::Removed,
        Err(why) => {
            let now = shared.now();
            shared.change_record(key, |record| record.retry = Some(Retry::after(now, UNREADABLE_PAUSE)));
            return TransactionEnd::Unreadable(why);
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
        document_size: size,
        heal: (reason == Reason::Heal).then(|| Box::new(heal_members(&presented))),
        metadata: shared.read_record(key, |record| for_login(metadata.clone(), record)),
        presented: &presented,
        seen: &seen,
        lock,
        others,
        oversized: Cell::new(false),
        id: None,
        within_grace: false,
    };
    if let Err(ended) = exchange.prepare().await {
        return ended;
    }
    if let Err(ended) = exchange.still_as_read(version).await {
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
            let obtained = ObtainedPair {
                id: exchange.id,
                expected: exchange.expected,
                presented: exchange.presented_digest(),
                heal: exchange.heal.take(),
                pair,
                sent_at,
                forgotten,
                before: presented.clone(),
                found: RefCell::default(),
            };
            save(shared, obtained, &|| lock.still_ours().is_ok()).await
        }
        answer => exchange.conclude(&answer, sent_at).await,
    }
}

/// The plan as it looks under the lock: the entry to present, and why. `Err` is how the transaction ends instead.
fn decide_again<P: Partners>(
    shared: &Shared<P>,
    planned: &ObservedEntry,
    seen: &ObservedEntry,
    demand: Demand,
) -> Result<(Reason, ObservedEntry), TransactionEnd> {
    let (location, key, now) = (shared.location(), &seen.entry.key, shared.now());
    if seen.refresh != planned.refresh {
        note_found(shared, seen);
    }
    shared.records.change(location, key, |record| record.observe(now, seen));
    let policy = shared.policy.borrow();
    let decision = shared.read_record(key, |record| match &demand {
        Demand::Heal(remembered) => {
            let stub_for = shared.track(key, |tracked| tracked.stub_for(now));
            let heal = decide_heal(Some(remembered), seen, stub_for, record);
            if heal == Heal::TryRemembered {
                Plan::Refresh(Reason::Heal)
            } else {
                Plan::NeedsPerson(crate::decide::need::Need::Stub)
            }
        }
        Demand::Forced => plan_forced(seen, record, &policy),
        Demand::Planned => plan(now, seen, record, &shared.activity(), &policy),
    });
    match (decision, demand) {
        (Plan::Refresh(reason), Demand::Heal(remembered)) => Ok((reason, *remembered)),
        (Plan::Refresh(reason), Demand::Forced) => match shared.grants.held(shared, seen) {
            Some(held) => Err(TransactionEnd::Held(held)),
            None => Ok((reason, seen.clone())),
        },
        (Plan::Refresh(reason), _) => Ok((reason, seen.clone())),
        (Plan::NeedsPerson(need), _) => Err(TransactionEnd::NeedsPerson(need)),
        (Plan::Sleep { .. } | Plan::Ignore(_), _) => {
            if seen.refresh != planned.refresh {
                shared.change_record(key, |record| {
                    record.note(now.wall, Outcome::Adopted, "another process refreshed it first");
                });
            }
            Err(TransactionEnd::NotNeeded)
        }
    }
}
