//! What comes of a blow, and its end.

use super::fault::LASTING;
use super::fault_injector::FaultInjector;
use crate::client::refresh::Path as Why;
use crate::client::{Process, Version};
use crate::daemon::{self, Daemon};
use crate::entry::{document, entry};
use crate::fault_schedule::SECOND;
use crate::seeded_rng::SeededRng;
use crate::world::World;
use claude_store::FileSystem;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use virtual_disk::{PowerCut, VirtualDisk, VirtualFile};

/// How soon the service manager starts the daemon again.
const RESTART: u64 = 2 * SECOND;

pub(crate) enum FollowUp {
    /// A fault of the case, so long from now.
    Later {
        number: usize,
        after: u64,
    },
    Wait(u64),
    MendDisk,
    Restart,
    PowerCut(PowerCut),
    Stop,
    SetClock {
        by: i64,
        after: u64,
    },
    Client {
        locked: bool,
    },
    /// The other half of a document that is written in place.
    Rest {
        disk: VirtualDisk,
        file: VirtualFile,
        bytes: Vec<u8>,
        after: u64,
    },
    Stub(u64),
    KeepLock {
        path: PathBuf,
        for_: u64,
    },
    RemoveFile(PathBuf),
    Told,
}

impl FollowUp {
    pub(crate) async fn run(self, injector: Rc<FaultInjector>) {
        let a_process = matches!(self, Self::Client { .. } | Self::Rest { .. } | Self::KeepLock { .. });
        tokio::select! {
            biased;
            () = injector.power.notified(), if a_process => {}
            () = self.happen(&injector) => {}
        }
        injector.end();
    }

    async fn happen(self, injector: &FaultInjector) {
        let world = &injector.world;
        match self {
            Self::Later { number, after } => injector.strike_after(number, after).await,
            Self::Wait(time) => pause(time).await,
            Self::MendDisk => {
                pause(LASTING).await;
                let disk = world.disk.borrow();
                disk.set_free(None);
                disk.set_read_only(false);
                disk.set_sync_time(Duration::from_millis(1));
            }
            Self::Restart => {
                daemon::kill(world);
                start(world).await;
            }
            Self::PowerCut(cut) => {
                daemon::kill(world);
                injector.power.notify_waiters();
                let after = world.disk.borrow().power_cut(cut);
                *world.disk.borrow_mut() = after;
                world.cache.take();
                let there = document(world).and_then(|document| entry(&document, 0));
                if there.is_some_and(|entry| entry.refresh.is_some()) {
                    // A logout that was not synced is undone by the cut.
                    world.logged_out.borrow_mut()[0] = false;
                }
                world.leap(40 * SECOND);
                world.booted.set(world.now());
                start(world).await;
            }
            Self::Stop => {
                daemon::stop(world).await;
                start(world).await;
            }
            Self::SetClock { by, after } => {
                pause(after).await;
                world.step_clock(by);
            }
            Self::Client { locked } => {
                let rng = SeededRng::of(
                    injector.case.seed,
                    &[crate::fault_schedule::label::TRIAL, injector.case.number, 1 << 32],
                );
                let version = if locked { Version::NEWEST } else { Version::OLD[2] };
                let process = Process::start(world, version, rng);
                let why =
                    if locked || injector.case.left < 300_000 { Why::Expiring } else { Why::Unauthorized };
                let refreshed = process.refresh(0, why).await;
                world.say(&format_args!("client: {refreshed:?}"));
            }
            Self::Rest { disk, file, bytes, after } => {
                pause(after).await;
                // The file may have been replaced meanwhile: then nobody sees this.
                while disk.append(&file, &bytes).is_err() {
                    pause(SECOND).await;
                }
                world.store_changed();
            }
            Self::Stub(after) => {
                pause(after).await;
                injector.leave_stub();
            }
            Self::KeepLock { path, for_ } => {
                let until = world.now() + for_;
                while world.now() < until {
                    let disk = world.disk.borrow().clone();
                    let _ = disk.touch(&path);
                    pause((5 * SECOND).min(until.saturating_sub(world.now()))).await;
                }
                let _ = world.disk.borrow().remove_folder(&path);
            }
            Self::RemoveFile(path) => {
                pause(LASTING).await;
                let remove = || {
                    let disk = world.disk.borrow();
                    disk.remove_file(&path).is_ok() || !disk.exists(&path)
                };
                while !remove() {
                    pause(SECOND).await;
                }
            }
            Self::Told => world.store_changed(),
        }
    }
}

/// Starts the daemon as the service manager does: again and again.
pub(crate) async fn start(world: &Rc<World>) {
    loop {
        pause(RESTART).await;
        if world.daemon.borrow().is_some() {
            return;
        }
        match Daemon::start(world).await {
            Some(daemon) if daemon.is_alive() && world.daemon.borrow().is_none() => {
                *world.daemon.borrow_mut() = Some(daemon);
                return;
            }
            Some(daemon) => daemon.kill(),
            None => {}
        }
    }
}

pub(crate) async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
