use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime;
use tokio::task::LocalSet;

/// DNS lookups run on these threads; nothing of ours queues behind them.
const BLOCKING_THREADS: usize = 4;
/// How long an idle thread is kept; one refresh is seldom followed by another.
const BLOCKING_THREADS_KEPT: Duration = Duration::from_secs(1);

/// Runs a future and everything it spawns on this thread.
///
/// # Errors
/// The system provides no event queue.
pub(crate) fn block_on<'f, T>(future: impl Future<Output = T> + 'f) -> Result<T, Failure> {
    // The runtime's loop, 2 kB of program, is compiled for each result, not for each command.
    let future: Pin<Box<dyn Future<Output = T> + 'f>> = Box::pin(future);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREADS_KEPT)
        .build()
        .map_err(|error| Failure::new(Exit::Person, format!("cannot start: {error}")))?;
    let end = LocalSet::new().block_on(&runtime, future);
    // A hanging DNS lookup must not delay the exit.
    runtime.shutdown_background();
    Ok(end)
}
