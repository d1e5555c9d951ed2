//! A process of Claude Code, as it was measured to behave.

mod locks;
pub(crate) mod refresh;
mod write;

use crate::entry::{self, Entry};
use crate::fault_schedule::MINUTE;
use crate::seeded_rng::SeededRng;
use crate::world::{NEEDS_AUTH, World};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::VirtualDisk;

/// The client refreshes what has less than this left (measured: 290 s refreshed, 310 s not).
const WINDOW: i64 = 300_000;
/// New sessions skip a flagged server for this long (measured).
const FLAGGED: i64 = 15 * MINUTE as i64;

/// What differs between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) refresh_lock: bool,
    pub(crate) storage_lock: bool,
    /// Writes over the document instead of renaming a new one into its place.
    pub(crate) in_place: bool,
}

impl Version {
    pub(crate) const NEWEST: Self = Self { refresh_lock: true, storage_lock: true, in_place: false };
    /// 2.1.119, 2.1.77, 2.0.30.
    pub(crate) const OLD: [Self; 3] = [
        Self { refresh_lock: true, storage_lock: false, in_place: false },
        Self { refresh_lock: true, storage_lock: false, in_place: true },
        Self { refresh_lock: false, storage_lock: false, in_place: true },
    ];
}

/// One process.
pub(crate) struct Process {
    pub(crate) world: Rc<World>,
    pub(crate) disk: VirtualDisk,
    pub(crate) version: Version,
    pub(crate) rng: RefCell<SeededRng>,
}

/// How it went to use a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Good,
    /// Only a log-in helps.
    NeedsAuth,
    /// Not now.
    Trouble,
}

impl Process {
    pub(crate) fn start(world: &Rc<World>, version: Version, rng: SeededRng) -> Rc<Self> {
        let disk = world.disk.borrow().process();
        disk.record_calls(false);
        Rc::new(Self { world: Rc::clone(world), disk, version, rng: RefCell::new(rng) })
    }

    /// The process of a session, which may be struck.
    pub(crate) fn of_session(world: &Rc<World>, version: Version, rng: SeededRng, session: u64) -> Rc<Self> {
        let process = Self::start(world, version, rng);
        world.watch.follow_session(&process.disk, session);
        process
    }

    /// Reads one entry; a half-written document is read again.
    async fn entry(&self, server: usize) -> Option<Entry> {
        for _ in 0..5 {
            if let Some(document) = entry::document(&self.world) {
                return entry::entry(&document, server);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Whether the server can be used at once, without a refresh: the usual case, decided without waiting for anything.
    pub(crate) fn ready(&self, server: usize) -> bool {
        let world = &self.world;
        let Some(document) = entry::document(world) else { return false };
        let Some(entry) = entry::entry(&document, server) else { return false };
        entry.left(world.wall()) >= WINDOW && world.servers[server].accepts(&entry.access, world.now())
    }

    /// Uses a server: connects, or calls a tool.
    pub(crate) async fn use_server(&self, server: usize) -> Use {
        let world = &self.world;
        world.tally(server, |tally| tally.uses += 1);
        if self.ready(server) {
            return Use::Good;
        }
        if world.own.get() {
            return self.use_owned(server).await;
        }
        let Some(entry) = self.entry(server).await else { return Use::NeedsAuth };
        if entry.access.is_empty() {
            return Use::NeedsAuth;
        }
        let mut path = refresh::Path::Unauthorized;
        let left = entry.left(world.wall());
        if left < WINDOW && entry.refresh.is_some() {
            if left <= 0 {
                self.note_expired(server, entry.refresh.as_deref());
            }
            match self.refresh(server, refresh::Path::Expiring).await {
                refresh::Refreshed::Dead => return Use::NeedsAuth,
                // It goes on with the old token, and waits once more where that is refused (measured).
                refresh::Refreshed::Locked => path = refresh::Path::UnauthorizedWhileLocked,
                refresh::Refreshed::Fresh | refresh::Refreshed::Failed => {}
            }
        }
        for _ in 0..2 {
            let Some(entry) = self.entry(server).await else { return Use::NeedsAuth };
            if !world.online() {
                return Use::Trouble;
            }
            if world.servers[server].accepts(&entry.access, world.now()) {
                return Use::Good;
            }
            // A 401: at once, without the lock (measured).
            tokio::time::sleep(Duration::from_millis(100)).await;
            match self.refresh(server, path).await {
                refresh::Refreshed::Fresh => {}
                refresh::Refreshed::Dead => return Use::NeedsAuth,
                refresh::Refreshed::Failed | refresh::Refreshed::Locked => return Use::Trouble,
            }
        }
        Use::Trouble
    }

    fn note_expired(&self, server: usize, refresh: Option<&str>) {
        let world = &self.world;
        let now = world.now();
        let used_for = now.saturating_sub(world.active_since.get());
        let in_use = now.saturating_sub(world.last_busy.get()) < 15 * MINUTE || world.busy.get() > 0;
        // A token that lives for minutes is kept fresh while it is in use, and rarely otherwise.
        let expected = !world.servers[server].kind.short_lived() || in_use && used_for > 2 * MINUTE;
        // What the server has ended nobody can keep fresh.
        let alive = refresh.is_some_and(|refresh| world.servers[server].is_good(refresh, now));
        let refused = world.servers[server].kind.refuses.is_some();
        let in_order =
            alive && expected && !refused && world.settled(server) && !world.wrong_clock.borrow()[server];
        let calm = in_order && !world.is_unexpected(server);
        world.tally(server, |tally| {
            tally.expired_reads += 1;
            tally.expired_reads_in_calm += u64::from(calm);
            tally.expired_reads_unexpected += u64::from(in_order && !calm);
        });
        if calm && world.with_daemon {
            world.failure(format_args!(
                "s{server}: a client found its entry expired although all was in order"
            ));
        }
    }

    /// Whether a new session skips this server.
    pub(crate) fn is_flagged(&self, server: usize) -> bool {
        if self.world.own.get() {
            return false;
        }
        let Some(text) = self.disk.bytes(NEEDS_AUTH) else { return false };
        let flags: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let flag = flags.get(format!("s{server}"));
        let Some(at) = flag.and_then(|flag| flag.get("timestamp")?.as_i64()) else { return false };
        (0..FLAGGED).contains(&(self.world.wall() - at))
    }
}
