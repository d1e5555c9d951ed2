//! What the agent remembers, in memory only, of the entries it has seen, to heal what other programs break.

use crate::{Now, ObservedEntry, Record};
use claude_store::{Entry, RawEntry, StubKind};
use std::rc::Rc;
use std::time::Duration;

/// How long to remember entries that vanished together, in case the user wants them back.
pub const VANISHED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to leave a stub alone that the user's login may have made: longer than the client lets a login take (5 min, read in
/// 2.1.332).
pub const LOGIN_PATIENCE: Duration = Duration::from_secs(6 * 60);

/// What to do if the stored entry differs from the remembered one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// Nothing is broken, or nothing can be done.
    Nothing,
    /// The store went back to a refresh token that is known to be spent (an old client's lost update): write the remembered
    /// entry back at once. No request.
    PutBack,
    /// A client's failed refresh wiped the entry: try the remembered refresh token once in an ordinary transaction.
    TryRemembered,
    /// The same, but the user may be logging in, and must not find the old login instead of the new one: after this
    /// time, if nothing has changed.
    AwaitLogin(Duration),
}

/// Decides whether to heal an entry: `last` is the last live entry seen or written, `seen` what the store holds now.
///
/// The client writes a stub without `expiresAt` after a logout; it is never healed. `seen_for` is how long the entry has been
/// a stub.
#[must_use]
pub fn decide_heal(
    last: Option<&ObservedEntry>,
    seen: &ObservedEntry,
    seen_for: Duration,
    record: &Record,
) -> Heal {
    let Some(last) = last else { return Heal::Nothing };
    let Some(remembered) = last.refresh else { return Heal::Nothing };
    if record.is_spent(remembered) {
        return Heal::Nothing;
    }
    match (seen.refresh, seen.entry.stub_kind()) {
        (Some(refresh), _)
            if refresh != remembered && (record.is_spent(refresh) || record.was_replaced(seen)) =>
        {
            Heal::PutBack
        }
        (None, Some(StubKind::FailedRefresh)) if record.heal_tried != Some(remembered) => {
            match login_patience(last, seen, seen_for) {
                Duration::ZERO => Heal::TryRemembered,
                wait => Heal::AwaitLogin(wait),
            }
        }
        _ => Heal::Nothing,
    }
}

/// How much longer to leave a stub alone because the user may be logging in. `last` is the entry before it, `seen_for` how long the
/// entry has been a stub.
pub(crate) fn login_patience(last: &ObservedEntry, stub: &ObservedEntry, seen_for: Duration) -> Duration {
    if is_surely_refused(&last.entry, &stub.entry) {
        return Duration::ZERO;
    }
    LOGIN_PATIENCE.saturating_sub(seen_for)
}

/// Whether a stub with `expiresAt` 0 can only come from a refused refresh. A user who starts a new login
/// on a good entry leaves one, too; the removed members tell them apart (measured with 2.1.332): `invalid_grant` removes only
/// the tokens, `invalid_client` everything that names the client, a login `scope`, and an abandoned login `clientId` later.
fn is_surely_refused(last: &Entry, stub: &Entry) -> bool {
    let kept_scope = stub.scope.is_some();
    let lost_client = last.redirect_uri.is_some() && stub.redirect_uri.is_none() && stub.client_id.is_none();
    kept_scope || lost_client
}

/// How entries disappeared in one change of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disappearance {
    /// None did.
    None,
    /// One did, and the document stayed: a logout from this server.
    LoggedOut(Vec<claude_store::EntryKey>),
    /// Several at once, or with the document or the account login: no logout from this server; somebody replaced, emptied or deleted the
    /// document, or logged out of Claude itself.
    Together(Vec<claude_store::EntryKey>),
}

/// What happened to the document around the entries that are gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct DocumentChange {
    /// It was missing since the last look: `claude auth logout` deletes it (measured with 2.1.332).
    pub deleted: bool,
    /// `claudeAiOauth` was there at the last look and is gone.
    pub account_gone: bool,
    /// Entries that are still there.
    pub entries_left: usize,
}

/// Tells a logout from a server from a lost document. The client's logout from a server removes one entry in one write and leaves
/// `claudeAiOauth` in place; a logout from the account takes every login with it.
#[must_use]
pub fn disappearance(gone: Vec<claude_store::EntryKey>, document: DocumentChange) -> Disappearance {
    let of_account = document.account_gone && document.entries_left == 0;
    match gone.len() {
        0 => Disappearance::None,
        1 if !document.deleted && !of_account => Disappearance::LoggedOut(gone),
        _ => Disappearance::Together(gone),
    }
}

/// An entry that vanished together with others, or with the account login.
#[derive(Clone, Debug)]
pub(crate) struct Vanished {
    /// The entry as last seen or written.
    pub(crate) seen: Rc<ObservedEntry>,
    /// Its whole text when last seen, perhaps with an older pair.
    pub(crate) text: RawEntry,
    /// When it was first missed.
    pub(crate) at: Now,
}

impl Vanished {
    /// How much longer it is worth keeping.
    #[must_use]
    pub(crate) fn kept_for(&self, now: Now) -> Duration {
        VANISHED_KEPT.saturating_sub(now.boot.saturating_sub(self.at.boot))
    }
}
