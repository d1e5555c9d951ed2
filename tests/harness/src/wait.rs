use crate::Fallible;
use std::time::{Duration, Instant};

/// The pause between two looks.
const TURN: Duration = Duration::from_millis(2);

/// Looks again and again until the condition holds; says whether it did in time.
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

/// Looks again and again until the condition holds.
///
/// # Errors
/// What the condition fails with; and `what`, where it did not hold in time.
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
        None => Err(format!("it never came to pass: {what}").into()),
    }
}
