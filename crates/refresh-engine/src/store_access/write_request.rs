//! What to write into one entry, and the decision whether to write it: a pure function of the request, of the entry as the store holds it,
//! and of what is known of it.

use crate::decide::compare::{Expected, WriteDecision, decide_write};
use crate::decide::memory::login_patience;
use crate::journal::TransactionId;
use crate::store_access::obtained_pair::ObtainedPair;
use crate::{ObservedEntry, Record};
use claude_store::{Change, EntryKey, RawEntry, TokenChange};
use oauth_secret::TokenDigest;
use std::rc::Rc;
use std::time::Duration;

/// What to write into one entry.
#[derive(Clone, Debug)]
pub(crate) enum WriteRequest {
    /// The pair obtained for it, subject to the compare rule.
    Obtained(Rc<ObtainedPair>),
    /// These tokens, if the entry still holds those that they replace.
    Replace { key: EntryKey, tokens: TokenChange, held: Held },
    /// The whole entry, as long as it is absent or holds no tokens.
    Reinsert { key: EntryKey, raw: RawEntry },
}

/// What an entry must hold for its tokens to be replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// Exactly this.
    Entry(Expected),
    /// This refresh token.
    Refresh(TokenDigest),
}

/// What is known of the entry besides what the store holds.
pub(crate) struct Known<'a> {
    pub(crate) record: &'a Record,
    /// It was seen absent since the request was decided (I5).
    pub(crate) forgotten: bool,
    /// How long it has been without tokens.
    pub(crate) stub_for: Duration,
}

impl WriteRequest {
    /// The entry.
    pub(crate) fn key(&self) -> &EntryKey {
        match self {
            Self::Obtained(pair) => pair.key(),
            Self::Replace { key, .. } | Self::Reinsert { key, .. } => key,
        }
    }

    /// The transaction that obtained it, if any.
    pub(super) fn transaction(&self) -> Option<TransactionId> {
        match self {
            Self::Obtained(pair) => Some(pair.id),
            Self::Replace { .. } | Self::Reinsert { .. } => None,
        }
    }

    /// Whether room was reserved for it before its request.
    pub(super) fn has_room(&self) -> bool {
        matches!(self, Self::Obtained(pair) if pair.has_room)
    }

    /// Whether it may wait for others: the stored tokens are of no use to anybody, and other refreshers find the entry's lock taken.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self, Self::Obtained(pair) if pair.had_expired)
    }

    /// The outcome, and the change to the document.
    pub(crate) fn decide(
        &self,
        found: Option<&ObservedEntry>,
        known: &Known<'_>,
    ) -> (WriteDecision, Option<Change>) {
        match (self, found) {
            (Self::Obtained(pair), _) => decide_obtained(pair, found, known),
            (Self::Replace { .. }, None) => (WriteDecision::Gone, None),
            (Self::Replace { tokens, held, .. }, Some(seen)) if held.is_in(seen) => {
                (WriteDecision::Write, Some(Change::Tokens(tokens.clone())))
            }
            (Self::Reinsert { raw, .. }, None) => {
                (WriteDecision::Write, Some(Change::Reinsert { raw: raw.clone() }))
            }
            // What a session leaves that found no login.
            (Self::Reinsert { raw, .. }, Some(seen)) if seen.entry.is_stub() => {
                (WriteDecision::Write, Some(Change::Restore { members: raw.clone() }))
            }
            (Self::Replace { .. } | Self::Reinsert { .. }, Some(_)) => (WriteDecision::Superseded, None),
        }
    }
}

fn decide_obtained(
    pair: &ObtainedPair,
    found: Option<&ObservedEntry>,
    known: &Known<'_>,
) -> (WriteDecision, Option<Change>) {
    let heals = pair.heal.is_some();
    match (decide_write(pair.expected, pair.digests(), found, known.forgotten, known.record), found) {
        // The user may be logging in.
        (WriteDecision::Repair, Some(stub))
            if !heals && !login_patience(&pair.before, stub, known.stub_for).is_zero() =>
        {
            (WriteDecision::AwaitLogin, None)
        }
        // The original entry may itself be the stub that this transaction heals.
        (WriteDecision::Write, _) if heals => (WriteDecision::Write, Some(pair.repair())),
        (WriteDecision::Write, _) => (WriteDecision::Write, Some(Change::Tokens(pair.tokens()))),
        (WriteDecision::Repair, _) => (WriteDecision::Repair, Some(pair.repair())),
        (decision, _) => (decision, None),
    }
}

impl Held {
    fn is_in(self, seen: &ObservedEntry) -> bool {
        match self {
            Self::Entry(expected) => Expected::of(seen) == expected,
            Self::Refresh(refresh) => seen.refresh == Some(refresh),
        }
    }
}
