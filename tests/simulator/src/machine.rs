//! A machine and its person, day by day.

use crate::client::{Process, Version};
use crate::daemon::{self, Daemon};
use crate::entry::{Change, fresh, key};
use crate::fault_schedule::{DAY, MINUTE, SECOND, label};
use crate::login;
use crate::oracle;
use crate::plan::{DiskTrouble, Happening, Persona};
use crate::seeded_rng::SeededRng;
use crate::session;
use crate::watch::Blow;
use crate::world::{STORE, WRITE_BACK, World};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::AbortHandle;
use virtual_disk::PowerCut;

/// How soon the service manager starts the daemon again.
const RESTART: Duration = Duration::from_secs(2);

pub(crate) struct Machine {
    world: Rc<World>,
    /// Off rather than asleep.
    off: Cell<bool>,
    sessions: RefCell<Vec<(u64, AbortHandle)>>,
    edits: Cell<u64>,
}

impl Machine {
    pub(crate) fn new(world: Rc<World>) -> Rc<Self> {
        let world_ = &world;
        let entries: serde_json::Map<String, serde_json::Value> = (0..world.servers.len())
            .map(|server| (key(server), fresh(server, &world_.servers[server].login(0), world_.wall())))
            .collect();
        let document = serde_json::json!({
            "claudeAiOauth": {"accessToken": "sk-made-up", "expiresAt": 1},
            "mcpOAuth": entries,
            "later": [1.1, {}]
        });
        world.disk.borrow().put(STORE, document.to_string());
        Rc::new(Self { world, off: Cell::default(), sessions: RefCell::default(), edits: Cell::default() })
    }

    /// Lives so many days.
    pub(crate) async fn live(self: &Rc<Self>, days: u64) {
        let world = &self.world;
        let persona = Persona::of(world.seed);
        let supervisor = tokio::task::spawn_local(Rc::clone(self).supervise());
        self.start_daemon().await;
        for day in 0..days {
            let mut last = 0;
            for (at, what) in persona.day(world.seed, day, world.servers.len()) {
                self.until(day * DAY + at).await;
                world.account.borrow_mut().awake_hours +=
                    if self.running() { (at - last) / MINUTE } else { 0 };
                last = at;
                self.happens(what).await;
            }
        }
        self.until(days * DAY).await;
        let mut account = world.account.borrow_mut();
        account.awake_hours /= 60;
        drop(account);
        supervisor.abort();
        self.kill_sessions();
        daemon::kill(world);
    }

    /// Lets time pass up to this moment: by living, or by sleeping through it.
    async fn until(&self, moment: u64) {
        loop {
            let left = moment.saturating_sub(self.world.now());
            if left == 0 {
                return;
            }
            if self.running() {
                tokio::time::sleep(Duration::from_millis(left)).await;
            } else {
                self.world.leap(left);
            }
        }
    }

