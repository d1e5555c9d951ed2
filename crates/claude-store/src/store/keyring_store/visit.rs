//! Calls that may block for ever, made so that nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, oneshot};

/// How much longer than its time a visit is waited for: one that watches the clock itself comes back, with a better reason.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Nobody has given up, and nothing irrevocable was begun.
const WAITED_FOR: u8 = 0;
/// The caller gave up before anything was written: from here on nothing may be.
const ABANDONED: u8 = 1;
/// Writing was begun.
const WRITING: u8 = 2;

/// One thread at a time in a place that may hang.
///
/// Each visit is made by a thread that ends with it, so that an idle agent keeps none. One that does not come back within its time
/// is left behind, and until it comes back no other is made: a keyring that hangs costs one thread, not one for each try.
#[derive(Debug, Default)]
pub(super) struct Visits {
    turn: Mutex<Option<Arc<()>>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Not within the limit.
    InTime,
    /// An earlier visit has not come back.
    Busy,
}

impl Visits {
    /// Runs `call` in a thread and waits for it, at most as long as `limit`. Waiting for others counts: whoever holds the storage lock has
    /// no more time than that.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce(&Permit) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let until = tokio::time::Instant::now() + limit;
        let Ok(mut turn) = tokio::time::timeout_at(until, self.turn.lock()).await else {
            return Err(NoAnswer::Busy);
        };
        if turn.as_ref().is_some_and(|visitor| Arc::strong_count(visitor) > 1) {
            return Err(NoAnswer::Busy);
        }
        let visitor = Arc::clone(turn.insert(Arc::new(())));
        let permit = Permit::new(until.saturating_duration_since(tokio::time::Instant::now()));
        // Also when the caller itself is dropped, nothing is written behind its back.
        let _abandon = Abandon(permit.clone());
        let (answer, waiting) = oneshot::channel();
        let thread = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let found = call(&permit);
            // Before the answer: whoever gets it may make the next visit at once.
            drop(visitor);
            // A caller that gave up wants no answer.
            let _ = answer.send(found);
        });
        if thread.is_err() {
            return Err(NoAnswer::InTime);
        }
        match tokio::time::timeout_at(until + GRACE, waiting).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(NoAnswer::InTime),
        }
    }
}

/// Leave to write, which ends with the caller's patience: a thread that hung for an hour must not go on and replace what others
/// wrote meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    state: Arc<AtomicU8>,
    limit: Duration,
    began: Instant,
    began_wall: SystemTime,
}

impl Permit {
    fn new(limit: Duration) -> Self {
        let state = Arc::new(AtomicU8::new(WAITED_FOR));
        Self { state, limit, began: Instant::now(), began_wall: SystemTime::now() }
    }

    /// When nobody waits any more.
    pub(super) fn until(&self) -> Instant {
        self.began + self.limit
    }

    /// Whether writing may begin, to be asked right before it. Once it is refused, it stays refused.
    ///
    /// A suspend stops the one clock and a step moves the other, so both are looked at: the storage lock may be somebody else's by
    /// then.
    pub(super) fn may_write(&self) -> bool {
        let wall = self.began_wall.elapsed().unwrap_or(Duration::MAX);
        self.began.elapsed() < self.limit
            && wall < self.limit
            && self.state.compare_exchange(WAITED_FOR, WRITING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Takes the permit back when the caller is gone.
struct Abandon(Permit);

impl Drop for Abandon {
    fn drop(&mut self) {
        // Writing that was begun cannot be called back; whoever reads next finds what became of it.
        let _ = self.0.state.compare_exchange(WAITED_FOR, ABANDONED, Ordering::SeqCst, Ordering::SeqCst);
    }
}
