//! A service manager: it keeps whoever keeps the tokens fresh running, and somebody kills that one again and again.

use super::{World, now_us};
use crate::Fallible;
use crate::refresher::{Choice, Refresher};
use std::time::Duration;

/// `RestartSec` of the unit that the agent is shipped with.
const RESTART: Duration = Duration::from_secs(2);
/// How often the service manager looks whether it still runs.
const EVERY: Duration = Duration::from_millis(100);

/// What became of the service.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// When it was killed, in microseconds since the epoch.
    pub(super) killed_us: Vec<u64>,
    /// How often it ended without having been killed.
    pub(super) ended_by_itself: usize,
    /// Why it did not stop in order at the end.
    pub(super) complaint: Option<String>,
}

/// Runs until the last client is gone; `is_needed` says whether it is still wanted.
pub(super) async fn run(world: &World, choice: &Choice, is_needed: impl Fn() -> bool) -> Fallible<Service> {
    let mut service = Service::default();
    let mut refresher = Refresher::start(choice, &world.person)?;
    if !refresher.is_somebody() {
        return Ok(service);
    }
    let mut kills = world.plan.daemon_kills.iter().peekable();
    while is_needed() {
        tokio::time::sleep(EVERY).await;
        if kills.next_if(|at| **at <= world.elapsed()).is_some() {
            service.killed_us.push(now_us());
        } else if refresher.has_ended() {
            service.ended_by_itself += 1;
        } else {
            continue;
        }
        // Dropping it kills it.
        drop(refresher);
        tokio::time::sleep(RESTART).await;
        refresher = Refresher::start(choice, &world.person)?;
    }
    service.complaint = refresher.stop().await.err().map(|error| error.to_string());
    Ok(service)
}
