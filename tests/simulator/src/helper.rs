//! `mcp-refreshd headers`, as a session runs it for a server whose login is in the vault: it never sees a refresh token.
//!
//! Without a daemon it hands out what the vault holds. The refresh that it would start then by itself is not simulated.

use crate::client::{Process, Use, Version};
use crate::entry::{self, key};
use crate::fault_schedule::MINUTE;
use crate::world::World;
use claude_store::EntryKey;
use refresh_engine::Wanted;
use std::time::Duration;
use tokio::time::timeout;

/// How long it waits for the daemon.
const PATIENCE: Duration = Duration::from_millis(7200);
/// How often the word of a session that a token was refused leads to a refresh.
const BELIEVED: u64 = 5 * MINUTE;
/// For so long after its end a token is handed out while nothing newer is there.
const LEEWAY: i64 = 60_000;

/// What it prints.
struct Headers {
    token: Option<String>,
    /// Only a login helps.
    needs_person: bool,
}

async fn headers(world: &World, server: usize, wanted: Wanted) -> Headers {
    let key = EntryKey::new(key(server));
    let asked = world.daemon.borrow().as_ref().map(|daemon| daemon.ask(key, wanted));
    let grant = match asked {
        Some(answer) => timeout(PATIENCE, answer).await.ok().and_then(Result::ok).flatten(),
        None => None,
    };
    let needs_person = grant.is_some_and(|grant| grant.need.is_some());
    let held = entry::document(world).and_then(|document| entry::entry(&document, server));
    let good = held.filter(|entry| !entry.access.is_empty() && entry.left(world.wall()) > -LEEWAY);
    Headers { token: good.map(|entry| entry.access), needs_person }
}

impl Process {
    /// Uses an owned server: the helper runs when the session connects, and newer versions run it again after a 401 (measured). An older one
    /// has to connect again.
    pub(crate) async fn use_owned(&self, server: usize) -> Use {
        let world = &self.world;
        let mut wanted = Wanted::First;
        for _ in 0..2 {
            let Headers { token, needs_person } = headers(world, server, wanted).await;
            let Some(token) = token else {
                world.tally(server, |tally| tally.expired_reads += 1);
                return if needs_person { Use::NeedsAuth } else { Use::Trouble };
            };
            if !world.online() {
                return Use::Trouble;
            }
            if world.servers[server].accepts(&token, world.now()) {
                return Use::Good;
            }
            if needs_person {
                return Use::NeedsAuth;
            }
            if self.version != Version::NEWEST {
                return Use::Trouble;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let believed = &mut world.believed.borrow_mut()[server];
            if world.now().saturating_sub(*believed) >= BELIEVED {
                *believed = world.now();
                wanted = Wanted::Another;
            }
        }
        Use::Trouble
    }
}
