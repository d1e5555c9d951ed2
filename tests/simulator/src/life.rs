use crate::Account;
use crate::machine::Machine;
use crate::world::World;
use refresh_engine::Freshness;
use std::rc::Rc;

/// Which life to run.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Everything in it follows from this number.
    pub seed: u64,
    /// Number of MCP servers.
    pub servers: usize,
    /// How many years of 365 days.
    pub years: u64,
    /// When the daemon keeps access tokens fresh.
    pub fresh: Freshness,
    /// Whether the daemon runs.
    pub with_daemon: bool,
    /// Whether the logins are in the daemon's vault (`mcp-refreshd own --all`): clients ask its helper and hold none.
    pub own: bool,
    /// Prints events, to find the cause of a loss.
    pub verbose: bool,
    /// Ends the program at the first failure.
    pub end_at_failure: bool,
}

/// Runs the life and returns its account.
#[must_use]
pub fn live(life: Life) -> Account {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be made");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let world = World::new(life.seed, life.servers, life.years, life.with_daemon, life.verbose);
        world.fresh.set(life.fresh);
        world.own.set(life.own);
        world.watch.seed.set(life.seed);
        world.watch.end_at_failure.set(life.end_at_failure);
        let machine = Machine::new(Rc::clone(&world));
        machine.live(life.years * 365).await;
        world.close()
    })
}
