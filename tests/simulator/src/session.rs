//! A session: connects to every server, then turns of tool calls; and the person before it, who logs in where that is needed.

use crate::client::{Process, Use, Version};
use crate::dice::Dice;
use crate::entry::{Change, document, entry};
use crate::fate::{MINUTE, SECOND, label};
use crate::oracle;
use crate::plan::Session;
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
        world.busy.set(world.busy.get() + 1);
        Self(world)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
        self.0.last_busy.set(self.0.now());
    }
}

/// Lives one session to its end.
pub(crate) async fn live(world: Rc<World>, session: Session) {
    let labels = [label::SESSION, session.number];
    let process = Process::of_session(&world, session.version, Dice::of(world.seed, &labels), session.number);
    let mut dice = Dice::of(world.seed, &[label::SESSION, session.number, 1]);
    let ends = world.now() + session.length;
    {
        let _turn = Turn::begin(&world);
        connect(&world, &process).await;
    }
    if session.length > 5 * SECOND {
        // It leaves `.last-cleanup` in the folder about 5 s after its start (measured), which whoever watches sees.
        pause(5 * SECOND).await;
        world.folder_changed();
    }
    while world.now() < ends {
        pause(dice.between(5 * SECOND, 20 * MINUTE)).await;
        if world.now() >= ends {
            break;
        }
        let _turn = Turn::begin(&world);
        for _ in 0..dice.between(1, 12) {
            let server = usize::try_from(dice.below(world.servers.len() as u64)).unwrap_or(0);
            if process.use_server(server).await == Use::NeedsAuth {
                wish(&world, server);
            }
            pause(dice.between(SECOND, 40 * SECOND)).await;
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

/// A person is told that a server needs a log-in, wants to use it, and logs in after a while.
pub(crate) fn wish(world: &Rc<World>, server: usize) {
    if std::mem::replace(&mut world.logging_in.borrow_mut()[server], true) {
        return;
    }
    let world = Rc::clone(world);
    tokio::task::spawn_local(async move {
        log_in(&world, server).await;
        world.logging_in.borrow_mut()[server] = false;
    });
}

async fn log_in(world: &Rc<World>, server: usize) {
    let mut dice = Dice::of(world.seed, &[label::SESSION, server as u64, world.now() / MINUTE]);
    pause(dice.between(20 * SECOND, 10 * MINUTE)).await;
    let here = &world.servers[server];
    if !world.online() || here.fate.weather(world.now()).is_some() || world.disk_trouble.get() > 0 {
        // Not now; the next session asks again.
        return;
    }
    let usable = |world: &World| {
        let Some(found) = document(world).and_then(|document| entry(&document, server)) else { return false };
        let now = world.now();
        !found.access.is_empty()
            && (found.refresh.is_some_and(|refresh| here.is_good(&refresh, now))
                || here.accepts(&found.access, now))
    };
    if usable(world) {
        // Where it had been removed, another client's older document brought it back: no log-out is left of that.
        world.logged_out.borrow_mut()[server] = false;
        return;
    }
    if restore(world).await && usable(world) {
        return;
    }
    oracle::judge(world, server);
    let process = Process::start(world, Version::NEWEST, dice);
    let pair = here.login(world.now());
    let change = Change::Login { pair, wall: world.wall() };
    for _ in 0..10 {
        if process.write(server, &change, None).await {
            break;
        }
        pause(MINUTE).await;
    }
    world.logged_out.borrow_mut()[server] = false;
    world.say(&format_args!("person: logged in to s{server}"));
}

/// A person does what the daemon's notice says where entries vanished together, and no log-in is needed. True where it put any back.
async fn restore(world: &World) -> bool {
    let keeper = world.daemon.borrow().as_ref().map(crate::daemon::Daemon::keeper);
    let Some(keeper) = keeper.filter(|keeper| !keeper.report().vanished.is_empty()) else { return false };
    world.watch.asked_for.set(true);
    let back = keeper.restore_vanished().await;
    world.watch.asked_for.set(false);
    world.say(&format_args!("person: had {back:?} put back"));
    world.put_back_at.set(world.now());
    world.account.borrow_mut().restored += back.len() as u64;
    !back.is_empty()
}

/// A person logs out, and wants to be back after a while. The stub is what the next `mcp list` leaves.
pub(crate) async fn log_out(world: Rc<World>, server: usize, wants_back: u64) {
    let process =
        Process::start(&world, Version::NEWEST, Dice::of(world.seed, &[label::SESSION, 7, world.now()]));
    if document(&world).and_then(|document| entry(&document, server)).is_none() {
        return;
    }
    if wants_back.is_multiple_of(2) {
        // The worst moment: a refresh of this very entry is under way.
        let begun = world.requested[server].notified();
        let _ = tokio::time::timeout(Duration::from_secs(12 * 3600), begun).await;
    }
    if !process.write(server, &Change::Remove, None).await {
        return;
    }
    world.logged_out.borrow_mut()[server] = true;
    world.say(&format_args!("person: logged out of s{server}"));
    pause(200).await;
    process.write(server, &Change::LoggedOutStub { wall: world.wall() }, None).await;
    pause(wants_back).await;
    if world.logged_out.borrow()[server] {
        wish(&world, server);
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