    async fn happens(self: &Rc<Self>, what: Happening) {
        let world = &self.world;
        if world.own.get() && what.is_about_the_clients_document() {
            return;
        }
        if !self.running() && !matches!(what, Happening::Wake) {
            return self.happens_to_a_sleeper(&what);
        }
        match &what {
            Happening::Session(_)
            | Happening::Wake
            | Happening::Sleep
            | Happening::Off
            | Happening::Edit
            | Happening::EditInBetween => {}
            what => {
                world.say(&format_args!("{what:?}"));
                world.account.borrow_mut().machine_faults += 1;
            }
        }
        match what {
            Happening::Wake => self.wake().await,
            Happening::Sleep => self.rest(),
            Happening::Off => {
                self.kill_sessions();
                daemon::stop(world).await;
                world.disk.borrow().write_back();
                self.off.set(true);
                self.rest();
            }
            Happening::Session(session) => {
                let task =
                    tokio::task::spawn_local(session::live(Rc::clone(world), session.clone())).abort_handle();
                if let Some(after) = session.killed_after {
                    let task = task.clone();
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        task.abort();
                    });
                }
                let mut sessions = self.sessions.borrow_mut();
                sessions.retain(|(_, session)| !session.is_finished());
                sessions.push((session.number, task));
            }
            Happening::Network(up) => world.set_network(up),
            Happening::KillDaemon => {
                world.daemon_killed.borrow_mut().push(world.now());
                daemon::kill(world);
                world.disturb();
                self.restart_after(RESTART);
            }
            Happening::KillDaemonAtRequest { after, restart } => {
                tokio::task::spawn_local(Rc::clone(self).kill_at_request(after, restart));
            }
            Happening::LoginAgain(again) => {
                tokio::task::spawn_local(login::log_in_again(Rc::clone(world), again));
            }
            Happening::AuthLogout { at_a_refresh, wants_back } => {
                tokio::task::spawn_local(login::auth_logout(Rc::clone(world), at_a_refresh, wants_back));
            }
            Happening::RestartDaemon { at_a_request: false } => self.restart().await,
            Happening::RestartDaemon { at_a_request: true } => {
                let machine = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    let begun = machine.world.daemon_requested.notified();
                    let _ = tokio::time::timeout(Duration::from_secs(7200), begun).await;
                    if machine.running() && machine.world.daemon.borrow().is_some() {
                        machine.restart().await;
                    }
                });
            }
            Happening::Strike(calls, blow) => world.watch.strike_at(calls, blow),
            Happening::PowerCut { unsynced, takes } => {
                world.disk.borrow().write_back();
                tokio::time::sleep(Duration::from_millis(unsynced)).await;
                self.power_cut(takes, unsynced).await;
            }
            Happening::Disk(trouble, begins) => self.disk(trouble, begins),
            Happening::Clock(by) => {
                world.step_clock(by);
                world.disturb();
            }
            Happening::Logout { server, wants_back } => {
                tokio::task::spawn_local(login::log_out(Rc::clone(world), server, wants_back));
            }
            Happening::EditInBetween if world.daemon.borrow().is_some() => {
                self.edits.set(self.edits.get() + 1);
                world.watch.intrude(self.edits.get());
            }
            Happening::Edit | Happening::EditInBetween => {
                self.edits.set(self.edits.get() + 1);
                let rng = SeededRng::of(world.seed, &[label::SESSION, 8, self.edits.get()]);
                let editor = Process::start(world, Version { storage_lock: false, ..Version::NEWEST }, rng);
                editor.write(0, &Change::Edit(self.edits.get()), None).await;
            }
        }
    }

    /// What ends does so while the machine sleeps, too.
    fn happens_to_a_sleeper(&self, what: &Happening) {
        match what {
            Happening::Network(up) => self.world.set_network(*up),
            Happening::Disk(trouble, false) => self.disk(*trouble, false),
            Happening::Clock(by) if self.world.clock_error.get() == -by => self.world.step_clock(*by),
            _ => {}
        }
    }

    async fn wake(self: &Rc<Self>) {
        let world = &self.world;
        world.asleep.set(false);
        world.disturb();
        world.clock_jumped.notify_waiters();
        if self.off.replace(false) {
            world.booted.set(world.now());
            self.start_daemon().await;
        }
    }

    fn disk(&self, trouble: DiskTrouble, begins: bool) {
        let world = &self.world;
        let disk = world.disk.borrow();
        match trouble {
            DiskTrouble::Full => disk.set_free(begins.then_some(100)),
            DiskTrouble::ReadOnly => disk.set_read_only(begins),
            DiskTrouble::Slow(time) => {
                disk.set_sync_time(Duration::from_millis(if begins { time } else { 1 }));
            }
        }
        let count = world.disk_trouble.get();
        world.disk_trouble.set(if begins { count + 1 } else { count.saturating_sub(1) });
        world.disturb();
    }

    async fn restart(self: &Rc<Self>) {
        daemon::stop(&self.world).await;
        self.world.disturb();
        if self.running() && self.world.daemon.borrow().is_none() {
            self.start_daemon().await;
        }
    }

    async fn start_daemon(self: &Rc<Self>) {
        if !self.world.with_daemon {
            return;
        }
        match Daemon::start(&self.world).await {
            Some(daemon) => *self.world.daemon.borrow_mut() = Some(daemon),
            None => self.restart_after(RESTART),
        }
        self.world.disturb();
    }

    fn restart_after(self: &Rc<Self>, pause: Duration) {
        let machine = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(pause).await;
            if machine.running() && !machine.off.get() && machine.world.daemon.borrow().is_none() {
                Box::pin(machine.start_daemon()).await;
            }
        });
    }

    async fn kill_at_request(self: Rc<Self>, after: u64, restart: u64) {
        let world = &self.world;
        let begun = tokio::time::timeout(Duration::from_secs(7200), world.daemon_requested.notified()).await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        if begun.is_err() || !self.running() || world.daemon.borrow().is_none() {
            return;
        }
        world.say(&format_args!("the daemon is killed, and comes back after {restart} ms"));
        world.daemon_killed.borrow_mut().push(world.now());
        daemon::kill(world);
        world.disturb();
        self.restart_after(Duration::from_millis(restart));
    }

    fn running(&self) -> bool {
        !self.world.asleep.get()
    }

    fn rest(&self) {
        self.world.asleep.set(true);
        self.world.disturb();
    }

    fn kill_sessions(&self) {
        self.sessions.take().iter().for_each(|(_, session)| session.abort());
    }

    /// Waits for the daemon to be struck, and does what the blow says.
    async fn supervise(self: Rc<Self>) {
        loop {
            self.world.watch.strike.notified().await;
            if self.world.watch.wrote() {
                self.world.folder_changed();
            }
            if self.world.watch.intruded() {
                self.world.say(&format_args!("person: edited the document while the daemon wrote it"));
                self.world.store_changed();
            }
            let Some(blow) = self.world.watch.struck() else { continue };
            let session = self.world.watch.struck_session();
            self.world.say(&format_args!("struck: {blow:?}"));
            match blow {
                Blow::Kill if session.is_some() => {
                    let sessions = self.sessions.borrow();
                    sessions
                        .iter()
                        .filter(|(number, _)| Some(*number) == session)
                        .for_each(|(_, task)| task.abort());
                }
                Blow::Kill => {
                    daemon::kill(&self.world);
                    self.world.disturb();
                    self.restart_after(RESTART);
                }
                Blow::PowerCut => {
                    let kinds = PowerCut::ALL;
                    let rng = &mut SeededRng::of(self.world.seed, &[label::DAY, 9, self.world.now()]);
                    self.power_cut(*rng.pick(&kinds), WRITE_BACK).await;
                }
            }
        }
    }

    /// Everything ends where it is; the machine comes up again with what the disk kept.
    async fn power_cut(self: &Rc<Self>, takes: PowerCut, unsynced: u64) {
        let world = &self.world;
        let held = oracle::before_power_cut(world);
        let clients_write = world.now().saturating_sub(world.last_client_write.get()) <= unsynced;
        daemon::kill(world);
        self.kill_sessions();
        let after = world.disk.borrow().power_cut(takes);
        *world.disk.borrow_mut() = after;
        world.cache.take();
        oracle::after_power_cut(world, &held, clients_write);
        world.leap(40 * SECOND);
        world.booted.set(world.now());
        world.disturb();
        self.start_daemon().await;
    }
}
