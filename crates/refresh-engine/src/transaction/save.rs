//! Step 7 of a transaction: save the obtained pair, which must not be lost.

use crate::decide::compare::WriteDecision;
use crate::records::outcome::Outcome;
use crate::records::record::Record;
use crate::store_access::commit::commit;
use crate::store_access::committer::Saved;
use crate::store_access::obtained_pair::{ObtainedPair, is_same_grant};
use crate::store_access::scan::note_found;
use crate::store_access::settlement::keep_superseded;
use crate::store_access::shared::{Shared, Superseded};
use crate::store_access::write_request::WriteRequest;
use crate::transaction::end::TransactionEnd;
use crate::{Event, Expiry, ObservedEntry, Partners, Verdict, later};
use claude_store::Store;
use jiff::Timestamp;
use std::rc::Rc;
use std::time::Duration;

/// The first pause after a failed write; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A pair that is in the store.
pub(crate) struct SavedPair {
    /// The entry after the write.
    pub(super) after: Rc<ObservedEntry>,
    /// The entry had been wiped.
    pub(super) healed: bool,
    /// The store survives a power cut as it is.
    pub(super) durable: bool,
}

/// Saves the pair, and returns only once it is saved or superseded (I6): a store that cannot be written is retried
/// while the journal keeps the pair. `folder_stands` distinguishes a deleted document (`claude auth logout` deletes it
/// with all logins) from an unmounted disk. A deleted document is not waited for.
pub(crate) async fn save<P: Partners>(
    shared: &Shared<P>,
    obtained: &Rc<ObtainedPair>,
    folder_stands: &dyn Fn() -> bool,
) -> Result<SavedPair, TransactionEnd> {
    let key = obtained.key();
    shared.state(key, |state| state.writing = Some(obtained.digests().access));
    let saved = write(shared, obtained, folder_stands).await;
    shared.state(key, |state| state.note_unsaved(None));
    let Saved { decision, durable, found } = saved;
    if matches!(decision, WriteDecision::Write | WriteDecision::Repair | WriteDecision::AlreadyThere) {
        let after = Rc::new(obtained.after());
        let at = shared.now().wall;
        shared.change_record(key, |record| note_fresh(record, obtained, &after, at));
        shared.state(key, |state| {
            state.current = Some(Rc::clone(&after));
            state.last_live = Some(Rc::clone(&after));
        });
        let healed = obtained.heal.is_some() || decision == WriteDecision::Repair;
        return Ok(SavedPair { after, healed, durable });
    }
    shared.state(key, |state| state.writing = None);
    match decision {
        WriteDecision::AwaitLogin => Err(await_login(shared, obtained)),
        WriteDecision::Gone => Err(gone(shared, obtained)),
        _ => Err(superseded(shared, obtained, found)),
    }
}

