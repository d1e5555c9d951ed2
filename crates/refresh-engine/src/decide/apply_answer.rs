//! What an answer without a new pair means for the entry's record: a pure function, used for live answers and for
//! those found in the journal.

use crate::decide::backoff::{Failure, LONGEST_REACHED, back_off};
use crate::decide::policy::{CLIENT_WINDOW, SUSPECT_RECHECK};
use crate::records::outcome::Outcome;
use crate::records::record::Retry;
use crate::{Now, Record, Verdict};
use jiff::{SignedDuration, Timestamp};
use oauth_secret::TokenDigest;
use std::time::Duration;
use token_endpoint::{Answer, may_have_spent};

/// The first pause after a refusal or a lost answer; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After this many in a row, at least two hours, the problem is not a short one. Still, a client may want the token as soon as the server
/// recovers, which nothing announces: the client may have to wait for the whole pause.
const MANY_TRIES: u32 = 25;
const LONGEST_PAUSE_AFTER_MANY: Duration = Duration::from_secs(15 * 60);

/// Shortly before the end of the longest short grace period seen (30 s).
const WITHIN_GRACE: Duration = Duration::from_secs(26);

/// The longest pause between tries after a refusal that passes by itself.
const LONGEST_PAUSE_OF_PASSING: Duration = Duration::from_secs(15 * 60);
/// Once the access token has expired or is about to, a dead refresh token is tried again after these pauses: a server may call every
/// token dead while it is being redeployed. If the token was called dead for reuse, its family is
/// already revoked, and another try costs nothing.
const SECOND_LOOKS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(10 * 60)];

/// Whether a refusal says nothing about the grant and passes by itself: a page from a firewall, a sleeping tunnel, a deployment or an
/// address filter instead of the token endpoint's own answer; or a URL client id that the server cannot fetch at present.
#[must_use]
pub fn passes_by_itself(code: &str) -> bool {
    code == CLIENT_DOCUMENT_UNREAD
        || matches!(code, "http_403" | "http_404" | "http_405" | "http_410" | "http_421")
}

/// The code for the refusal of a client whose id is a URL that the server fetches (Client ID Metadata Documents).
pub(crate) const CLIENT_DOCUMENT_UNREAD: &str = "client_document_unread";

/// If the client id is a URL, a server answers `invalid_client` while it cannot fetch the document; afterwards the same
/// refresh token works again (measured). So it says nothing about a registration: there is none.
pub(crate) fn of_client(answer: Answer, client_id: Option<&str>) -> Answer {
    match answer {
        Answer::ClientDead { code, detail } if client_id.is_some_and(|id| id.starts_with("https://")) => {
            let detail = format!(
                "{code}: {detail}; the client id is a URL, and the server could not fetch the document there, or does not accept it"
            );
            Answer::Refused { code: CLIENT_DOCUMENT_UNREAD.to_owned(), detail }
        }
        answer => answer,
    }
}

/// Whether a refresh token that was refused because of the request's shape may be presented in another shape now.
///
/// The refusal proves nothing: some servers rotate first and check `resource` or `scope` afterwards, so the next request is a reuse that
/// revokes the family, including the access token. So never while the access token is good for longer than the client's own
/// window, or its expiry is unknown. Inside the window the client presents the token itself at the next use.
pub(crate) fn may_vary(left: Option<SignedDuration>) -> bool {
    let window = SignedDuration::try_from(CLIENT_WINDOW).unwrap_or(SignedDuration::ZERO);
    left.is_some_and(|left| left <= window)
}

