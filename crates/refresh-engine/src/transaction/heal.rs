//! Heals what other programs broke, without a request.

use crate::decide::compare::{Expected, WriteDecision};
use crate::journal::HealMembers;
use crate::records::record::{Record, Retry};
use crate::store_access::commit::commit;
use crate::store_access::committer::Saved;
use crate::store_access::settlement::close;
use crate::store_access::shared::Shared;
use crate::store_access::write_request::{Held, WriteRequest};
use crate::transaction::presented::Presented;
use crate::{Event, ObservedEntry, Partners, Verdict};
use claude_store::{EntryKey, ExpiresAt, TokenChange};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How soon to retry if the store could not be written.
const PUT_BACK_PAUSE: Duration = Duration::from_secs(60);

/// Writes the remembered pair back over one that is known to be spent: an old client's lost update.
pub(crate) async fn put_back<P: Partners>(
    shared: &Shared<P>,
    found: &ObservedEntry,
    remembered: &Rc<ObservedEntry>,
) {
    let now = remembered.refresh.map(|refresh| refresh.fingerprint());
    let written = match tokens_of(remembered) {
        Some(tokens) => overwrite(shared, &found.entry.key, tokens, Held::Entry(Expected::of(found))).await,
        // It never had an access token.
        None => Overwritten::Failed,
    };
    if matches!(written, Overwritten::Written { .. }) {
        shared.state(&found.entry.key, |state| state.current = Some(Rc::clone(remembered)));
        let at = shared.now();
        shared.change_record(&found.entry.key, |record| record.observe(at, remembered));
        shared.tell(
            remembered,
            Event::Healed {
                why: "another program had written an old, spent token back",
                now,
                expires_at: remembered.expiry.moment(),
            },
        );
    } else {
        let at = shared.now();
        shared
            .change_record(&found.entry.key, |record| record.retry = Some(Retry::after(at, PUT_BACK_PAUSE)));
    }
}

/// Writes a pair that another entry obtained for the same grant into this one, if it still holds the presented token.
pub(crate) async fn hand_over<P: Partners>(
    shared: &Shared<P>,
    key: &EntryKey,
    presented: TokenDigest,
    new: &ObservedEntry,
    record: &Record,
) {
    // Recorded before anything else can happen here, so that it is never presented again (I1).
    let rotated = new.refresh != Some(presented);
    if rotated {
        shared.change_record(key, |record| record.spend(presented));
    }
    let Some(found) = shared.state(key, |state| state.current.clone()) else { return };
    let Some(tokens) = tokens_of(new) else { return };
    shared.state(key, |state| state.writing = new.access);
    let written = overwrite(shared, key, tokens, Held::Refresh(presented)).await;
    shared.state(key, |state| state.writing = None);
    let at = shared.now();
    match written {
        Overwritten::Written { .. } => {
            let after = Rc::new(with_tokens_of(&found, new));
            shared.change_record(key, |own| own.follow(record));
            shared.state(key, |state| {
                state.current = Some(Rc::clone(&after));
                state.last_live = Some(Rc::clone(&after));
            });
            let before = Some(presented.fingerprint());
            let now = new.refresh.map(|new| new.fingerprint());
            shared.tell(&after, Event::Shared { before, now, expires_at: new.expiry.moment() });
        }
        Overwritten::Changed => {}
        Overwritten::Failed => {
            shared.change_record(key, |record| record.retry = Some(Retry::after(at, PUT_BACK_PAUSE)));
        }
    }
}

/// The entry with another one's tokens.
pub(crate) fn with_tokens_of(found: &ObservedEntry, other: &ObservedEntry) -> ObservedEntry {
    let mut entry = found.entry.clone();
    entry.access_token.clone_from(&other.entry.access_token);
    entry.refresh_token.clone_from(&other.entry.refresh_token);
    entry.expires_at = other.entry.expires_at;
    ObservedEntry::new(entry)
}

/// True if the store's pair proved dead and the pair it had superseded is still here, as the last one.
pub(crate) fn can_revive<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, record: &Record) -> bool {
    let superseded = shared.superseded.borrow();
    let by = superseded.get(&seen.entry.key).and_then(|pairs| pairs.last()).map(|pair| pair.by);
    by.is_some()
        && by == seen.refresh
        && record.refresh == seen.refresh
        && matches!(record.verdict, Verdict::Dead { .. } | Verdict::Suspect { looks: 1.., .. })
}

/// Writes the superseded pair over the one that proved dead.
pub(crate) async fn revive_superseded<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) {
    let key = &seen.entry.key;
    let Some(ours) = shared.superseded.borrow_mut().get_mut(key).and_then(Vec::pop) else { return };
    let Some(refresh) = &ours.tokens.refresh_token else { return shared.journal.done(ours.id) };
    let now = Some(refresh.fingerprint());
    let expires_at = ours.tokens.expires_at.and_then(|moment| jiff::Timestamp::from_millisecond(moment).ok());
    match overwrite(shared, key, ours.tokens.clone(), Held::Refresh(ours.by)).await {
        Overwritten::Written { durable } => {
            close(shared, key, ours.id, durable).await;
            let why = "the pair that had replaced ours proved dead";
            shared.tell(seen, Event::Healed { why, now, expires_at });
        }
        Overwritten::Changed => shared.journal.done(ours.id),
        Overwritten::Failed => {
            // It is the last one: the journal keeps it, and so do we.
            shared.superseded.borrow_mut().entry(key.clone()).or_default().push(ours);
            let at = shared.now();
            shared.change_record(key, |record| record.retry = Some(Retry::after(at, PUT_BACK_PAUSE)));
        }
    }
}

enum Overwritten {
    Written {
        durable: bool,
    },
    /// The store holds something else by now.
    Changed,
    /// The store could not be written, which was reported; or there is nothing complete to write.
    Failed,
}

async fn overwrite<P: Partners>(
    shared: &Shared<P>,
    key: &EntryKey,
    tokens: TokenChange,
    held: Held,
) -> Overwritten {
    match commit(shared, WriteRequest::Replace { key: key.clone(), tokens, held }).await {
        Ok(Saved { decision: WriteDecision::Write, durable, .. }) => Overwritten::Written { durable },
        Ok(_) => Overwritten::Changed,
        Err(error) => {
            shared.state_trouble(&error);
            Overwritten::Failed
        }
    }
}

pub(crate) fn tokens_of(seen: &ObservedEntry) -> Option<TokenChange> {
    Some(TokenChange {
        access_token: seen.entry.access_token.clone()?,
        refresh_token: Some(seen.entry.refresh_token.clone()?),
        expires_at: match seen.entry.expires_at {
            ExpiresAt::Absent => None,
            ExpiresAt::Zero => Some(0),
            ExpiresAt::At(milliseconds) => Some(milliseconds),
        },
        scope: None,
    })
}

/// What a failed refresh of the client took away, as the journal keeps it.
pub(crate) fn heal_members(remembered: &Presented) -> HealMembers {
    let entry = &remembered.seen.entry;
    HealMembers {
        client_id: entry.client_id.clone(),
        issuer: entry.issuer.clone(),
        redirect_uri: entry.redirect_uri.clone(),
        scope: entry.scope.clone(),
        refresh_token: Zeroizing::new(remembered.token.expose().to_owned()),
    }
}
