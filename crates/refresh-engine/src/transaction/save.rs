//! Steps 7 to 9 of a transaction: a pair was obtained, and now it must not be lost.

use crate::decide::compare::{WriteDecision, decide_write};
use crate::decide::memory::login_patience;
use crate::records::outcome::Outcome;
use crate::records::record::Record;
use crate::store_access::commit::commit;
use crate::store_access::committer::{Decide, Decided, Saved, WriteRequest};
use crate::store_access::scan::note_found;
use crate::store_access::settlement::{close, close_superseded, keep_superseded};
use crate::store_access::shared::{Shared, Superseded};
use crate::transaction::end::TransactionEnd;
use crate::transaction::obtained_pair::{ObtainedPair, is_same_grant};
use crate::{Event, Expiry, ObservedEntry, Partners, Verdict, later};
use claude_store::{Change, Store};
use std::rc::Rc;
use std::time::Duration;

/// First pause after a write that failed; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Saves the pair, and does not return before it is saved or proves superfluous (I6): a store that cannot be written is tried
/// again and again, while the journal keeps the pair. `folder_stands` tells a document that somebody deleted (`claude auth logout` does,
/// with all logins in it) from one whose disk is not mounted: nothing is waited for there.
pub(crate) async fn save<P: Partners>(
    shared: &Rc<Shared<P>>,
    obtained: ObtainedPair,
    folder_stands: &dyn Fn() -> bool,
) -> TransactionEnd {
    let obtained = Rc::new(obtained);
    let key = obtained.key().clone();
    let mut pause = FIRST_PAUSE;
    // Once may be a program that deletes and writes anew.
    let mut missed = false;
    let saved = loop {
        let request = WriteRequest {
            key: key.clone(),
            decide: decide(shared, &obtained),
            expired: shared.read_record(&key, |record| obtained.had_expired(record)),
            repaired: Some(obtained.before.entry.server_name.clone()),
        };
        match commit(shared, request).await {
            Ok(saved) => {
                shared.track(&key, |tracked| tracked.unsaved = None);
                break saved;
            }
            Err(error) if error.absent && missed && folder_stands() => {
                break Saved { decision: WriteDecision::Gone, durable: true, unflagged: Ok(false) };
            }
            Err(error) => {
                missed = error.absent;
                let why = error.why;
                let news =
                    shared.track(&key, |tracked| tracked.unsaved.replace(why.clone())).as_ref() != Some(&why);
                if news {
                    shared.tell(&obtained.before, Event::Unsaved { why, retry_in: pause });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    };
    let ended = settle(shared, &obtained, saved).await;
    shared.track(&key, |tracked| {
        tracked.writing = None;
        tracked.unsaved = None;
    });
    ended
}

fn decide<P: Partners>(shared: &Rc<Shared<P>>, obtained: &Rc<ObtainedPair>) -> Decide {
    let (shared, obtained) = (Rc::clone(shared), Rc::clone(obtained));
    Box::new(move |found| {
        obtained.found.replace(found.cloned());
        let decision = shared.read_record(obtained.key(), |record| {
            decide_write(obtained.expected, obtained.digests(), found, obtained.forgotten.get(), record)
        });
        let decision = match (decision, found) {
            (WriteDecision::Repair, Some(stub)) if may_be_login(&shared, &obtained, stub) => {
                WriteDecision::AwaitLogin
            }
            (decision, _) => decision,
        };
        let change = match decision {
            // The entry as it was may itself be the stub that this transaction heals.
            WriteDecision::Write if obtained.heal.is_some() => Some(obtained.repair()),
            WriteDecision::Write => Some(Change::Tokens(obtained.tokens())),
            WriteDecision::Repair => Some(obtained.repair()),
            WriteDecision::AlreadyThere
            | WriteDecision::AwaitLogin
            | WriteDecision::Superseded
            | WriteDecision::Gone => None,
        };
        shared.track(obtained.key(), |tracked| {
            tracked.writing = change.is_some().then(|| obtained.digests().access);
        });
        Decided { decision, change }
    })
}

/// Whether the stub that our answer found may be a person's, who is logging in.
fn may_be_login<P: Partners>(shared: &Shared<P>, obtained: &ObtainedPair, stub: &ObservedEntry) -> bool {
    let now = shared.now();
    let stub_for = shared.track(obtained.key(), |tracked| {
        tracked.stub_since.get_or_insert(now);
        tracked.stub_for(now)
    });
    obtained.heal.is_none() && !login_patience(&obtained.before, stub, stub_for).is_zero()
}

/// The write is decided: records, the journal, the news.
async fn settle<P: Partners>(
    shared: &Rc<Shared<P>>,
    obtained: &ObtainedPair,
    Saved { decision, durable, unflagged }: Saved,
) -> TransactionEnd {
    let key = obtained.key();
    let before = Some(obtained.presented.fingerprint());
    match decision {
        WriteDecision::Write | WriteDecision::Repair | WriteDecision::AlreadyThere => {
            let after = obtained.after();
            let now = after.refresh.map(|refresh| refresh.fingerprint());
            let expires_at = after.expiry.moment();
            let wall = shared.now().wall;
            shared.change_record(key, |record| note_fresh(record, obtained, &after, wall));
            shared.track(key, |tracked| {
                tracked.current = Some(after.clone());
                tracked.last_live = Some(after.clone());
            });
            match unflagged {
                Ok(true) => shared.tell(&after, Event::Unflagged),
                Ok(false) => {}
                Err(why) => shared.tell(&after, Event::UnflagFailed { why }),
            }
            // I1: which token is spent must be known for good before the journal forgets it.
            close(shared, obtained.id, durable).await;
            shared.release_held(key);
            // After it: that the token of a superseded pair is spent stands in the same record.
            close_superseded(shared, key, None);
            if obtained.heal.is_some() || decision == WriteDecision::Repair {
                shared.tell(
                    &after,
                    Event::Healed {
                        why: "a failed refresh of another process had wiped it",
                        now,
                        expires_at,
                    },
                );
            }
            let detail = describe(obtained);
            let lifetime = obtained.pair.expires_in;
            shared.tell(
                &after,
                Event::Ended {
                    outcome: Outcome::Fresh,
                    detail,
                    before,
                    now,
                    lifetime,
                    expires_at,
                    retry_in: None,
                },
            );
            TransactionEnd::Fresh
        }
        WriteDecision::AwaitLogin => {
            let after = obtained.after();
            shared.change_record(key, |record| {
                if obtained.digests().rotated() {
                    record.spend(obtained.presented);
                }
                let why = "somebody may be logging in; the new pair is kept until that is over";
                record.note(shared.now().wall, Outcome::Adopted, why);
            });
            shared.track(key, |tracked| {
                // What is tried once the login is over, and what the journal keeps until then.
                tracked.last_live = Some(after);
                tracked.held.extend(obtained.id);
            });
            TransactionEnd::NotNeeded
        }
        WriteDecision::Superseded => {
            let found = obtained.found.take().filter(|found| found.refresh.is_some());
            let by = found.as_ref().and_then(|found| found.refresh);
            let same_grant = found.as_ref().is_some_and(|found| is_same_grant(&obtained.before, found));
            // A client that logs in empties the entry first, however alike the registration is afterwards. Where nothing tells of changes,
            // that would not have been seen.
            let emptied =
                shared.store.look_again_in().is_some() || shared.track(key, |tracked| tracked.emptied);
            shared.change_record(key, |record| {
                if obtained.digests().rotated() {
                    record.spend(obtained.presented);
                    record.contested = by.filter(|_| same_grant && !emptied);
                }
                record.note(
                    shared.now().wall,
                    Outcome::Adopted,
                    "another pair was written meanwhile and is kept",
                );
            });
            match (obtained.id, by) {
                (Some(id), Some(by)) => {
                    keep_superseded(shared, key, Superseded { id, by, tokens: obtained.tokens() });
                }
                (id, _) => id.into_iter().for_each(|id| shared.journal.done(id)),
            }
            if let Some(found) = found {
                note_found(shared, &found);
            }
            TransactionEnd::NotNeeded
        }
        WriteDecision::Gone => {
            // Should it turn out that the whole document was lost, this pair is the one to bring back.
            let after = obtained.after();
            if let Some(vanished) = shared.vanished.borrow_mut().get_mut(key) {
                vanished.seen = after.clone();
            }
            shared.track(key, |tracked| {
                if tracked.last_live.is_some() {
                    tracked.last_live = Some(after);
                }
            });
            if let Some(id) = obtained.id {
                shared.journal.done(id);
            }
            TransactionEnd::Removed
        }
    }
}

fn note_fresh(record: &mut Record, obtained: &ObtainedPair, after: &ObservedEntry, at: jiff::Timestamp) {
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

/// What a new token that names its own end lives for: as much the server's word as `expires_in`, and without it a token of minutes would
/// always look as if it were about to end.
fn claimed_lifetime(after: &ObservedEntry, sent_at: jiff::Timestamp) -> Option<Duration> {
    let Expiry::Claimed(ends) = after.expiry else { return None };
    Duration::try_from(ends.duration_since(sent_at)).ok().filter(|life| !life.is_zero())
}

fn describe(obtained: &ObtainedPair) -> String {
    match obtained.pair.expires_in {
        Some(life) => format!("a new token for {}", in_words(life)),
        None => "a new token of unknown life".to_owned(),
    }
}

fn in_words(life: Duration) -> String {
    match life.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
