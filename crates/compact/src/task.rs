use std::pin::Pin;
use tokio::task::JoinHandle;

/// As [`tokio::task::spawn_local`]. The runtime's part of a task, a kilobyte of program, is compiled once for each result, not for each future.
///
/// # Panics
/// As there, outside of a `LocalSet`.
pub fn spawn_local<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let future: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
    tokio::task::spawn_local(future)
}
