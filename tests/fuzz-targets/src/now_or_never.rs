use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a future that waits for nothing.
pub(crate) fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing is there to be waited for"),
    }
}