/// Applies the answer to a presented refresh token to the record, and returns the outcome and detail for `status`.
/// `left` is the access token's remaining life.
pub(crate) fn apply_answer(
    record: &mut Record,
    now: Now,
    presented: TokenDigest,
    left: Option<SignedDuration>,
    answer: &Answer,
) -> (Outcome, String) {
    let still_good = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(Duration::ZERO);
    let may_be_early =
        still_good > SUSPECT_RECHECK && !matches!(record.verdict, Verdict::Suspect { reuse: false, .. });
    let suspect = |code: &String| Verdict::Suspect { code: code.clone(), reuse: false, looks: 0 };
    let (outcome, detail) = match answer {
        // A new pair is saved, not evaluated.
        Answer::Fresh(_) => (Outcome::Fresh, String::new()),
        Answer::Dead { code, detail } => {
            let looks = match record.verdict {
                Verdict::Suspect { looks, .. } => looks,
                Verdict::Dead { .. } => u32::MAX,
                _ => 0,
            };
            let second_look = SECOND_LOOKS.get(usize::try_from(looks).unwrap_or(usize::MAX));
            record.verdict = if may_be_early {
                suspect(code)
            } else if let Some(pause) = second_look {
                record.retry = Some(Retry::after(now, *pause));
                Verdict::Suspect { code: code.clone(), reuse: false, looks: looks + 1 }
            } else {
                Verdict::Dead { code: code.clone() }
            };
            (Outcome::Dead, said(code, detail))
        }
        Answer::ClientDead { code, detail } => {
            record.verdict =
                if may_be_early { suspect(code) } else { Verdict::ClientDead { code: code.clone() } };
            (Outcome::ClientDead, said(code, detail))
        }
        Answer::Refused { code, detail } => {
            let gone = is_gone(code);
            if gone {
                // The endpoint is gone: look the metadata up again.
                record.metadata = None;
            }
            let tries = match &record.verdict {
                Verdict::Refused { tries, .. } => tries + 1,
                _ => 1,
            };
            let held = may_have_spent(answer) && !may_vary(left);
            record.verdict = if held {
                Verdict::Suspect { code: code.clone(), reuse: true, looks: 0 }
            } else if may_be_early && !gone && !passes_by_itself(code) {
                suspect(code)
            } else {
                Verdict::Refused { code: code.clone(), tries }
            };
            let longest = if passes_by_itself(code) { LONGEST_PAUSE_OF_PASSING } else { LONGEST_PAUSE };
            record.retry = Some(Retry::after(now, doubling(tries, longest)));
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
        Answer::Ambiguous { why, lost } => {
            let failed_before =
                if matches!(record.verdict, Verdict::Ambiguous { .. }) { record.server_failures } else { 0 };
            record.server_failures = if *lost { failed_before } else { failed_before.saturating_add(1) };
            let tries = match &record.verdict {
                Verdict::Ambiguous { tries, .. } => tries + 1,
                _ => 1,
            };
            record.verdict = Verdict::Ambiguous { why: why.clone(), tries };
            let longest = if tries > MANY_TRIES { LONGEST_PAUSE_AFTER_MANY } else { LONGEST_PAUSE };
            record.retry = Some(Retry::after(now, doubling(tries, longest)));
            (Outcome::Ambiguous, why.clone())
        }
    };
    if matches!(
        record.verdict,
        Verdict::Dead { .. } | Verdict::ClientDead { .. } | Verdict::Suspect { looks: 1.., .. }
    ) {
        // If a client wipes the entry now, there is nothing to heal it with.
        record.heal_tried = Some(presented);
    }
    record.note(now.wall, outcome, detail.clone());
    (outcome, detail)
}

/// A quickly lost answer is asked for once more within the longer of the known short grace periods, however long the access token is
/// good: after that, only the access token's remaining life counts. `sent_at` is when the first request was sent.
pub(crate) fn ask_within_grace(record: &mut Record, now: Now, sent_at: Timestamp) {
    let left = WITHIN_GRACE.saturating_sub(now.age_of(sent_at));
    if let Verdict::Ambiguous { tries: tries @ 1, .. } = &mut record.verdict
        && !left.is_zero()
    {
        *tries = 0;
        record.retry = Some(Retry::after(now, left));
    }
}

/// True if this code says that there is no token endpoint at that URL (any more).
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
        // Failures without a network are many and mean little: they do not show that the server itself fails.
        record.failures = record.failures.min(LONGEST_REACHED);
    }
    record.failures = record.failures.saturating_add(1);
    let left = Some(left).filter(|left| !left.is_zero());
    record.retry = Some(Retry::after(now, back_off(failure, record.failures, left, seed.seed())));
    // This request consumed nothing. What an earlier one did is still unknown; only a refusal and a short grace period are over.
    match &mut record.verdict {
        Verdict::Refused { .. } => record.verdict = Verdict::Good,
        Verdict::Ambiguous { tries: tries @ 0, .. } => *tries = 1,
        _ => {}
    }
}

fn doubling(tries: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(longest)
}

fn said(code: &str, detail: &str) -> String {
    if detail.is_empty() { code.to_owned() } else { format!("{code}: {detail}") }
}

#[cfg(test)]
mod tests;
