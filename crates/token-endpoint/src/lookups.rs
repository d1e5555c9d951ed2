use crate::{RawAnswer, SendError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// How long an answer serves others: for the length of a storm, and not so long that anybody waits for news.
const KEPT: Duration = Duration::from_secs(10);
/// The most bytes of answers that are kept; those of an issuer are one or two thousand.
const KEPT_BYTES: usize = 64 << 10;

/// Answers to look-ups of metadata, shared: when many entries of one issuer are refreshed together, it is asked once.
///
/// Whoever asks while the same URL is being asked takes that answer, whatever it is; whoever asks within 10 s, a good one.
#[derive(Clone, Default)]
pub(crate) struct Lookups {
    slots: Arc<Mutex<BTreeMap<Url, Slot>>>,
}

/// Held by whoever asks; the others wait for it.
type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

struct Known {
    at: Instant,
    answer: Result<RawAnswer, SendError>,
}

impl Known {
    fn is_good(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| (200..=299).contains(&answer.status))
    }

    /// Whether it may be taken by somebody who began to wait then.
    fn serves(&self, asked_at: Instant) -> bool {
        self.at >= asked_at || (self.is_good() && self.at.elapsed() < KEPT)
    }
}

impl Lookups {
    /// The answer of a URL, asked by `ask` where no answer serves.
    pub(crate) async fn answer(
        &self,
        url: &Url,
        ask: impl Future<Output = Result<RawAnswer, SendError>>,
    ) -> Result<RawAnswer, SendError> {
        let asked_at = Instant::now();
        let slot = self.slot(url);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.serves(asked_at)) {
            return known.answer.clone();
        }
        let answer = ask.await;
        *known = Some(Known { at: Instant::now(), answer: answer.clone() });
        drop(known);
        drop(slot);
        self.tidy();
        answer
    }

    fn slot(&self, url: &Url) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(url.clone()).or_default())
    }

    /// Forgets what serves nobody any more: nothing may stay in memory for ever.
    fn tidy(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        slots.retain(|_, slot| {
            // Somebody holds it, who asks or waits.
            if Arc::strong_count(slot) > 1 {
                return true;
            }
            let Ok(known) = slot.try_lock() else { return true };
            let Some(known) = known.as_ref().filter(|known| known.is_good() && known.at.elapsed() < KEPT)
            else {
                return false;
            };
            bytes += known.answer.as_ref().map_or(0, |answer| answer.body.len());
            bytes <= KEPT_BYTES
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SECOND: Duration = Duration::from_secs(1);

    fn url(path: &str) -> Url {
        Url::parse("https://issuer.test").unwrap().join(path).unwrap()
    }

    /// A server that counts, and takes a second.
    #[derive(Default)]
    struct Server(Cell<usize>);

    impl Server {
        async fn answer(&self, status: u16, size: usize) -> Result<RawAnswer, SendError> {
            self.0.set(self.0.get() + 1);
            tokio::time::sleep(SECOND).await;
            if status == 0 {
                Err(SendError::Lost { why: "gone".into() })
            } else {
                Ok(RawAnswer::new(status, vec![b' '; size]))
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_at_the_same_time_takes_the_same_answer_be_it_a_failure() {
        for status in [200, 404, 0] {
            let (lookups, server, here) = (Lookups::default(), Server::default(), url("a"));
            let one = lookups.answer(&here, server.answer(status, 10));
            let other = lookups.answer(&here, server.answer(status, 10));
            let (one, other) = tokio::join!(one, other);
            assert_eq!(one, other);
            assert_eq!(server.0.get(), 1, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_answer_serves_for_a_storm_and_a_failure_nobody_who_comes_later() {
        for (status, asked) in [(200, 2), (404, 3), (0, 3)] {
            let (lookups, server, here) = (Lookups::default(), Server::default(), url("a"));
            let _ = lookups.answer(&here, server.answer(status, 10)).await;
            tokio::time::sleep(5 * SECOND).await;
            let _ = lookups.answer(&here, server.answer(status, 10)).await;
            tokio::time::sleep(11 * SECOND).await;
            let _ = lookups.answer(&here, server.answer(status, 10)).await;
            assert_eq!(server.0.get(), asked, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_issuer_is_not_waited_for_by_another() {
        let (lookups, server) = (Lookups::default(), Server::default());
        let began = Instant::now();
        let (here, there) = (url("a"), url("b"));
        let _ = tokio::join!(
            lookups.answer(&here, server.answer(200, 10)),
            lookups.answer(&there, server.answer(200, 10))
        );
        assert_eq!((server.0.get(), began.elapsed()), (2, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_lets_the_next_one_ask() {
        let (lookups, server, here) = (Lookups::default(), Server::default(), url("a"));
        let hangs = lookups.answer(&here, std::future::pending());
        let second = async {
            tokio::time::sleep(SECOND / 2).await;
            lookups.answer(&here, server.answer(200, 10)).await
        };
        let (given_up, second) = tokio::join!(tokio::time::timeout(SECOND, hangs), second);
        assert!(given_up.is_err() && second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded_in_time_and_size() {
        let (lookups, server) = (Lookups::default(), Server::default());
        let kept = || lookups.slots.lock().unwrap().len();
        for number in 0..8 {
            let _ = lookups.answer(&url(&number.to_string()), server.answer(200, 20_000)).await;
        }
        assert!(kept() <= 3, "{}", kept());
        tokio::time::sleep(KEPT).await;
        let _ = lookups.answer(&url("last"), server.answer(404, 10)).await;
        assert_eq!(kept(), 0);
    }
}
