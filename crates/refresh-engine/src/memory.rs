//! What the daemon remembers of entries it saw, in memory only, to put right what other programs break.

use crate::{Now, Record, Seen};
use claude_store::{RawEntry, StubKind};
use std::time::Duration;

/// Entries that vanished together are remembered this long, for a person to ask for them.
pub const VANISHED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What to do when the store's entry is not what was remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// Nothing is broken, or nothing can be done.
    Nothing,
    /// The store fell back to a refresh token that is known to be spent (an old client's lost update): write the remembered
    /// entry back at once. No request.
    PutBack,
    /// A failed refresh of a client wiped the entry: try the remembered refresh token once in an ordinary transaction.
    TryRemembered,
}

/// Decides whether an entry wants healing: `last` is the last live entry seen or written, `seen` what the store holds now.
///
/// A stub without `expiresAt` is what the client writes after a logout; it is never healed.
#[must_use]
pub fn decide_heal(last: Option<&Seen>, seen: &Seen, record: &Record) -> Heal {
    let Some(remembered) = last.and_then(|last| last.refresh) else { return Heal::Nothing };
    if record.is_spent(remembered) {
        return Heal::Nothing;
    }
    match (seen.refresh, seen.entry.stub_kind()) {
        (Some(refresh), _)
            if refresh != remembered && (record.is_spent(refresh) || record.was_replaced(seen)) =>
        {
            Heal::PutBack
        }
        (None, Some(StubKind::FailedRefresh)) if record.heal_tried != Some(remembered) => Heal::TryRemembered,
        _ => Heal::Nothing,
    }
}

/// How entries disappeared in one change of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disappearance {
    /// None did.
    None,
    /// One did, or all the others stayed: a logout.
    LoggedOut(Vec<claude_store::EntryKey>),
    /// Several at once: no logout; somebody replaced or emptied the document.
    Together(Vec<claude_store::EntryKey>),
}

/// Tells a logout from a lost document: the client's logout removes one entry in one write.
#[must_use]
pub fn disappearance(gone: Vec<claude_store::EntryKey>) -> Disappearance {
    match gone.len() {
        0 => Disappearance::None,
        1 => Disappearance::LoggedOut(gone),
        _ => Disappearance::Together(gone),
    }
}

/// An entry that vanished together with others.
#[derive(Clone, Debug)]
pub(crate) struct Vanished {
    /// The entry as last seen or written.
    pub(crate) seen: Seen,
    /// Its whole text when it was last seen, perhaps with an older pair in it.
    pub(crate) text: RawEntry,
    /// When it was missed first.
    pub(crate) at: Now,
}

impl Vanished {
    /// How much longer it is worth keeping.
    #[must_use]
    pub(crate) fn kept_for(&self, now: Now) -> Duration {
        VANISHED_KEPT.saturating_sub(now.boot.saturating_sub(self.at.boot))
    }
}
