use compact::Map;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Shares one answer among all who ask the same at the same time: when many entries of one issuer are refreshed together, its metadata is
/// requested once, and its host's name is looked up once.
///
/// Nothing is cached for later callers: they ask again because something has changed.
pub(crate) struct SingleFlight<Q, A> {
    slots: Arc<Mutex<Map<Q, Slot<A>>>>,
}

/// Held by the caller that finds the answer; the others wait for it.
type Slot<A> = Arc<tokio::sync::Mutex<Option<Known<A>>>>;

/// An answer and its time.
struct Known<A> {
    at: Instant,
    answer: A,
}

impl<Q, A> Clone for SingleFlight<Q, A> {
    fn clone(&self) -> Self {
        Self { slots: Arc::clone(&self.slots) }
    }
}

impl<Q, A> Default for SingleFlight<Q, A> {
    fn default() -> Self {
        Self { slots: Arc::default() }
    }
}

impl<Q: Ord + Clone, A: Clone> SingleFlight<Q, A> {
    /// The answer to a question, found with `find` unless somebody is already finding it.
    pub(crate) async fn answer(&self, question: &Q, find: impl Future<Output = A>) -> A {
        let slot = self.slot(question);
        let answer = shared(&slot, find).await;
        drop(slot);
        self.tidy();
        answer
    }

    fn slot(&self, question: &Q) -> Slot<A> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(question.clone()).or_default())
    }

    /// Removes what nobody asks or waits for.
    fn tidy(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| Arc::strong_count(slot) > 1);
    }
}

/// The answer that was found while we waited, or our own.
async fn shared<A: Clone>(slot: &Slot<A>, find: impl Future<Output = A>) -> A {
    let asked_at = Instant::now();
    let mut known = slot.lock().await;
    if let Some(known) = known.as_ref().filter(|known| known.at >= asked_at) {
        return known.answer.clone();
    }
    let answer = find.await;
    *known = Some(Known { at: Instant::now(), answer: answer.clone() });
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RawAnswer, SendError};
    use std::cell::Cell;
    use std::time::Duration;
    use url::Url;

    const SECOND: Duration = Duration::from_secs(1);

    fn url(path: &str) -> Url {
        Url::parse("https://issuer.test").unwrap().join(path).unwrap()
    }

    /// A server that counts requests and takes a second.
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
    async fn concurrent_callers_share_one_response_even_a_failure() {
        for status in [200, 404, 0] {
            let (single_flight, server, here) = (SingleFlight::default(), Server::default(), url("a"));
            let one = single_flight.answer(&here, server.answer(status, 10));
            let other = single_flight.answer(&here, server.answer(status, 10));
            let (one, other) = tokio::join!(one, other);
            assert_eq!(one, other);
            assert_eq!(server.0.get(), 1, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn later_callers_ask_again_and_nothing_is_cached() {
        let (single_flight, server, here) = (SingleFlight::default(), Server::default(), url("a"));
        for asked in 1..4 {
            let _ = single_flight.answer(&here, server.answer(200, 10)).await;
            assert_eq!(server.0.get(), asked);
            tokio::time::sleep(SECOND / 1000).await;
        }
        let _ = tokio::join!(
            single_flight.answer(&here, server.answer(200, 10)),
            single_flight.answer(&here, server.answer(200, 10))
        );
        assert!(single_flight.slots.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_for_different_issuers_do_not_wait_for_each_other() {
        let (single_flight, server) = (SingleFlight::default(), Server::default());
        let began = Instant::now();
        let (here, there) = (url("a"), url("b"));
        let _ = tokio::join!(
            single_flight.answer(&here, server.answer(200, 10)),
            single_flight.answer(&there, server.answer(200, 10))
        );
        assert_eq!((server.0.get(), began.elapsed()), (2, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_caller_lets_the_next_one_ask() {
        let (single_flight, server, here) = (SingleFlight::default(), Server::default(), url("a"));
        let hangs = single_flight.answer(&here, std::future::pending());
        let second = async {
            tokio::time::sleep(SECOND / 2).await;
            single_flight.answer(&here, server.answer(200, 10)).await
        };
        let (given_up, second) = tokio::join!(tokio::time::timeout(SECOND, hangs), second);
        assert!(given_up.is_err() && second.is_ok());
    }
}
