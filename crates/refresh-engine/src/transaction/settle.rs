//! Steps 8 and 9 of a transaction: what follows once the pair is in the store.

use crate::records::outcome::Outcome;
use crate::store_access::obtained_pair::ObtainedPair;
use crate::store_access::settlement::{close, close_superseded};
use crate::store_access::shared::Shared;
use crate::transaction::save::{SavedPair, describe};
use crate::{Event, Partners};
use compact::Set;
use std::rc::Rc;

/// Step 8: new sessions skip a flagged server for 15 minutes, however good its token is (measured). Several at the same time share one write.
pub(crate) async fn unflag<P: Partners>(shared: &Shared<P>, obtained: &ObtainedPair) {
    let seen = &obtained.before;
    let removed = shared.unflags.ask(seen.entry.server_name.clone(), async |unflags| {
        tokio::task::yield_now().await;
        let names = unflags.waiting();
        let removed = shared.needs_auth.remove_all(&names.iter().map(|name| name.as_str()).collect());
        let removed: Result<Set<String>, _> = removed.map_err(Rc::new);
        let of =
            |name: &Rc<String>| removed.as_ref().map(|removed| removed.contains(&**name)).map_err(Rc::clone);
        names.iter().map(of).collect()
    });
    match removed.await {
        Ok(true) => shared.tell(seen, Event::Unflagged),
        Ok(false) => {}
        Err(error) => shared.tell(seen, Event::UnflagFailed { why: error.to_string() }),
    }
}

/// Step 9: makes the record durable, closes the transaction in the journal and reports the result.
pub(crate) async fn settle<P: Partners>(shared: &Shared<P>, obtained: &ObtainedPair, saved: SavedPair) {
    let SavedPair { after, healed, durable } = saved;
    let key = obtained.key();
    // I1: which token is spent must be durable before the journal forgets it.
    close(shared, key, obtained.id, durable).await;
    shared.release_held(key);
    // Only then: the same record says that the superseded pair's token is spent.
    close_superseded(shared, key, None);
    shared.state(key, |state| state.writing = None);
    let (now, expires_at) = (after.refresh.map(|refresh| refresh.fingerprint()), after.expiry.moment());
    if healed {
        let why = "a failed refresh of another process had wiped it";
        shared.tell(&after, Event::Healed { why, now, expires_at });
    }
    let ended = Event::Ended {
        outcome: Outcome::Fresh,
        detail: describe(obtained),
        before: Some(obtained.presented.fingerprint()),
        now,
        lifetime: obtained.pair.expires_in,
        expires_at,
        retry_in: None,
    };
    shared.tell(&after, ended);
}
