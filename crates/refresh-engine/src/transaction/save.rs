//! Steps 7 to 9 of a transaction: a pair was obtained, and now it must not be lost.

use crate::decide::compare::{WriteDecision, decide_write};
use crate::decide::memory::login_patience;
use crate::records::outcome::Outcome;
use crate::records::record::Record;
use crate::store_access::closing::{close, close_superseded, keep_superseded};
use crate::store_access::commit::commit;
use crate::store_access::committer::{Decide, Decided, Saved, Wish};
use crate::store_access::look::note_found;
use crate::store_access::shared::{Shared, Superseded};
use crate::transaction::ended::Ended;
use crate::transaction::obtainment::{Obtainment, is_same_grant};
use crate::{Event, Expiry, Partners, Seen, Verdict, later};
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
    obtainment: Obtainment,
    folder_stands: &dyn Fn() -> bool,
) -> Ended {
    let obtainment = Rc::new(obtainment);
    let key = obtainment.key().clone();
    let mut pause = FIRST_PAUSE;
    // Once may be a program that deletes and writes anew.
    let mut missed = false;
    let saved = loop {
        let wish = Wish {
            key: key.clone(),
            decide: decide(shared, &obtainment),
            expired: shared.read_record(&key, |record| obtainment.had_expired(record)),
            repaired: Some(obtainment.before.entry.server_name.clone()),
        };
        match commit(shared, wish).await {
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
                    shared.tell(&obtainment.before, Event::Unsaved { why, retry_in: pause });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    };
    let ended = settle(shared, &obtainment, saved).await;
    shared.track(&key, |tracked| {
        tracked.writing = None;
        tracked.unsaved = None;
    });
    ended
}

fn decide<P: Partners>(shared: &Rc<Shared<P>>, obtainment: &Rc<Obtainment>) -> Decide {
    let (shared, obtainment) = (Rc::clone(shared), Rc::clone(obtainment));
    Box::new(move |found| {
        obtainment.found.replace(found.cloned());
        let decision = shared.read_record(obtainment.key(), |record| {
            decide_write(
                obtainment.expected,
                obtainment.obtained(),
                found,
                obtainment.forgotten.get(),
                record,
            )
        });
        let decision = match (decision, found) {
            (WriteDecision::Repair, Some(stub)) if may_be_login(&shared, &obtainment, stub) => {
                WriteDecision::AwaitLogin
            }
            (decision, _) => decision,
        };
        let change = match decision {
            // The entry as it was may itself be the stub that this transaction heals.
            WriteDecision::Write if obtainment.heal.is_some() => Some(obtainment.repair()),
            WriteDecision::Write => Some(Change::Tokens(obtainment.tokens())),
            WriteDecision::Repair => Some(obtainment.repair()),
            WriteDecision::AlreadyThere
            | WriteDecision::AwaitLogin
            | WriteDecision::Superseded
            | WriteDecision::Gone => None,
        };
        shared.track(obtainment.key(), |tracked| {
            tracked.writing = change.is_some().then(|| obtainment.obtained().access);
        });
        Decided { decision, change }
    })
}

/// Whether the stub that our answer found may be a person's, who is logging in.
fn may_be_login<P: Partners>(shared: &Shared<P>, obtainment: &Obtainment, stub: &Seen) -> bool {
    let now = shared.now();
    let stub_for = shared.track(obtainment.key(), |tracked| {
        tracked.stub_since.get_or_insert(now);
        tracked.stub_for(now)
    });
    obtainment.heal.is_none() && !login_patience(&obtainment.before, stub, stub_for).is_zero()
}

/// The write is decided: records, the journal, the news.
async fn settle<P: Partners>(
    shared: &Rc<Shared<P>>,
    obtainment: &Obtainment,
    Saved { decision, durable, unflagged }: Saved,
) -> Ended {
    let key = obtainment.key();
    let before = Some(obtainment.presented.fingerprint());
    match decision {
        WriteDecision::Write | WriteDecision::Repair | WriteDecision::AlreadyThere => {
            let after = obtainment.after();
            let now = after.refresh.map(|refresh| refresh.fingerprint());
            let expires_at = after.expiry.moment();
            let wall = shared.now().wall;
            shared.change_record(key, |record| note_fresh(record, obtainment, &after, wall));
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
            close(shared, obtainment.id, durable).await;
            shared.release_held(key);
            // After it: that the token of a superseded pair is spent stands in the same record.
            close_superseded(shared, key, None);
            if obtainment.heal.is_some() || decision == WriteDecision::Repair {
                shared.tell(
                    &after,
                    Event::Healed {
                        why: "a failed refresh of another process had wiped it",
                        now,
                        expires_at,
                    },
                );
            }
            let detail = describe(obtainment);
            let lifetime = obtainment.pair.expires_in;
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
            Ended::Fresh
        }
        WriteDecision::AwaitLogin => {
            let after = obtainment.after();
            shared.change_record(key, |record| {
                if obtainment.obtained().rotated() {
                    record.spend(obtainment.presented);
                }
                let why = "somebody may be logging in; the new pair is kept until that is over";
                record.note(shared.now().wall, Outcome::Adopted, why);
            });
            shared.track(key, |tracked| {
                // What is tried once the login is over, and what the journal keeps until then.
                tracked.last_live = Some(after);
                tracked.held.extend(obtainment.id);
            });
            Ended::NotNeeded
        }
        WriteDecision::Superseded => {
            let found = obtainment.found.take().filter(|found| found.refresh.is_some());
            let by = found.as_ref().and_then(|found| found.refresh);
            let same_grant = found.as_ref().is_some_and(|found| is_same_grant(&obtainment.before, found));
            // A client that logs in empties the entry first, however alike the registration is afterwards. Where nothing tells of changes,
            // that would not have been seen.
            let emptied =
                shared.store.look_again_in().is_some() || shared.track(key, |tracked| tracked.emptied);
            shared.change_record(key, |record| {
                if obtainment.obtained().rotated() {
                    record.spend(obtainment.presented);
                    record.contested = by.filter(|_| same_grant && !emptied);
                }
                record.note(
                    shared.now().wall,
                    Outcome::Adopted,
                    "another pair was written meanwhile and is kept",
                );
            });
            match (obtainment.id, by) {
                (Some(id), Some(by)) => {
                    keep_superseded(shared, key, Superseded { id, by, tokens: obtainment.tokens() });
                }
                (id, _) => id.into_iter().for_each(|id| shared.journal.done(id)),
            }
            if let Some(found) = found {
                note_found(shared, &found);
            }
            Ended::NotNeeded
        }
        WriteDecision::Gone => {
            // Should it turn out that the whole document was lost, this pair is the one to bring back.
            let after = obtainment.after();
            if let Some(vanished) = shared.vanished.borrow_mut().get_mut(key) {
                vanished.seen = after.clone();
            }
            shared.track(key, |tracked| {
                if tracked.last_live.is_some() {
                    tracked.last_live = Some(after);
                }
            });
            if let Some(id) = obtainment.id {
                shared.journal.done(id);
            }
            Ended::Removed
        }
    }
}

fn note_fresh(record: &mut Record, obtainment: &Obtainment, after: &Seen, at: jiff::Timestamp) {
    let pair = &obtainment.pair;
    if obtainment.obtained().rotated() {
        record.spend(obtainment.presented);
    }
    record.refresh = after.refresh;
    record.access = after.access;
    record.since = Some(obtainment.sent_at.wall);
    record.landed_at = None;
    record.verdict = Verdict::Good;
    record.failures = 0;
    record.retry = None;
    record.heal_tried = None;
    record.contested = None;
    record.refresh_token_expires_at =
        pair.refresh_expires_in.map(|life| later(obtainment.sent_at.wall, life));
    let lifetime = pair.expires_in.or_else(|| claimed_lifetime(after, obtainment.sent_at.wall));
    record.lifetime_s = lifetime.map(|life| life.as_secs());
    record.lifetime_answered = lifetime.is_some();
    record.lifetime_of = after.access.filter(|_| pair.expires_in.is_some());
    record.boot_expiry = after
        .access
        .zip(pair.expires_in)
        .map(|(access, life)| (access, obtainment.sent_at.boot.saturating_add(life)));
    record.note(at, Outcome::Fresh, describe(obtainment));
}

/// What a new token that names its own end lives for: as much the server's word as `expires_in`, and without it a token of minutes would
/// always look as if it were about to end.
fn claimed_lifetime(after: &Seen, sent_at: jiff::Timestamp) -> Option<Duration> {
    let Expiry::Claimed(ends) = after.expiry else { return None };
    Duration::try_from(ends.duration_since(sent_at)).ok().filter(|life| !life.is_zero())
}

fn describe(obtainment: &Obtainment) -> String {
    match obtainment.pair.expires_in {
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
