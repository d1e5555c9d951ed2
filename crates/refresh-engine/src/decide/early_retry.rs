//! How soon a request whose answer was lost is sent again, while a grace of seconds may last.

use std::time::Duration;
use token_endpoint::Answer;

/// The first early retry after an answer that was lost, cut, late or a 500. A server without grace has spent the token or has not, and a
/// client asks again at once, too (measured: after a 500 that came after the rotation it keeps the login that way).
const EARLY_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The second, from the first request on: shortly before the end of the shortest grace that was seen (10 s), for it runs from a rotation that
/// came later than that.
const SECOND_RETRY: Duration = Duration::from_secs(8);

/// How soon one more request may bring what this one did not. `since_first` is how long ago the first one was sent whose answer left it open what
/// became of the token; since then it matters little whether a connection breaks or none can be made. `left_open`: what became of the token was
/// open before this transaction, too.
pub(crate) fn ask_again_after(
    answer: &Answer,
    since_first: Option<Duration>,
    left_open: bool,
    stopping: bool,
) -> Option<Duration> {
    let Some(since_first) = since_first else {
        // A stop does not wait for a server that was slow already.
        let asks = matches!(answer, Answer::Ambiguous { lost, .. } if *lost || !stopping);
        return asks.then_some(EARLY_RETRY_PAUSE);
    };
    // What was open before is not asked for so often, be it that a server has been failing for long.
    let goes_on = may_pass(answer)
        && !left_open
        && (!stopping || !matches!(answer, Answer::Ambiguous { lost: false, .. }));
    SECOND_RETRY.checked_sub(since_first).filter(|pause| goes_on && !pause.is_zero())
}

/// Whether what kept an answer away may be over in seconds, and nobody asked for a pause.
pub(crate) fn may_pass(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Ambiguous { .. } | Answer::Unsent { .. } | Answer::Transient { retry_after: None, .. }
    )
}
