use crate::Fallible;
use std::time::{Duration, Instant};

/// The polling interval.
const TURN: Duration = Duration::from_millis(2);

/// Polls until the condition holds; returns whether it did in time.
pub fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(TURN);
    }
    true
}

/// Polls until the condition holds.
///
/// # Errors
/// The condition's own error, or `what` if it did not hold in time.
pub fn wait(what: &str, patience: Duration, mut condition: impl FnMut() -> Fallible<bool>) -> Fallible<()> {
    let mut failure = None;
    let held = until(patience, || match condition() {
        Ok(holds) => holds,
        Err(error) => {
            failure = Some(error);
            true
        }
    });
    match failure {
        Some(error) => Err(error),
        None if held => Ok(()),
        None => Err(format!("timed out waiting: {what}").into()),
    }
}
