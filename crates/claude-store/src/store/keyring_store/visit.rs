//! Calls that may block forever, without blocking their callers forever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, oneshot};

/// Extra time to wait for a visit: one that checks its own deadline returns with a better reason.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// The caller is still waiting, and nothing irrevocable has started.
const WAITED_FOR: u8 = 0;
/// The caller gave up before anything was written: writing is now forbidden.
const ABANDONED: u8 = 1;
/// Writing has started.
const WRITING: u8 = 2;

/// One thread at a time, for calls that may hang.
///
/// Each visit runs in a new thread, so that an idle agent has none. A visit that exceeds its time is abandoned, and no other starts
/// until it returns: a keyring that hangs costs one thread in all, not one per attempt.
#[derive(Debug, Default)]
pub(super) struct Visits {
    turn: Mutex<Option<Arc<()>>>,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Timed out.
    InTime,
    /// An earlier visit has not returned.
    Busy,
}

impl Visits {
    /// Runs `call` in a thread and waits for at most `limit`, including the wait for other visits: the caller may hold the storage
    /// lock and have no more time.
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
        // Also if the caller is dropped, so that nothing is written later.
        let _abandon = Abandon(permit.clone());
        let (answer, waiting) = oneshot::channel();
        let thread = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let found = call(&permit);
            // Before sending the result: its receiver may start the next visit at once.
            drop(visitor);
            // The receiver is gone if the caller gave up.
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

/// A permission to write that expires with the caller's patience: a thread that was stuck for an hour must not continue and
/// overwrite newer data.
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

    /// When the caller gives up.
    pub(super) fn until(&self) -> Instant {
        self.began + self.limit
    }

    /// Whether writing may start; call it right before. Once refused, it stays refused.
    ///
    /// Checks both clocks, since a suspend stops one and a clock step moves the other: by then the storage lock may belong to another
    /// process.
    pub(super) fn may_write(&self) -> bool {
        let wall = self.began_wall.elapsed().unwrap_or(Duration::MAX);
        self.began.elapsed() < self.limit
            && wall < self.limit
            && self.state.compare_exchange(WAITED_FOR, WRITING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Revokes the permit when the caller is gone.
struct Abandon(Permit);

impl Drop for Abandon {
    fn drop(&mut self) {
        // A started write cannot be revoked; the next read shows the result.
        let _ = self.0.state.compare_exchange(WAITED_FOR, ABANDONED, Ordering::SeqCst, Ordering::SeqCst);
    }
}
