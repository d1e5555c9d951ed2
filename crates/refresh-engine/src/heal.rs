//! Puts right what other programs broke, without a request.

use crate::commit::{Decided, Wish, commit};
use crate::compare::{Expected, WriteDecision};
use crate::record::Retry;
use crate::shared::Shared;
use crate::{Event, Partners, Seen, Verdict};
use claude_store::{Change, EntryKey, ExpiresAt, TokenChange};
use std::rc::Rc;
use std::time::Duration;

/// How soon to try again when the store could not be written.
const PUT_BACK_PAUSE: Duration = Duration::from_secs(60);

/// Writes the remembered pair back over one that is known to be spent: an old client's lost update.
pub(crate) async fn put_back<P: Partners>(shared: &Rc<Shared<P>>, found: &Seen, remembered: &Seen) {
    let Some(tokens) = tokens_of(remembered) else { return };
    let now = remembered.refresh.map(|refresh| refresh.fingerprint());
    let expected = Expected::of(found);
    if overwrite(shared, &found.entry.key, tokens, move |seen| Expected::of(seen) == expected).await {
        shared.track(&found.entry.key, |tracked| tracked.current = Some(remembered.clone()));
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

/// The store's pair proved dead: the pair that it had made superfluous is the only one left.
pub(crate) async fn revive_superseded<P: Partners>(shared: &Rc<Shared<P>>, seen: &Seen) {
    let key = &seen.entry.key;
    let Some(dead) = seen.refresh else { return };
    if !shared.read_record(key, |record| matches!(record.verdict, Verdict::Dead { .. })) {
        return;
    }
    let ours = shared.superseded.borrow_mut().get_mut(key).and_then(Vec::pop);
    let Some(ours) = ours else { return };
    let now = ours.tokens.refresh_token.as_ref().map(oauth_secret::RefreshToken::fingerprint);
    let expires_at = ours.tokens.expires_at.and_then(|moment| jiff::Timestamp::from_millisecond(moment).ok());
    let written =
        now.is_some() && overwrite(shared, key, ours.tokens, move |found| found.refresh == Some(dead)).await;
    shared.journal.done(ours.id);
    if written {
        shared.tell(
            seen,
            Event::Healed { why: "the pair that had replaced ours proved dead", now, expires_at },
        );
    }
}

async fn overwrite<P: Partners>(
    shared: &Rc<Shared<P>>,
    key: &EntryKey,
    tokens: TokenChange,
    still: impl Fn(&Seen) -> bool + 'static,
) -> bool {
    let decide = Box::new(move |found: Option<&Seen>| match found {
        None => Decided { decision: WriteDecision::Gone, change: None },
        Some(seen) if still(seen) => {
            Decided { decision: WriteDecision::Write, change: Some(Change::Tokens(tokens.clone())) }
        }
        Some(_) => Decided { decision: WriteDecision::Superseded, change: None },
    });
    match commit(shared, Wish::now(key.clone(), decide)).await {
        Ok(saved) => saved.decision == WriteDecision::Write,
        Err(error) => {
            shared.state_trouble(&error);
            false
        }
    }
}

pub(crate) fn tokens_of(seen: &Seen) -> Option<TokenChange> {
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
