//! How soon to resend a request whose answer was lost, while a short grace period may last.

use std::time::Duration;
use token_endpoint::Answer;

/// The first early retry after an answer that was lost, truncated, late or a 500. A server without a grace period has spent the token or not, and
/// the client retries at once, too (measured: after a 500 that followed the rotation, this keeps the login).
const EARLY_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The second, counted from the first request: shortly before the end of the shortest grace period seen (10 s), which starts with the
/// rotation, after the request.
const SECOND_RETRY: Duration = Duration::from_secs(8);

/// How soon to send one more request. `since_first` is how long ago the first request was sent whose answer left the token's fate
/// open; since then it matters little whether a connection breaks or cannot be made. `left_open`: the token's fate was already
/// open before this transaction.
pub(crate) fn ask_again_after(
    answer: &Answer,
    since_first: Option<Duration>,
    left_open: bool,
    stopping: bool,
) -> Option<Duration> {
    let Some(since_first) = since_first else {
        // A shutdown does not wait for a server that was slow before.
        let asks = matches!(answer, Answer::Ambiguous { lost, .. } if *lost || !stopping);
        return asks.then_some(EARLY_RETRY_PAUSE);
    };
    // If it was open before, ask less often: the server may have been failing for a long time.
    let goes_on = may_pass(answer)
        && !left_open
        && (!stopping || !matches!(answer, Answer::Ambiguous { lost: false, .. }));
    SECOND_RETRY.checked_sub(since_first).filter(|pause| goes_on && !pause.is_zero())
}

/// Whether the cause of the lost answer may pass in seconds, and the server asked for no pause.
pub(crate) fn may_pass(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Ambiguous { .. } | Answer::Unsent { .. } | Answer::Transient { retry_after: None, .. }
    )
}
