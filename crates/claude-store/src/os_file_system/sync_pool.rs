//! Threads that wait for the disk. They are separate from the runtime's blocking threads, which hanging name lookups could occupy.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long an idle thread waits for more work: a refresh has several syncs, and starting a thread costs as much as some of them.
const LINGER: Duration = Duration::from_secs(1);
/// A thread's stack size in bytes.
const STACK: usize = 64 << 10;

type Work = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The number of running syncs, and a signal for the end of the last one.
    static SYNCS: (Cell<usize>, Rc<Notify>) = (Cell::new(0), Rc::new(Notify::new()));
    /// Idle or recently idle threads; the last is the one that worked last.
    static IDLE: RefCell<Vec<Arc<Thread>>> = const { RefCell::new(Vec::new()) };
}

/// Runs an operation that waits for the disk.
pub(super) async fn run(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let _under_way = UnderWay::begin();
    let (done, waits) = oneshot::channel();
    let thread = Thread::give(Box::new(move || drop(done.send(work()))))?;
    match waits.await {
        Ok(result) => {
            IDLE.with_borrow_mut(|idle| idle.push(thread));
            result
        }
        Err(_) => Err(io::Error::other("the sync thread exited early")),
    }
}

/// A thread that runs jobs one after the other.
struct Thread {
    next: Mutex<Next>,
    told: Condvar,
}

#[derive(Default)]
enum Next {
    #[default]
    Nothing,
    Work(Work),
    /// It has been idle too long and will not run any more jobs.
    Ended,
}

impl Thread {
    /// Passes the job to an idle thread, or to a new one.
    fn give(work: Work) -> io::Result<Arc<Self>> {
        while let Some(thread) = IDLE.with_borrow_mut(Vec::pop) {
            let mut next = thread.next.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*next, Next::Nothing) {
                *next = Next::Work(work);
                drop(next);
                thread.told.notify_one();
                return Ok(thread);
            }
        }
        let thread = Arc::new(Self { next: Mutex::new(Next::Work(work)), told: Condvar::new() });
        let started = Arc::clone(&thread);
        std::thread::Builder::new()
            .name("fsync".to_owned())
            .stack_size(STACK)
            .spawn(move || while started.works() {})?;
        Ok(thread)
    }

    /// Waits for work and runs it. Returns false after too long without work.
    fn works(&self) -> bool {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(next, LINGER, |next| matches!(next, Next::Nothing));
        let (mut next, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let Next::Work(work) = std::mem::take(&mut *next) else {
            *next = Next::Ended;
            return false;
        };
        drop(next);
        work();
        true
    }
}

/// A running sync.
pub(super) struct UnderWay;

impl UnderWay {
    pub(super) fn begin() -> Self {
        SYNCS.with(|(count, _)| count.set(count.get() + 1));
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // When the thread-local is already destroyed, there is nobody to notify.
        let _ = SYNCS.try_with(|(count, ended)| {
            count.set(count.get().saturating_sub(1));
            if count.get() == 0 {
                ended.notify_waiters();
            }
        });
    }
}

/// Returns when no sync is running.
pub(super) async fn nothing_under_way() {
    let ended = SYNCS.with(|(_, ended)| Rc::clone(ended));
    while SYNCS.with(|(count, _)| count.get() > 0) {
        ended.notified().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails")]
    use super::*;
    use std::sync::Barrier;
    use std::thread::{ThreadId, current};

    /// A job given to a thread that has exited is never run.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn thread_of_one() -> ThreadId {
        let (tell, told) = std::sync::mpsc::channel();
        let work = run(move || tell.send(current().id()).map_err(io::Error::other));
        tokio::time::timeout(PATIENCE, work).await.expect("the job never ran").unwrap();
        told.recv().unwrap()
    }

    #[tokio::test]
    async fn a_thread_is_reused_for_later_jobs_and_concurrent_jobs_get_two() {
        let first = thread_of_one().await;
        assert_eq!(thread_of_one().await, first);
        assert_ne!(first, current().id());
        // Each waits for the other.
        let both = Arc::new(Barrier::new(2));
        let meet = |both: Arc<Barrier>| {
            run(move || {
                both.wait();
                Ok(())
            })
        };
        let (one, other) = tokio::join!(meet(Arc::clone(&both)), meet(both));
        assert!(one.is_ok() && other.is_ok());
    }

    #[tokio::test]
    async fn a_thread_that_has_exited_gets_no_work() {
        let thread = Arc::new(Thread { next: Mutex::new(Next::Nothing), told: Condvar::new() });
        assert!(!thread.works(), "it waits forever");
        IDLE.with_borrow_mut(|idle| idle.push(thread));
        assert_ne!(thread_of_one().await, current().id());
    }

    #[tokio::test]
    async fn a_failed_sync_and_a_panicking_thread_are_reported() {
        let error = run(|| Err(io::ErrorKind::StorageFull.into())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let broken = run(|| panic!("on purpose")).await.unwrap_err();
        assert!(broken.to_string().contains("exited early"), "{broken}");
        assert_ne!(thread_of_one().await, current().id());
    }
}
