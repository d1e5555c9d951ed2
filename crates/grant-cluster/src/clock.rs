use jiff::Timestamp;
use std::time::Duration;

/// The clocks of a machine.
pub trait Clock: 'static {
    /// The wall clock. Machines differ: it only says when an access token ends.
    fn wall(&self) -> Timestamp;

    /// A clock that never goes back, and goes on while the machine is suspended or this process is stopped: by it a member knows how long its
    /// lease may still be good.
    fn boot(&self) -> Duration;
}
