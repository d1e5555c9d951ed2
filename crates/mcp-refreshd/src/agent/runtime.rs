use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::time::Duration;
use tokio::runtime;
use tokio::task::LocalSet;

/// Name look-ups run on these threads, and nothing of ours waits behind them.
const BLOCKING_THREADS: usize = 4;
/// How long such a thread waits for the next look-up; a refresh is seldom followed by another one.
const BLOCKING_THREADS_KEPT: Duration = Duration::from_secs(1);

/// Runs a future with everything that it may spawn, on this thread.
///
/// # Errors
/// The system gives no event queue.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREADS_KEPT)
        .build()
        .map_err(|error| Failure::new(Exit::Person, format!("cannot start: {error}")))?;
    let end = LocalSet::new().block_on(&runtime, future);
    // A name look-up that hangs must not hold up the end of the process.
    runtime.shutdown_background();
    Ok(end)
}
