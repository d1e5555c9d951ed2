//! An obtained pair, until it is saved.

use crate::decide::compare::{Expected, Obtained};
use crate::decide::policy::SHORT_LIFE;
use crate::journal::{HealMembers, TransactionId};
use crate::store_access::entry_state::RunId;
use crate::{Expiry, Now, ObservedEntry, Record};
use claude_store::{Change, Entry, EntryKey, ExpiresAt, TokenChange};
use oauth_secret::{RefreshToken, TokenDigest};
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::TokenPair;

/// An obtained pair, and everything needed to save it.
#[derive(Debug)]
pub(crate) struct ObtainedPair {
    pub(crate) id: TransactionId,
    pub(crate) expected: Expected,
    pub(crate) presented: TokenDigest,
    pub(crate) heal: Option<Box<HealMembers>>,
    pub(crate) pair: TokenPair,
    pub(crate) sent_at: Now,
    /// The run that obtained it, which knows whether it may still write.
    pub(crate) run: RunId,
    /// The entry that was presented.
    pub(crate) before: Rc<ObservedEntry>,
    /// Room for it is reserved in the store until its transaction ends; not for one that the journal kept.
    pub(crate) has_room: bool,
    /// Its access token had expired when the request was sent.
    pub(crate) had_expired: bool,
}

/// A login registers the client again, or at least uses another callback port; a refresh changes neither.
pub(crate) fn is_same_grant(before: &ObservedEntry, found: &ObservedEntry) -> bool {
    let (before, found) = (&before.entry, &found.entry);
    before.client_id == found.client_id && before.redirect_uri == found.redirect_uri
}

impl ObtainedPair {
    pub(crate) fn key(&self) -> &EntryKey {
        &self.before.entry.key
    }

    pub(crate) fn digests(&self) -> Obtained {
        Obtained {
            access: self.pair.access_token.digest(),
            presented: self.presented,
            refresh: self.pair.refresh_token.as_ref().map(RefreshToken::digest),
        }
    }

    pub(crate) fn tokens(&self) -> TokenChange {
        TokenChange {
            access_token: self.pair.access_token.clone(),
            refresh_token: self.pair.refresh_token.clone(),
            expires_at: expires_at_ms(self.sent_at.wall, self.pair.expires_in),
            scope: self.pair.scope.clone(),
        }
    }

    /// The pair together with what a wipe takes: what the answer did not repeat comes from the presented entry.
    pub(crate) fn repair(&self) -> Change {
        let heal = self.heal.as_deref();
        let tokens = TokenChange { refresh_token: self.resulting_refresh_token(), ..self.tokens() };
        let entry = &self.before.entry;
        let or = |healed: Option<String>, entry: &Option<String>| healed.or_else(|| entry.clone());
        Change::Heal {
            client_id: or(heal.and_then(|heal| heal.client_id.clone()), &entry.client_id),
            issuer: or(heal.and_then(|heal| heal.issuer.clone()), &entry.issuer),
            redirect_uri: or(heal.and_then(|heal| heal.redirect_uri.clone()), &entry.redirect_uri),
            scope: or(heal.and_then(|heal| heal.scope.clone()), &entry.scope),
            tokens,
        }
    }

    /// The current refresh token: the answer's, else the presented one.
    pub(crate) fn resulting_refresh_token(&self) -> Option<RefreshToken> {
        self.pair.refresh_token.clone().or_else(|| match self.heal.as_deref() {
            Some(heal) if !heal.refresh_token.is_empty() => {
                Some(RefreshToken::new(heal.refresh_token.as_str()))
            }
            _ => self.before.entry.refresh_token.clone(),
        })
    }

    /// The entry after the write.
    pub(crate) fn after(&self) -> ObservedEntry {
        let mut entry = self.before.entry.clone();
        entry.access_token = Some(self.pair.access_token.clone());
        entry.refresh_token = self.resulting_refresh_token();
        entry.expires_at =
            expires_at_ms(self.sent_at.wall, self.pair.expires_in).map_or(ExpiresAt::Absent, ExpiresAt::At);
        ObservedEntry::new(entry)
    }
}

/// `expiresAt` as written: counted from the moment of sending, to err on the early side.
pub(crate) fn expires_at_ms(sent_at: jiff::Timestamp, expires_in: Option<Duration>) -> Option<i64> {
    expires_in.map(|life| crate::later(sent_at, life).as_millisecond())
}

/// Completes an answer with what earlier ones said. A server that named a lifetime at the login but omits it now does not issue
/// tokens that never expire: without `expiresAt` the client would use the token until it is refused.
pub(crate) fn complete(pair: &mut TokenPair, presented: &ObservedEntry, sent_at: Now, record: &Record) {
    let claims = ObservedEntry::new(Entry {
        access_token: Some(pair.access_token.clone()),
        expires_at: ExpiresAt::Absent,
        ..Entry::named(presented.entry.key.clone())
    });
    let named_before = matches!(presented.expiry, Expiry::At(_));
    if pair.expires_in.is_none() && claims.expiry == Expiry::Unknown && named_before {
        // A token first seen shortly before its expiry says nothing about the next one's lifetime.
        pair.expires_in = record.lifetime().filter(|life| *life >= SHORT_LIFE);
    }
    if pair.refresh_token.is_none() && pair.refresh_expires_in.is_none() {
        let lapses = record.refresh_token_expires_at.map(|at| at.duration_since(sent_at.wall));
        pair.refresh_expires_in = lapses.and_then(|left| Duration::try_from(left).ok());
    }
}
