//! What everybody in one life shares: time, disk, network, servers, and the books.

mod order;
mod presence;

use crate::daemon::Daemon;
use crate::fault_schedule::{HOUR, MINUTE, SECOND};
use crate::grant::Entitled;
use crate::log::Log;
use crate::server::Server;
use crate::tally::{Account, Tally};
use crate::watch::{Watch, end};
use claude_store::Stamp;
use jiff::Timestamp;
use refresh_engine::{Activity, Freshness, Now};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;
use virtual_disk::VirtualDisk;

/// The storage folder; short, since every call walks it.
pub(crate) const FOLDER: &str = "/c";
pub(crate) const STORE: &str = "/c/.credentials.json";
pub(crate) const NEEDS_AUTH: &str = "/c/mcp-needs-auth-cache.json";
pub(crate) const STATE: &str = "/s";

/// After everything is in order again the daemon gets this long before a client's own refresh counts against it: its longest pause
/// after an outage is 5 min.
const SETTLE: u64 = 6 * MINUTE;
/// The same after an outage of hours.
const SETTLE_AFTER_LONG: u64 = 16 * MINUTE;

/// What nobody syncs is on the medium after this time: the kernel writes it back.
pub(crate) const WRITE_BACK: u64 = 30 * SECOND;

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) with_daemon: bool,
    /// The logins are in the daemon's vault, and the document is the vault's.
    pub(crate) own: Cell<bool>,
    /// When a session's word that a token was refused was last believed.
    pub(crate) believed: RefCell<Vec<u64>>,
    pub(crate) servers: Vec<Server>,
    pub(crate) disk: RefCell<VirtualDisk>,
    /// The storage folders; all but the first are copies of it.
    folders: RefCell<Vec<&'static str>>,
    started: Instant,
    /// Time that passed while nothing ran, milliseconds.
    slept: Cell<u64>,
    /// How far the wall clock is off, milliseconds.
    pub(crate) clock_error: Cell<i64>,
    pub(crate) clock_jumped: Rc<Notify>,
    network: Cell<bool>,
    link: Cell<u64>,
    /// Number of reasons why the disk cannot be trusted now.
    pub(crate) disk_trouble: Cell<u32>,
    pub(crate) asleep: Cell<bool>,
    /// Whether everything has been in order since then.
    in_order: Cell<bool>,
    /// When machine, network, disk, clock and daemon were last out of order.
    disturbed: Cell<u64>,
    /// Since when, and whether, everything was in order: every change of it.
    order: RefCell<Vec<(u64, bool)>>,
    pub(crate) booted: Cell<u64>,
    /// When the daemon alone was killed.
    pub(crate) daemon_killed: RefCell<Vec<u64>>,
    pub(crate) daemon: RefCell<Option<Daemon>>,
    pub(crate) watch: Rc<Watch>,
    /// When entries that had vanished together were put back last.
    pub(crate) put_back_at: Cell<u64>,
    /// Every exchange with a token endpoint, where somebody wants to know.
    pub(crate) log: Log,
    /// A request of this server has just begun.
    pub(crate) requested: Vec<Notify>,
    /// A request of the daemon has just begun.
    pub(crate) daemon_requested: Notify,
    /// Refresh tokens that were called dead, and how often the daemon has presented them since.
    pub(crate) called_dead: RefCell<Vec<(String, u32)>>,
    /// Turns of sessions that are under way, and when the last one ended.
    pub(crate) busy: Cell<u32>,
    pub(crate) last_busy: Cell<u64>,
    /// When sessions were last at work in each hour of the day; true time.
    used: Cell<[Option<u64>; 24]>,
    pub(crate) fresh: Cell<Freshness>,
    /// Until then whoever is here came unexpectedly.
    unexpected_until: RefCell<Vec<u64>>,
    /// Since when sessions have been active with pauses under a quarter of an hour.
    pub(crate) active_since: Cell<u64>,
    /// Entries written while the clock was off.
    pub(crate) wrong_clock: RefCell<Vec<bool>>,
    /// Servers whose entry a person removed.
    pub(crate) logged_out: RefCell<Vec<bool>>,
    /// Servers to which a person began a login and did not end it.
    pub(crate) given_up: RefCell<Vec<bool>>,
    /// A person is about to log in.
    pub(crate) logging_in: RefCell<Vec<bool>>,
    pub(crate) last_client_write: Cell<u64>,
    write_back_due: Cell<bool>,
    /// Times that machine and network were in order, for the question whether an idle grant could have been used.
    pub(crate) calm: RefCell<Vec<(u64, u64)>>,
    tallies: RefCell<Vec<Tally>>,
    pub(crate) account: RefCell<Account>,
    pub(crate) cache: RefCell<Option<(Stamp, Rc<Value>)>>,
    /// Prints what happens.
    pub(crate) verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64, servers: usize, years: u64, with_daemon: bool, verbose: bool) -> Rc<Self> {
        let servers = (0..servers).map(|server| Server::new(seed, server as u64, years)).collect();
        Self::with(seed, servers, with_daemon, verbose)
    }

    /// A world with these servers.
    pub(crate) fn with(seed: u64, servers: Vec<Server>, with_daemon: bool, verbose: bool) -> Rc<Self> {
        let count = servers.len();
        servers.iter().enumerate().for_each(|(number, server)| server.number.set(number));
        let disk = VirtualDisk::new();
        disk.record_calls(false);
        disk.put_folder(FOLDER);
        disk.put_folder(STATE);
        disk.set_sync_time(Duration::from_millis(1));
        Rc::new(Self {
            seed,
            with_daemon,
            own: Cell::default(),
            believed: RefCell::new(vec![0; count]),
            servers,
            disk: RefCell::new(disk),
            folders: RefCell::new(vec![FOLDER]),
            started: Instant::now(),
            slept: Cell::default(),
            clock_error: Cell::default(),
            clock_jumped: Rc::default(),
            network: Cell::new(true),
            link: Cell::default(),
            disk_trouble: Cell::default(),
            asleep: Cell::default(),
            in_order: Cell::default(),
            disturbed: Cell::default(),
            order: RefCell::default(),
            booted: Cell::default(),
            daemon_killed: RefCell::default(),
            daemon: RefCell::default(),
            watch: Rc::default(),
            put_back_at: Cell::default(),
            log: Log::default(),
            requested: (0..count).map(|_| Notify::new()).collect(),
            daemon_requested: Notify::new(),
            called_dead: RefCell::new(vec![(String::new(), 0); count]),
            busy: Cell::default(),
            last_busy: Cell::default(),
            used: Cell::default(),
            fresh: Cell::default(),
            unexpected_until: RefCell::new(vec![0; count]),
            active_since: Cell::default(),
            wrong_clock: RefCell::new(vec![false; count]),
            logged_out: RefCell::new(vec![false; count]),
            given_up: RefCell::new(vec![false; count]),
            logging_in: RefCell::new(vec![false; count]),
            last_client_write: Cell::default(),
            write_back_due: Cell::default(),
            calm: RefCell::default(),
            tallies: RefCell::new(vec![Tally::default(); count]),
            account: RefCell::default(),
            cache: RefCell::default(),
            verbose,
        })
    }

    /// One more storage folder.
    pub(crate) fn add_folder(&self, folder: &'static str) {
        self.disk.borrow().put_folder(folder);
        self.folders.borrow_mut().push(folder);
    }

    pub(crate) fn folders(&self) -> Vec<&'static str> {
        self.folders.borrow().clone()
    }

    /// True time since the life began, milliseconds; nobody in it can see this clock.
    pub(crate) fn now(&self) -> u64 {
        millis(self.started.elapsed()) + self.slept.get()
    }

    /// The machine's wall clock, milliseconds since 1970.
    pub(crate) fn wall(&self) -> i64 {
        let since = claude_store::FileSystem::now(&*self.disk.borrow()).duration_since(UNIX_EPOCH);
        i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    }

    /// Nothing runs for this long: the machine sleeps or is off.
    pub(crate) fn leap(&self, time: u64) {
        self.disk.borrow().step_clock_forward(Duration::from_millis(time));
        self.slept.set(self.slept.get() + time);
        self.cut_link();
        self.clock_jumped.notify_waiters();
    }

    /// The wall clock is set.
    pub(crate) fn step_clock(&self, by: i64) {
        let step = Duration::from_millis(by.unsigned_abs());
        let disk = self.disk.borrow();
        if by >= 0 {
            disk.step_clock_forward(step)
        } else {
            disk.step_clock_backward(step)
        }
        self.clock_error.set(self.clock_error.get() + by);
        self.clock_jumped.notify_waiters();
    }

    pub(crate) fn online(&self) -> bool {
        self.network.get()
    }

    pub(crate) fn set_network(&self, up: bool) {
        self.network.set(up);
        self.cut_link();
        self.disturb();
    }

    /// Every connection is lost.
    fn cut_link(&self) {
        self.link.set(self.link.get() + 1);
    }

    /// Changes whenever connections were lost.
    pub(crate) fn link(&self) -> u64 {
        self.link.get()
    }

    pub(crate) fn tally<R>(&self, server: usize, change: impl FnOnce(&mut Tally) -> R) -> R {
        change(&mut self.tallies.borrow_mut()[server])
    }

    /// Something happened that must not.
    pub(crate) fn failure(&self, what: impl std::fmt::Display) {
        let now = self.now();
        let line = format!("seed {}: day {} {}: {what}", self.seed, now / (24 * HOUR), clock_of(now));
        self.say(&line);
        if self.watch.end_at_failure.get() {
            end(&line);
        }
        let mut account = self.account.borrow_mut();
        if account.failures.len() < 50 {
            account.failures.push(line);
        }
    }

    pub(crate) fn say(&self, what: &dyn std::fmt::Display) {
        if self.verbose {
            let now = self.now();
            eprintln!("{:>5} {} {what}", now / (24 * HOUR), clock_of(now));
        }
    }

    /// Somebody else than the daemon changed the storage folder.
    pub(crate) fn store_changed(self: &Rc<Self>) {
        self.last_client_write.set(self.now());
        self.watch.others_wrote();
        self.folder_changed();
        if !self.write_back_due.replace(true) {
            let world = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(Duration::from_millis(WRITE_BACK)).await;
                world.disk.borrow().write_back();
                world.write_back_due.set(false);
            });
        }
    }

    /// Something in the storage folder changed.
    pub(crate) fn folder_changed(&self) {
        if let Some(daemon) = &*self.daemon.borrow() {
            daemon.store_changed();
        }
    }

    /// The books, closed.
    pub(crate) fn close(&self) -> Account {
        let mut account = self.account.borrow().clone();
        for (tally, server) in self.tallies.borrow().iter().zip(&self.servers) {
            let minutes = server.kind.lifetime / MINUTE;
            let (requests, losses) = account.by_lifetime.entry(minutes).or_default();
            *requests += tally.daemon_requests;
            *losses += tally.causes.get(crate::oracle::ON_THE_WIRE).copied().unwrap_or(0);
            account.tally.add(tally);
        }
        account.daemon_bytes = self.watch.bytes();
        account
            .failures
            .extend(self.watch.complaints().into_iter().map(|what| format!("seed {}: {what}", self.seed)));
        account
    }
}

fn clock_of(at: u64) -> String {
    let seconds = at / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, at % 1000)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
