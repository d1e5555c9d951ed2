//! What an answer other than a fresh pair means for the record of its entry: a pure function, used for live answers and for
//! those the journal held.

use crate::backoff::{Failure, LONGEST_REACHED, back_off};
use crate::policy::SUSPECT_RECHECK;
use crate::record::{Outcome, Retry};
use crate::{Now, Record, Verdict};
use jiff::SignedDuration;
use oauth_secret::TokenDigest;
use std::time::Duration;
use token_endpoint::Answer;

/// First pause after a refusal and after a lost answer; doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After this many in a row, at least two hours, it is no longer a matter of minutes. Still, a client may want the token as soon as the server
/// answers again, and nobody tells us: the pause is what it may have to wait.
const MANY_TRIES: u32 = 25;
const LONGEST_PAUSE_AFTER_MANY: Duration = Duration::from_secs(15 * 60);

/// Notes in the record what this answer to a presented refresh token means, and returns it in the words of `status`.
/// `left` is the access token's remaining life.
pub(crate) fn judge(
    record: &mut Record,
    now: Now,
    presented: TokenDigest,
    left: Option<SignedDuration>,
    answer: &Answer,
) -> (Outcome, String) {
    let still_good = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(Duration::ZERO);
    let may_be_early = still_good > SUSPECT_RECHECK && !matches!(record.verdict, Verdict::Suspect { .. });
    let (outcome, detail) = match answer {
        // A fresh pair is saved, not judged.
        Answer::Fresh(_) => (Outcome::Fresh, String::new()),
        Answer::Dead { code, detail } => {
            record.verdict = if may_be_early {
                Verdict::Suspect { code: code.clone() }
            } else {
                Verdict::Dead { code: code.clone() }
            };
            (Outcome::Dead, said(code, detail))
        }
        Answer::ClientDead { code, detail } => {
            record.verdict = if may_be_early {
                Verdict::Suspect { code: code.clone() }
            } else {
                Verdict::ClientDead { code: code.clone() }
            };
            (Outcome::ClientDead, said(code, detail))
        }
        Answer::Refused { code, detail } => {
            let gone = is_gone(code);
            if gone {
                // The endpoint is not there any more: the metadata is looked up again.
                record.metadata = None;
            }
            let tries = match &record.verdict {
                Verdict::Refused { tries, .. } => tries + 1,
                _ => 1,
            };
            record.verdict = if may_be_early && !gone {
                Verdict::Suspect { code: code.clone() }
            } else {
                Verdict::Refused { code: code.clone(), tries }
            };
            record.retry = Some(Retry::after(now, doubling(tries)));
            (Outcome::Refused, said(code, detail))
        }
        Answer::Transient { why, retry_after } => {
            back_off_record(
                record,
                now,
                presented,
                still_good,
                Failure::Transient { retry_after: *retry_after },
            );
            (Outcome::Transient, why.clone())
        }
        Answer::Unsent { why } => {
            back_off_record(record, now, presented, still_good, Failure::Unsent);
            (Outcome::Unsent, why.clone())
        }
        Answer::Ambiguous { why, .. } => {
            let tries = match &record.verdict {
                Verdict::Ambiguous { tries, .. } => tries + 1,
                _ => 1,
            };
            record.verdict = Verdict::Ambiguous { why: why.clone(), tries };
            record.retry = Some(Retry::after(now, doubling(tries)));
            (Outcome::Ambiguous, why.clone())
        }
    };
    if matches!(record.verdict, Verdict::Dead { .. } | Verdict::ClientDead { .. }) {
        // Should a client wipe the entry now, there is nothing to heal it with.
        record.heal_tried = Some(presented);
    }
    record.note(now.wall, outcome, detail.clone());
    (outcome, detail)
}

/// True where this code says that there is no token endpoint at that place (any more).
pub(crate) fn is_gone(code: &str) -> bool {
    matches!(code, "http_404" | "http_405" | "http_410" | "http_301" | "http_308")
}

pub(crate) fn back_off_record(
    record: &mut Record,
    now: Now,
    seed: TokenDigest,
    left: Duration,
    failure: Failure,
) {
    let unsent = record.last.as_ref().is_some_and(|last| last.outcome == Outcome::Unsent);
    if unsent && matches!(failure, Failure::Transient { .. }) {
        // Without a network tries are many and count for little: that the server itself fails for long is not known yet.
        record.failures = record.failures.min(LONGEST_REACHED);
    }
    record.failures = record.failures.saturating_add(1);
    let left = Some(left).filter(|left| !left.is_zero());
    record.retry = Some(Retry::after(now, back_off(failure, record.failures, left, seed.seed())));
    // Nothing was consumed by this request. What an earlier one did is as unknown as before; only a refusal is over.
    if matches!(record.verdict, Verdict::Refused { .. }) {
        record.verdict = Verdict::Good;
    }
}

fn doubling(tries: u32) -> Duration {
    let longest = if tries > MANY_TRIES { LONGEST_PAUSE_AFTER_MANY } else { LONGEST_PAUSE };
    FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(longest)
}

fn said(code: &str, detail: &str) -> String {
    if detail.is_empty() { code.to_owned() } else { format!("{code}: {detail}") }
}
