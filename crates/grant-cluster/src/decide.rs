//! May a refresh token be presented, and what does its answer do to the record? Pure.

use crate::{GrantRecord, Intent, LeaseId, Owed, Phase, Refreshed, Seen};
use claude_store::{Change, Document, EntryKey, RawEntry, TokenChange};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use token_endpoint::{Answer, RawAnswer, TokenPair, interpret};

/// After a lost answer the refresh token is presented again when the access token has this much left: the engine's own rule for one
/// machine (`MARGIN_FLOOR`).
const LATE: Duration = Duration::from_secs(7 * 60);
/// …and not before this, by the clock of the member that wants to: a request lasts 30 s at most, so that nothing of the first can still be on its
/// way.
const AFTER_DEATH: Duration = Duration::from_secs(60);
/// Between further tries.
const FURTHER: Duration = Duration::from_secs(5 * 60);
/// A refusal answers other members for this long.
const SHARED_REFUSAL: SignedDuration = SignedDuration::from_mins(10);

/// Whether a refresh token may be presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes, once the intent is written.
    Granted,
    /// The server has answered another member a moment ago.
    Answered(Box<RawAnswer>),
    /// No.
    Refused(Refusal),
}

/// Why it may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A member is presenting it.
    #[error("{member} is refreshing it")]
    Busy {
        /// The member.
        member: String,
    },
    /// Its fate is open.
    #[error(
        "{member} presented its refresh token and did not record an answer, so that it may be used up; it is presented again when its access token is about to end"
    )]
    Unclear {
        /// The member.
        member: String,
    },
    /// It is on its way into the cluster or out of it.
    #[error("{by} moves it; if that was cut off, repeat the command there")]
    Moving {
        /// The member.
        by: String,
    },
    /// etcd holds an older record than before.
    #[error(
        "etcd holds an older state of it than this member has seen (a restored backup?); log in again and add it to the cluster"
    )]
    WentBack,
}

/// Whether a member with this lease may present the refresh token of the grant.
#[must_use]
pub fn may_present(
    seen: &Seen,
    key: &EntryKey,
    lease: LeaseId,
    wall: Timestamp,
    boot: Duration,
) -> Permission {
    if seen.went_back {
        return Permission::Refused(Refusal::WentBack);
    }
    if let Some(claim) = &seen.claim {
        return Permission::Refused(Refusal::Busy { member: claim.member.clone() });
    }
    match &seen.record.phase {
        Phase::Good => Permission::Granted,
        Phase::Moving { by } => Permission::Refused(Refusal::Moving { by: by.clone() }),
        // The engine of the member that received the unclear answer decides as on a single machine.
        Phase::Unclear { intent, .. } if intent.lease == lease => Permission::Granted,
        Phase::Presenting(intent) | Phase::Unclear { intent, .. } => {
            let since = seen.unclaimed_since.map(|since| boot.saturating_sub(since)).unwrap_or_default();
            let left = seen.record.expires_at(key).map(|end| end.duration_since(wall));
            let is_late = left.is_none_or(|left| left <= SignedDuration::try_from(LATE).unwrap_or_default());
            let pause = if intent.unclear_before == 0 { AFTER_DEATH } else { FURTHER };
            if is_late && since >= pause {
                Permission::Granted
            } else {
                Permission::Refused(Refusal::Unclear { member: intent.member.clone() })
            }
        }
        Phase::Refused { intent, answer }
            if intent.lease != lease && wall.duration_since(intent.at).abs() < SHARED_REFUSAL =>
        {
            Permission::Answered(answer.clone())
        }
        Phase::Refused { .. } => Permission::Granted,
    }
}

/// The record with this intent.
pub(crate) fn with_intent(record: &GrantRecord, intent: Intent) -> GrantRecord {
    let intent = Intent { unclear_before: record.phase.unclear(), ..intent };
    GrantRecord { serial: record.serial + 1, phase: Phase::Presenting(intent), ..record.clone() }
}

/// What to do with an answer that etcd does not have yet.
#[derive(Clone, Debug)]
pub enum Lateness {
    /// Write this record.
    Write(Box<GrantRecord>),
    /// Another member presents the token now: decide again when it is done.
    Wait,
    /// The record has gone on without it.
    Obsolete,
}

