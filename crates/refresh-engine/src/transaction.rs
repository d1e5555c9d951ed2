//! One refresh of one entry, from the metadata to the saved pair. Reads from top to bottom like a protocol.
//!
//! - **I1** A refresh token is presented again only after an answer that proves it was not consumed, or after an ambiguous outcome.
//! - **I2** The raw answer is in the journal before it is interpreted, and durable before the store changes.
//! - **I3** The storage lock is never held during network traffic or an fsync.
//! - **I4** Nothing but the entry's own token members changes.
//! - **I5** A removed entry stays removed.
//! - **I6** Once the request is on the wire the transaction runs to its end. It is its own task, which nothing cancels.

pub(crate) mod conclude;
pub(crate) mod decide_again;
pub(crate) mod demand;
pub(crate) mod end;
pub(crate) mod exchange;
pub(crate) mod grants;
pub(crate) mod heal;
pub(crate) mod metadata;
pub(crate) mod presented;
pub(crate) mod refresh_locks;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod restore;
pub(crate) mod save;
pub(crate) mod settle;

pub(crate) use demand::Demand;
pub(crate) use end::TransactionEnd;

use crate::store_access::entry_state::RunId;
use crate::store_access::shared::Shared;
use crate::transaction::decide_again::decide_again;
use crate::transaction::exchange::Exchange;
use crate::transaction::refresh_locks::RefreshLocks;
use crate::transaction::save::save;
use crate::transaction::settle::{settle, unflag};
use crate::{Event, ObservedEntry, Partners};
use std::rc::Rc;

/// Refreshes one entry. `run` is what runs for it.
pub(crate) async fn refresh<P: Partners>(
    shared: &Rc<Shared<P>>,
    run: RunId,
    planned: &Rc<ObservedEntry>,
    demand: Demand,
) -> TransactionEnd {
    match transaction(shared, run, planned, demand).await {
        Ok(()) => TransactionEnd::Fresh,
        Err(end) => end,
    }
}

/// The nine steps. However they end, the locks are released and the next transaction gets its turn.
async fn transaction<P: Partners>(
    shared: &Rc<Shared<P>>,
    run: RunId,
    planned: &Rc<ObservedEntry>,
    demand: Demand,
) -> Result<(), TransactionEnd> {
    let presented = demand.presented(planned)?;
    let token = presented.digest;
    let _turn = demand.take_turn(shared, planned, token).await?;
    // 1: metadata, before any lock is taken.
    let metadata = metadata::of(shared, &presented).await?;
    // 2: the refresh locks of this entry and of every other that holds the token.
    let locks = RefreshLocks::take(shared, planned, token).await?;
    // 3: read the store again, decide again.
    let decided = decide_again(shared, planned, demand).await?;
    // 4: make sure that the answer can be saved; journal the intent durably.
    let mut exchange = Exchange::prepare(shared, &locks, metadata, &decided).await?;
    shared.tell(&decided.seen, Event::refreshing(decided.reason, decided.presented.digest));
    let answered = loop {
        // 5: present the token, once. From here on it runs to its end (I6).
        let sent = exchange.post().await;
        // 6: journal the raw answer (I2). Before the token may be presented again (I1), journal the intent again.
        exchange.journal_answer(&sent);
        if let Some(answered) = exchange.evaluate(sent).await? {
            break answered;
        }
    };
    let obtained = Rc::new(exchange.conclude(answered, run).await?);
    // 7: read, compare (I5), splice (I4), write a temporary file; fsync it and the journal; rename under the storage lock (I3).
    let saved = save(shared, &obtained, &|| locks.still_ours().is_ok()).await?;
    // 8: remove it from the client's list of servers to skip.
    unflag(shared, &obtained).await;
    // 9: record it, and close the transaction in the journal.
    settle(shared, &obtained, saved).await;
    shared.grants.hand_over(shared, &decided.seen.entry.key, token).await;
    Ok(())
}
