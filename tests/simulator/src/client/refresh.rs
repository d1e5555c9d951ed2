use super::{Process, WINDOW};
use crate::entry::{Change, login_resource, url};
use crate::grant::{Actor, Entitled};
use crate::kind::Shape;
use crate::server::{Reply, exchange};
use std::path::PathBuf;
use std::time::Duration;

/// What made a client refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The entry has less than 300 s left.
    Expiring,
    /// The MCP server said 401.
    Unauthorized,
    /// The same, after the refresh lock had been waited for in vain.
    UnauthorizedWhileLocked,
}

/// How a client's refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    Fresh,
    Dead,
    Failed,
    /// Somebody else holds the lock; no request was made.
    Locked,
}

/// Tries for the refresh lock, about 7 s (measured); the whole wait for an expired token is twice that.
const TRIES: u32 = 5;

impl Process {
    /// Refreshes one entry as the client does.
    pub(crate) async fn refresh(&self, server: usize, path: Path) -> Refreshed {
        let waits = path != Path::Unauthorized && self.version.refresh_lock;
        let before = if path == Path::UnauthorizedWhileLocked { self.entry(server).await } else { None };
        let lock = if waits { self.refresh_lock(server, TRIES).await } else { None };
        if path == Path::Expiring && waits && lock.is_none() {
            return Refreshed::Locked;
        }
        if before.is_some() && self.entry(server).await != before {
            // Somebody else has refreshed it meanwhile.
            self.release(lock);
            return Refreshed::Fresh;
        }
        let refreshed = self.under_lock(server, path, lock.as_ref()).await;
        self.release(lock);
        refreshed
    }

    async fn under_lock(&self, server: usize, path: Path, lock: Option<&PathBuf>) -> Refreshed {
        let world = &self.world;
        // What it reads now it may write back later, where it is old.
        let basis = crate::entry::document(world);
        let Some(entry) = self.entry(server).await else { return Refreshed::Failed };
        if path == Path::Expiring && lock.is_some() && entry.left(world.wall()) >= WINDOW {
            // "Another process landed fresh tokens."
            return Refreshed::Fresh;
        }
        let Some(refresh) = entry.refresh else { return Refreshed::Dead };
        let entitled = match (path, world.entitled(server)) {
            (Path::Unauthorized | Path::UnauthorizedWhileLocked, None)
                if world.servers[server].kind.kills_access && world.busy.get() > 0 =>
            {
                Some(Entitled::NeverQuiet)
            }
            (_, entitled) => entitled,
        };
        let by = Actor::Client { entitled };
        // Measured: the 401 path sends what the login sent, the other the server's URL.
        let resource = if path == Path::Expiring { url(server) } else { login_resource(server) };
        let shape = Shape { resource: Some(resource), scope: false };
        let (mut replayed, mut busy) = (false, 0);
        loop {
            let reply = self.holding(lock, exchange(world, server, by, &refresh, &shape)).await;
            world.say(&format_args!("client {path:?} s{server} {refresh} {by:?}: {reply:?}"));
            match reply {
                Reply::Fresh(pair) => {
                    let change = Change::Tokens { pair, presented: refresh, wall: world.wall() };
                    let saved = self.write(server, &change, basis.as_deref()).await;
                    return if saved { Refreshed::Fresh } else { Refreshed::Failed };
                }
                Reply::Dead => {
                    let now = self.entry(server).await;
                    let replaced = now.is_some_and(|now| now.refresh.as_ref() != Some(&refresh));
                    // Whether a loser looks again before it wipes is not known of every version.
                    if !replaced || self.version.in_place {
                        self.write(server, &Change::Wipe, basis.as_deref()).await;
                        self.flag(server);
                        return Refreshed::Dead;
                    }
                    return Refreshed::Failed;
                }
                // Only a person gets on here.
                Reply::Refused(_) if path != Path::Expiring => return Refreshed::Dead,
                Reply::Busy { .. } if busy < 4 => {
                    busy += 1;
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                // Replays the token (measured).
                Reply::Lost if !replayed => replayed = true,
                Reply::Busy { .. }
                | Reply::Lost
                | Reply::BadGateway
                | Reply::TimedOut
                | Reply::Unsent
                | Reply::Refused(_)
                | Reply::Odd { .. } => {
                    return Refreshed::Failed;
                }
            }
        }
    }
}
