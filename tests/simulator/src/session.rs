//! A session: connects to every server, then turns of tool calls.

use crate::client::{Process, Use};
use crate::entry::{document, entry};
use crate::fault_schedule::{MINUTE, SECOND, label};
use crate::login::wish;
use crate::plan::Session;
use crate::seeded_rng::SeededRng;
use crate::world::World;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Marks a turn that is under way; ends with it, however it ends.
struct Turn<'a>(&'a World);

impl<'a> Turn<'a> {
    fn begin(world: &'a World) -> Self {
        let now = world.now();
        if world.busy.get() == 0 && now.saturating_sub(world.last_busy.get()) > 15 * MINUTE {
            world.active_since.set(now);
        }
        world.begin_use();
        world.busy.set(world.busy.get() + 1);
        Self(world)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
        self.0.note_use();
    }
}

/// Lives one session to its end.
pub(crate) async fn live(world: Rc<World>, session: Session) {
    let labels = [label::SESSION, session.number];
    let process =
        Process::of_session(&world, session.version, SeededRng::of(world.seed, &labels), session.number);
    let mut rng = SeededRng::of(world.seed, &[label::SESSION, session.number, 1]);
    let ends = world.now() + session.length;
    {
        let _turn = Turn::begin(&world);
        // Its file in the folder of sessions is there 50 to 100 ms before its first request (measured), which whoever watches sees.
        world.folder_changed();
        pause(50).await;
        connect(&world, &process).await;
    }
    while world.now() < ends {
        pause(rng.between(5 * SECOND, 20 * MINUTE)).await;
        if world.now() >= ends {
            break;
        }
        let _turn = Turn::begin(&world);
        for _ in 0..rng.between(1, 12) {
            let server = usize::try_from(rng.below(world.servers.len() as u64)).unwrap_or(0);
            if process.use_server(server).await == Use::NeedsAuth {
                wish(&world, server);
            }
            pause(rng.between(SECOND, 40 * SECOND)).await;
        }
    }
}

/// Connects to every server at the same time. A process that is killed takes all of it along.
async fn connect(world: &Rc<World>, process: &Rc<Process>) {
    let mut waiting = JoinSet::new();
    for server in 0..world.servers.len() {
        if process.is_flagged(server) {
            // Skipped without a request. The person looks whether that is so for good.
            let usable = document(world).and_then(|document| entry(&document, server));
            if usable.is_none_or(|entry| entry.access.is_empty()) {
                wish(world, server);
            }
            continue;
        }
        if process.ready(server) {
            world.tally(server, |tally| tally.uses += 1);
            continue;
        }
        let process = Rc::clone(process);
        waiting.spawn_local(async move { (server, process.use_server(server).await) });
    }
    while let Some(Ok((server, used))) = waiting.join_next().await {
        if used == Use::NeedsAuth {
            wish(world, server);
        }
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