/// What the answer does to the record as it is now. It is written whenever the record still waits for it, whether or not the lease
/// has ended meanwhile: nobody else can have presented the token without having replaced the intent. A pair is worth more than that: it is
/// written as long as the record holds the token that it was exchanged for.
#[must_use]
pub fn settle(now: &GrantRecord, key: &EntryKey, owed: &Owed) -> Lateness {
    let waits = matches!(&now.phase, Phase::Presenting(intent) if intent.id == owed.intent.id);
    let answer = match &owed.answer {
        Some(raw) => interpret(raw, owed.sent_at),
        None if owed.unsent => Answer::Unsent { why: String::new() },
        None => Answer::Ambiguous { why: owed.why.clone(), lost: true },
    };
    if waits {
        return Lateness::Write(Box::new(concluded(now, key, owed, answer)));
    }
    let Answer::Fresh(pair) = answer else { return Lateness::Obsolete };
    let newer = now.refreshed.as_ref().is_some_and(|refreshed| refreshed.at >= owed.sent_at);
    if newer || now.refresh_token(key) != Some(owed.intent.presented) {
        return Lateness::Obsolete;
    }
    match &now.phase {
        Phase::Presenting(_) => Lateness::Wait,
        _ => Lateness::Write(Box::new(concluded(now, key, owed, Answer::Fresh(pair)))),
    }
}

fn concluded(now: &GrantRecord, key: &EntryKey, owed: &Owed, answer: Answer) -> GrantRecord {
    let before = |now: &GrantRecord| match &now.phase {
        // An earlier request may have consumed it; this one did not.
        Phase::Presenting(intent) if intent.unclear_before > 0 => {
            // Lease 0 is nobody's: the unclear answer was another member's, perhaps.
            let intent = Intent { unclear_before: intent.unclear_before - 1, lease: 0, ..intent.clone() };
            Phase::Unclear { intent, why: "an earlier answer was lost".to_owned() }
        }
        _ => Phase::Good,
    };
    let next = GrantRecord { serial: now.serial + 1, ..now.clone() };
    match answer {
        Answer::Fresh(pair) => {
            let refreshed = Some(Refreshed { by: owed.intent.member.clone(), at: owed.sent_at });
            let lifetime_s = pair.expires_in.map(|life| life.as_secs()).or(now.lifetime_s);
            match with_pair(now, key, pair, owed.sent_at, lifetime_s) {
                Some(entry) => GrantRecord { entry, phase: Phase::Good, refreshed, lifetime_s, ..next },
                // Nothing that a member has written before; the pair stays in the raw answer.
                None => GrantRecord { phase: refused(owed), ..next },
            }
        }
        Answer::Unsent { .. } | Answer::Transient { .. } => GrantRecord { phase: before(now), ..next },
        Answer::Dead { .. } | Answer::ClientDead { .. } | Answer::Refused { .. } => {
            GrantRecord { phase: refused(owed), ..next }
        }
        Answer::Ambiguous { why, .. } => {
            GrantRecord { phase: Phase::Unclear { intent: owed.intent.clone(), why }, ..next }
        }
    }
}

fn refused(owed: &Owed) -> Phase {
    match &owed.answer {
        Some(answer) => Phase::Refused { intent: owed.intent.clone(), answer: Box::new(answer.clone()) },
        None => Phase::Unclear { intent: owed.intent.clone(), why: owed.why.clone() },
    }
}

/// The entry's text with the new pair; everything else stays.
fn with_pair(
    now: &GrantRecord,
    key: &EntryKey,
    pair: TokenPair,
    sent_at: Timestamp,
    lifetime_s: Option<u64>,
) -> Option<zeroize::Zeroizing<String>> {
    let life = pair.expires_in.or(lifetime_s.map(Duration::from_secs));
    let expires_at = life
        .and_then(|life| SignedDuration::try_from(life).ok())
        .and_then(|life| sent_at.checked_add(life).ok())
        .map(|end| end.as_millisecond());
    let change = Change::Tokens(TokenChange {
        access_token: pair.access_token,
        refresh_token: pair.refresh_token,
        expires_at,
        scope: pair.scope,
    });
    let text = now.document(key)?;
    let spliced = Document::parse(text.as_bytes()).ok()?.splice(&[(key.clone(), change)]).ok()?;
    let document = Document::parse(&spliced).ok()?;
    document.raw_entry(key).map(|raw| zeroize::Zeroizing::new(RawEntry::new(raw).expose().to_owned()))
}

#[cfg(test)]
mod tests;