async fn write<P: Partners>(
    shared: &Shared<P>,
    obtained: &Rc<ObtainedPair>,
    folder_stands: &dyn Fn() -> bool,
) -> Saved {
    let mut pause = FIRST_PAUSE;
    // Once may be a program that deletes and recreates the file.
    let mut missed = false;
    loop {
        match commit(shared, WriteRequest::Obtained(Rc::clone(obtained))).await {
            Ok(saved) => return saved,
            Err(error) if error.is_absent() && missed && folder_stands() => {
                return Saved { decision: WriteDecision::Gone, found: None, durable: true };
            }
            Err(error) => {
                missed = error.is_absent();
                let why = error.to_string();
                if shared.state(obtained.key(), |state| state.note_unsaved(Some(&why))) {
                    shared.tell(&obtained.before, Event::Unsaved { why, retry_in: pause });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The entry was emptied, and the user may be logging in: the pair waits until the login must be over.
fn await_login<P: Partners>(shared: &Shared<P>, obtained: &ObtainedPair) -> TransactionEnd {
    let key = obtained.key();
    shared.change_record(key, |record| {
        if obtained.digests().rotated() {
            record.spend(obtained.presented);
        }
        let why = "a login may be in progress; the new token pair is kept until it ends";
        record.note(shared.now().wall, Outcome::Adopted, why);
    });
    shared.state(key, |state| {
        // To be tried once the login is over; the journal keeps it until then.
        state.last_live = Some(Rc::new(obtained.after()));
        state.held.push(obtained.id);
    });
    TransactionEnd::NotNeeded
}

/// The store holds another live pair, which stays; ours is kept until that one has proved good.
fn superseded<P: Partners>(
    shared: &Shared<P>,
    obtained: &ObtainedPair,
    found: Option<ObservedEntry>,
) -> TransactionEnd {
    let key = obtained.key();
    let found = found.filter(|found| found.refresh.is_some());
    let by = found.as_ref().and_then(|found| found.refresh);
    let same_grant = found.as_ref().is_some_and(|found| is_same_grant(&obtained.before, found));
    // A client's login empties the entry first, even if it reuses the registration. Without change notification that
    // would have gone unnoticed.
    let emptied = shared.store.look_again_in().is_some() || shared.state(key, |state| state.was_emptied());
    shared.change_record(key, |record| {
        if obtained.digests().rotated() {
            record.spend(obtained.presented);
            record.contested = by.filter(|_| same_grant && !emptied);
        }
        let why = "another process wrote a token pair meanwhile, and that one is kept";
        record.note(shared.now().wall, Outcome::Adopted, why);
    });
    match by {
        Some(by) => {
            let ours = Superseded { id: obtained.id, by, tokens: obtained.tokens() };
            keep_superseded(shared, key, ours);
        }
        None => shared.journal.done(obtained.id),
    }
    if let Some(found) = found {
        note_found(shared, &found);
    }
    TransactionEnd::NotNeeded
}

/// The entry was removed and stays removed (I5).
fn gone<P: Partners>(shared: &Shared<P>, obtained: &ObtainedPair) -> TransactionEnd {
    let key = obtained.key();
    // If the whole document turns out to be lost, this is the pair to restore.
    let after = Rc::new(obtained.after());
    if let Some(vanished) = shared.vanished.borrow_mut().get_mut(key) {
        vanished.seen = Rc::clone(&after);
    }
    shared.state(key, |state| {
        if state.last_live.is_some() {
            state.last_live = Some(after);
        }
    });
    shared.journal.done(obtained.id);
    TransactionEnd::Removed
}

/// Records the pair that the store now holds.
fn note_fresh(record: &mut Record, obtained: &ObtainedPair, after: &ObservedEntry, at: Timestamp) {
    let pair = &obtained.pair;
    if obtained.digests().rotated() {
        record.spend(obtained.presented);
    }
    record.refresh = after.refresh;
    record.access = after.access;
    record.since = Some(obtained.sent_at.wall);
    record.landed_at = None;
    record.verdict = Verdict::Good;
    record.failures = 0;
    record.retry = None;
    record.heal_tried = None;
    record.contested = None;
    record.refresh_token_expires_at = pair.refresh_expires_in.map(|life| later(obtained.sent_at.wall, life));
    let lifetime = pair.expires_in.or_else(|| claimed_lifetime(after, obtained.sent_at.wall));
    record.lifetime_s = lifetime.map(|life| life.as_secs());
    record.lifetime_answered = lifetime.is_some();
    record.lifetime_of = after.access.filter(|_| pair.expires_in.is_some());
    record.boot_expiry = after
        .access
        .zip(pair.expires_in)
        .map(|(access, life)| (access, obtained.sent_at.boot.saturating_add(life)));
    record.note(at, Outcome::Fresh, describe(obtained));
}

/// The lifetime of a new token from its own `exp`: as reliable as `expires_in`, and without it a token of minutes would
/// always seem about to expire.
fn claimed_lifetime(after: &ObservedEntry, sent_at: Timestamp) -> Option<Duration> {
    let Expiry::Claimed(ends) = after.expiry else { return None };
    Duration::try_from(ends.duration_since(sent_at)).ok().filter(|life| !life.is_zero())
}

/// The new token's lifetime, in words.
pub(super) fn describe(obtained: &ObtainedPair) -> String {
    match obtained.pair.expires_in {
        Some(life) => format!("a new token for {}", in_words(life)),
        None => "a new token of unknown lifetime".to_owned(),
    }
}

fn in_words(life: Duration) -> String {
    match life.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
