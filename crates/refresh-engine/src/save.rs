//! Steps 7 to 9 of a transaction: a pair was obtained, and now it must not be lost.

use crate::closing::{close, close_superseded, keep_superseded};
use crate::commit::{Decide, Decided, Saved, Wish, commit};
use crate::compare::{Expected, Obtained, WriteDecision, decide_write};
use crate::ended::Ended;
use crate::journal::{HealMembers, TransactionId};
use crate::record::{Outcome, Record};
use crate::shared::{Shared, Superseded};
use crate::{Event, Expiry, Now, Partners, Seen, Verdict, later};
use claude_store::{Change, EntryKey, ExpiresAt, TokenChange};
use jiff::SignedDuration;
use oauth_secret::{RefreshToken, TokenDigest};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use token_endpoint::TokenPair;

/// First pause after a write that failed; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A pair that was obtained, and everything that is needed to save it.
pub(crate) struct Obtainment {
    pub(crate) id: Option<TransactionId>,
    pub(crate) expected: Expected,
    pub(crate) presented: TokenDigest,
    pub(crate) heal: Option<Box<HealMembers>>,
    pub(crate) pair: TokenPair,
    pub(crate) sent_at: Now,
    /// Set where the entry was seen absent since the request was decided on.
    pub(crate) forgotten: Rc<Cell<bool>>,
    /// The entry that was presented.
    pub(crate) before: Seen,
    /// What the store held when the write was decided.
    pub(crate) found: Cell<Found>,
}

/// What the store held for an entry, as far as a pair that loses against it has to know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    refresh: Option<TokenDigest>,
    same_grant: bool,
}

/// A log-in registers the client anew, or at least waits for its callback at another port; a refresh leaves both as they are.
fn is_same_grant(before: &Seen, found: &Seen) -> bool {
    let (before, found) = (&before.entry, &found.entry);
    before.client_id == found.client_id && before.redirect_uri == found.redirect_uri
}

impl Obtainment {
    fn key(&self) -> &EntryKey {
        &self.before.entry.key
    }

    fn obtained(&self) -> Obtained {
        Obtained {
            access: self.pair.access_token.digest(),
            presented: self.presented,
            refresh: self.pair.refresh_token.as_ref().map(RefreshToken::digest),
        }
    }

    fn tokens(&self) -> TokenChange {
        TokenChange {
            access_token: self.pair.access_token.clone(),
            refresh_token: self.pair.refresh_token.clone(),
            expires_at: expires_at_ms(self.sent_at.wall, self.pair.expires_in),
            scope: self.pair.scope.clone(),
        }
    }

    /// The pair together with what a wipe takes: what the answer did not repeat comes from the entry that was presented.
    fn repair(&self) -> Change {
        let heal = self.heal.as_deref();
        let tokens = TokenChange { refresh_token: self.standing_refresh_token(), ..self.tokens() };
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

    /// Whether the access token had ended when the request was sent: what the store holds is of use to nobody.
    fn had_expired(&self, record: &Record) -> bool {
        self.heal.is_none()
            && self.before.left(self.sent_at, record).is_some_and(|left| left <= SignedDuration::ZERO)
    }

    /// The refresh token that counts from now on: the answer's, else the one that was presented.
    fn standing_refresh_token(&self) -> Option<RefreshToken> {
        self.pair.refresh_token.clone().or_else(|| match self.heal.as_deref() {
            Some(heal) if !heal.refresh_token.is_empty() => {
                Some(RefreshToken::new(heal.refresh_token.as_str()))
            }
            _ => self.before.entry.refresh_token.clone(),
        })
    }

    /// The entry as it is after the write.
    fn after(&self) -> Seen {
        let mut entry = self.before.entry.clone();
        entry.access_token = Some(self.pair.access_token.clone());
        entry.refresh_token = self.standing_refresh_token();
        entry.expires_at =
            expires_at_ms(self.sent_at.wall, self.pair.expires_in).map_or(ExpiresAt::Absent, ExpiresAt::At);
        Seen::new(entry)
    }
}

/// Saves the pair, and does not return before it is saved or proves superfluous (I6): a store that cannot be written is tried
/// again and again, while the journal keeps the pair.
pub(crate) async fn save<P: Partners>(shared: &Rc<Shared<P>>, obtainment: Obtainment) -> Ended {
    let obtainment = Rc::new(obtainment);
    let key = obtainment.key().clone();
    let mut pause = FIRST_PAUSE;
    let saved = loop {
        let wish = Wish {
            key: key.clone(),
            decide: decide(shared, &obtainment),
            expired: shared.read_record(&key, |record| obtainment.had_expired(record)),
            repaired: Some(obtainment.before.entry.server_name.clone()),
        };
        match commit(shared, wish).await {
            Ok(saved) => break saved,
            Err(error) => {
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
    shared.track(&key, |tracked| tracked.unsaved = None);
    settle(shared, &obtainment, saved).await
}

fn decide<P: Partners>(shared: &Rc<Shared<P>>, obtainment: &Rc<Obtainment>) -> Decide {
    let (shared, obtainment) = (Rc::clone(shared), Rc::clone(obtainment));
    Box::new(move |found| {
        obtainment.found.set(Found {
            refresh: found.and_then(|seen| seen.refresh),
            same_grant: found.is_some_and(|seen| is_same_grant(&obtainment.before, seen)),
        });
        let decision = shared.read_record(obtainment.key(), |record| {
            decide_write(
                obtainment.expected,
                obtainment.obtained(),
                found,
                obtainment.forgotten.get(),
                record,
            )
        });
        let change = match decision {
            // The entry as it was may itself be the stub that this transaction heals.
            WriteDecision::Write if obtainment.heal.is_some() => Some(obtainment.repair()),
            WriteDecision::Write => Some(Change::Tokens(obtainment.tokens())),
            WriteDecision::Repair => Some(obtainment.repair()),
            WriteDecision::AlreadyThere | WriteDecision::Superseded | WriteDecision::Gone => None,
        };
        Decided { decision, change }
    })
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
        WriteDecision::Superseded => {
            let found = obtainment.found.get();
            shared.change_record(key, |record| {
                if obtainment.obtained().rotated() {
                    record.spend(obtainment.presented);
                    record.contested = found.refresh.filter(|_| found.same_grant);
                }
                record.note(
                    shared.now().wall,
                    Outcome::Adopted,
                    "another pair was written meanwhile and is kept",
                );
            });
            match (obtainment.id, found.refresh) {
                (Some(id), Some(by)) => {
                    keep_superseded(shared, key, Superseded { id, by, tokens: obtainment.tokens() });
                }
                (id, _) => id.into_iter().for_each(|id| shared.journal.done(id)),
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

/// `expiresAt` as it is written: counted from the moment of sending, so that it errs on the early side.
pub(crate) fn expires_at_ms(sent_at: jiff::Timestamp, expires_in: Option<Duration>) -> Option<i64> {
    expires_in.map(|life| crate::later(sent_at, life).as_millisecond())
}
