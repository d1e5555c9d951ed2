//! A person, who logs in where that is needed and sometimes where it is not, and logs out.

use crate::client::{Process, Version};
use crate::entry::{Change, document, entry};
use crate::fault_schedule::{MINUTE, SECOND, label};
use crate::oracle;
use crate::plan::LoginAgain;
use crate::seeded_rng::SeededRng;
use crate::world::{STORE, World};
use claude_store::FileSystem;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// How often a login or logout tries for the refresh lock before it goes on without it: about 5 s (measured).
const TRIES: u32 = 4;

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
    let mut rng = SeededRng::of(world.seed, &[label::SESSION, server as u64, world.now() / MINUTE]);
    pause(rng.between(20 * SECOND, 10 * MINUTE)).await;
    let here = &world.servers[server];
    if !world.online() || here.schedule.weather(world.now()).is_some() || world.disk_trouble.get() > 0 {
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
        world.given_up.borrow_mut()[server] = false;
        // Where it had been removed, another client's older document brought it back: no log-out is left of that.
        world.logged_out.borrow_mut()[server] = false;
        return;
    }
    // Where a person meant them to go, nobody has them put back.
    if !world.logged_out.borrow()[server] && restore(world).await && usable(world) {
        return;
    }
    oracle::judge(world, server);
    let process = Process::start(world, Version::NEWEST, rng);
    land(world, &process, server).await;
    world.logged_out.borrow_mut()[server] = false;
    world.given_up.borrow_mut()[server] = false;
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
        Process::start(&world, Version::NEWEST, SeededRng::of(world.seed, &[label::SESSION, 7, world.now()]));
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

/// The server gives a new grant, and the client saves its pair.
async fn land(world: &World, process: &Process, server: usize) {
    let pair = world.servers[server].login(world.now());
    let change = Change::Login { pair, wall: world.wall() };
    for _ in 0..10 {
        if process.write(server, &change, None).await {
            return;
        }
        pause(MINUTE).await;
    }
}

/// A person begins a new login on a good entry (`/mcp` Re-authenticate, `mcp_authenticate` of an editor): the client writes a stub, and the
/// new pair lands when the person is done in the browser, in the worst case while a refresh is on the wire.
pub(crate) async fn log_in_again(world: Rc<World>, again: LoginAgain) {
    let server = again.server;
    let held = document(&world).and_then(|document| entry(&document, server));
    if held.is_none_or(|entry| entry.access.is_empty())
        || std::mem::replace(&mut world.logging_in.borrow_mut()[server], true)
    {
        return;
    }
    let rng = SeededRng::of(world.seed, &[label::SESSION, 10, world.now()]);
    let process = Process::start(&world, Version::NEWEST, rng);
    let booted = world.booted.get();
    if world.own.get() {
        log_in_to_the_vault(&world, &process, again).await;
        world.logging_in.borrow_mut()[server] = false;
        return;
    }
    let lock = process.refresh_lock(server, TRIES).await;
    let begun = process.write(server, &Change::LoginStub, None).await;
    process.release(lock);
    if begun {
        world.say(&format_args!("person: began a new log-in to s{server}"));
        pause(again.takes).await;
        if let Some(after) = again.at_a_refresh {
            let request = world.requested[server].notified();
            if tokio::time::timeout(Duration::from_secs(120), request).await.is_ok() {
                pause(after).await;
            }
        }
        let here = &world.servers[server];
        let reached = world.online() && here.schedule.weather(world.now()).is_none();
        // The client that waits for the browser ends with the machine.
        let ended = world.booted.get() != booted;
        if again.gives_up || ended || !reached || world.disk_trouble.get() > 0 {
            world.given_up.borrow_mut()[server] = true;
            world.say(&format_args!("person: gave the new log-in to s{server} up"));
        } else {
            land(&world, &process, server).await;
            world.say(&format_args!("person: logged in to s{server} anew"));
        }
    }
    world.logging_in.borrow_mut()[server] = false;
}

/// `mcp-refreshd login NAME`: nothing changes before the new pair lands.
async fn log_in_to_the_vault(world: &World, process: &Process, again: LoginAgain) {
    let (server, booted) = (again.server, world.booted.get());
    pause(again.takes).await;
    if let Some(after) = again.at_a_refresh {
        let request = world.requested[server].notified();
        if tokio::time::timeout(Duration::from_secs(120), request).await.is_ok() {
            pause(after).await;
        }
    }
    let reached = world.online() && world.servers[server].schedule.weather(world.now()).is_none();
    if !again.gives_up && world.booted.get() == booted && reached && world.disk_trouble.get() == 0 {
        land(world, process, server).await;
        world.say(&format_args!("person: logged in to s{server} anew"));
    }
}

/// `claude auth logout` deletes the whole file, all MCP logins included (measured).
pub(crate) async fn auth_logout(world: Rc<World>, at_a_refresh: bool, wants_back: u64) {
    let rng = SeededRng::of(world.seed, &[label::SESSION, 11, world.now()]);
    let process = Process::start(&world, Version::NEWEST, rng);
    if at_a_refresh {
        let begun = world.requested[0].notified();
        let _ = tokio::time::timeout(Duration::from_secs(2 * 3600), begun).await;
    }
    let Some(lock) = process.storage_lock().await else { return };
    let deleted = process.disk.remove_file(Path::new(STORE)).is_ok();
    process.release(Some(lock));
    if !deleted {
        return;
    }
    world.say(&format_args!("person: claude auth logout"));
    world.logged_out.borrow_mut().fill(true);
    world.store_changed();
    pause(wants_back).await;
    for server in 0..world.servers.len() {
        if world.logged_out.borrow()[server] {
            wish(&world, server);
        }
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
