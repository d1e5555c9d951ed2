use std::time::Duration;

/// Pause after the first transient failure, before jitter.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause during a short outage.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A failed connection costs the server nothing and often passes quickly (Wi-Fi coming up), so its pauses are shorter.
const FIRST_UNSENT: Duration = Duration::from_secs(2);
const LONGEST_UNSENT: Duration = Duration::from_secs(60);
/// After this many failures in a row the pauses have reached the limit for a short outage.
pub(crate) const LONGEST_REACHED: u32 = 7;
/// After this many failures in a row the outage is a long one. Still, nothing announces when the server or the network is back, and
/// a client may want the token then: it may have to wait for the whole pause.
const PERSISTENT: u32 = 60;
const LONGEST_PERSISTENT: Duration = Duration::from_secs(15 * 60);
/// Without a connection hardly a packet leaves this machine, so there is no reason for long pauses.
const LONGEST_UNSENT_PERSISTENT: Duration = Duration::from_secs(5 * 60);
/// A pause that has grown beyond this is not shortened, however soon the token expires.
const URGENT: Duration = Duration::from_secs(30);
/// The shortest pause, whatever the jitter.
const SHORTEST: Duration = Duration::from_secs(1);

/// What failed, which decides how eagerly to retry. Nothing was consumed in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    Unsent,
    /// The server said "not now".
    Transient {
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
}

/// How long to wait after the `failures`-th failure in a row (1 = the first): exponential with jitter (full if no server was reached, half
/// if one answered), short enough to leave tries before the token expires, and never shorter than the server asked for.
///
/// `left` is the access token's remaining life, `seed` a number that differs between entries and attempts.
#[must_use]
pub fn back_off(failure: Failure, failures: u32, left: Option<Duration>, seed: u64) -> Duration {
    let (first, longest, persistent) = match failure {
        Failure::Unsent => (FIRST_UNSENT, LONGEST_UNSENT, LONGEST_UNSENT_PERSISTENT),
        Failure::Transient { .. } => (FIRST, LONGEST, LONGEST_PERSISTENT),
    };
    let longest = if failures > PERSISTENT { persistent } else { longest };
    let ceiling = first.saturating_mul(1_u32 << failures.saturating_sub(1).min(16)).min(longest);
    let thousandths = u32::try_from(scramble(seed ^ u64::from(failures)) % 1000).unwrap_or(0);
    let drawn = ceiling / 1000 * (thousandths + 1);
    // Within seconds, do not ask a server that answers more often than its client would, whatever the jitter.
    let mut wait = if matches!(failure, Failure::Unsent) { drawn } else { (ceiling + drawn) / 2 };
    // While the token is still good, leave room for at least three more tries; but do not ask a server in trouble faster and
    // faster just because the expiry is near.
    if let Some(left) = left.filter(|left| !left.is_zero()) {
        wait = wait.min(left / 4).max(wait.min(URGENT));
    }
    let wait = wait.max(SHORTEST);
    match failure {
        Failure::Transient { retry_after: Some(asked) } => wait.max(asked),
        _ => wait,
    }
}

/// SplitMix64: spreads a seed over all bits. Jitter needs no better source, and tests need a repeatable one.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUSY: Failure = Failure::Transient { retry_after: None };

    #[test]
    fn pauses_grow_from_seconds_to_five_minutes() {
        let most = |failures| (0..1000).map(|seed| back_off(BUSY, failures, None, seed)).max().unwrap();
        assert!(most(1) <= Duration::from_secs(5) && most(1) > Duration::from_secs(4));
        assert!(most(3) <= Duration::from_secs(20) && most(3) > Duration::from_secs(18));
        assert!(most(40) <= LONGEST && most(40) > Duration::from_secs(280));
        assert!(most(61) > LONGEST);
    }

    #[test]
    fn an_answering_server_is_asked_at_most_three_times_in_the_first_seconds() {
        let least = |failures| (0..1000).map(|seed| back_off(BUSY, failures, None, seed)).min().unwrap();
        // As often as the client asks a server that answers with a page, before it gives up (2.1.332, measured).
        assert!(least(1) + least(2) + least(3) > Duration::from_secs(17));
    }

    #[test]
    fn the_longest_short_pause_is_reached_after_the_documented_failures() {
        let ceiling = |failures: u32| FIRST * (1 << (failures - 1));
        assert!(ceiling(LONGEST_REACHED) >= LONGEST && ceiling(LONGEST_REACHED - 1) < LONGEST);
    }

    #[test]
    fn a_server_in_trouble_is_not_asked_faster_towards_the_end() {
        for seed in 0..200 {
            let (mut left, mut failures, mut pauses) = (285.0, 0, Vec::new());
            while left > 0.0 {
                failures += 1;
                let wait = back_off(BUSY, failures, Some(Duration::from_secs_f64(left)), seed * 7919);
                pauses.push(wait);
                left -= wait.as_secs_f64();
            }
            assert!(pauses.len() <= 20, "{} requests in 4 min 45 s: {pauses:?}", pauses.len());
        }
    }

    #[test]
    fn a_failure_to_connect_is_retried_faster() {
        let mean = |failure| (0..1000).map(|seed| back_off(failure, 4, None, seed)).sum::<Duration>() / 1000;
        assert!(mean(Failure::Unsent) * 2 < mean(BUSY));
    }

    #[test]
    fn a_network_back_after_a_day_is_noticed_within_minutes() {
        let most =
            |failures| (0..1000).map(|seed| back_off(Failure::Unsent, failures, None, seed)).max().unwrap();
        assert!(most(61) <= 5 * LONGEST_UNSENT && most(100_000) <= 5 * LONGEST_UNSENT);
        let most = |failures| (0..1000).map(|seed| back_off(BUSY, failures, None, seed)).max().unwrap();
        assert!(most(100_000) <= Duration::from_secs(15 * 60));
    }

    proptest! {
        #[test]
        fn tries_remain_before_the_token_expires(failures in 1_u32..100, seed: u64, left in 8_u64..100_000) {
            let left = Duration::from_secs(left);
            let wait = back_off(BUSY, failures, Some(left), seed);
            prop_assert!(wait * 3 < left || wait <= URGENT);
        }

        #[test]
        fn what_the_server_asks_for_is_obeyed(failures: u32, seed: u64, asked in 0_u64..10_000, left in 0_u64..1000) {
            let asked = Duration::from_secs(asked);
            let failure = Failure::Transient { retry_after: Some(asked) };
            prop_assert!(back_off(failure, failures, Some(Duration::from_secs(left)), seed) >= asked);
        }
    }
}
