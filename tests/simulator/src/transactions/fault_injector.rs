//! Sees every call of the daemon to the disk, and strikes where the case says.

use super::bytes;
use super::case::Case;
use super::fault::{Blow, Fault, LASTING, Point};
use super::follow_up::FollowUp;
use crate::fault_schedule::SECOND;
use crate::watch::{JOURNAL, STORAGE_LOCK, is};
use crate::world::{STORE, World};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use tokio::sync::Notify;
use virtual_disk::{Call, Operation, VirtualDisk};

/// The daemon died.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    pub(crate) at: u64,
    pub(crate) power: bool,
    /// The last answer was not on the disk yet, and could not have been.
    pub(crate) took_answer: bool,
}

pub(crate) struct FaultInjector {
    pub(crate) world: Rc<World>,
    pub(crate) case: Case,
    struck: Vec<Cell<bool>>,
    armed: Cell<bool>,
    calls: Cell<u32>,
    failing: RefCell<Vec<(Operation, i32, u64)>>,
    /// What the daemon read at its last look before the swap, while it is between the two.
    looked: RefCell<Option<Vec<u8>>>,
    /// Requests of the daemon whose answer is in the journal, and durable there.
    journalled: Cell<usize>,
    durable: Cell<usize>,
    pub(crate) journal_refused: Cell<bool>,
    pub(crate) deaths: RefCell<Vec<Death>>,
    pub(crate) document: Vec<u8>,
    follow_ups: RefCell<Vec<FollowUp>>,
    pub(crate) news: Notify,
    /// The power goes, and every process with it.
    pub(crate) power: Notify,
    /// Things that are not over yet, and when the last one was.
    open: Cell<u32>,
    over: Cell<u64>,
    /// When the daemon wrote the store last.
    wrote: Cell<u64>,
}

impl FaultInjector {
    pub(crate) fn new(world: Rc<World>, case: Case, document: Vec<u8>) -> Rc<Self> {
        let injector = Rc::new(Self {
            struck: case.faults.iter().map(|_| Cell::new(false)).collect(),
            world,
            case,
            armed: Cell::default(),
            calls: Cell::default(),
            failing: RefCell::default(),
            looked: RefCell::default(),
            journalled: Cell::default(),
            durable: Cell::default(),
            journal_refused: Cell::default(),
            deaths: RefCell::default(),
            document,
            follow_ups: RefCell::default(),
            news: Notify::new(),
            power: Notify::new(),
            open: Cell::default(),
            over: Cell::default(),
            wrote: Cell::default(),
        });
        let at_call = Rc::clone(&injector);
        injector.world.watch.sabotage(Some(Rc::new(move |call, own| at_call.at(call, own))));
        injector
    }

    /// The transaction begins.
    pub(crate) fn arm(self: &Rc<Self>) {
        self.armed.set(true);
        for (number, fault) in self.case.faults.iter().enumerate() {
            match (fault.point, fault.blow) {
                (Point::NextRequest, Blow::Wire(weather)) => {
                    self.world.servers[0].next.set(Some(weather));
                }
                (Point::Request(after), _) => {
                    let injector = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        injector.world.daemon_requested.notified().await;
                        injector.strike_after(number, after).await;
                    });
                }
                _ => {}
            }
        }
    }

    /// So long from now.
    pub(crate) async fn strike_after(&self, number: usize, after: u64) {
        self.struck[number].set(true);
        self.begin();
        tokio::time::sleep(std::time::Duration::from_millis(after)).await;
        // Nothing fails here: there is no call.
        let _ = self.strike(self.case.faults[number].blow, None);
        self.end();
    }

    /// Whether every fault of the case was injected.
    pub(crate) fn all_struck(&self) -> bool {
        let wire =
            |fault: &Fault| fault.point == Point::NextRequest && self.world.servers[0].next.get().is_none();
        self.case.faults.iter().zip(&self.struck).all(|(fault, struck)| struck.get() || wire(fault))
    }

    /// Whether something is not over yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get() > 0
    }

    pub(crate) fn over(&self) -> u64 {
        self.over.get()
    }

    pub(crate) fn begin(&self) {
        self.open.set(self.open.get() + 1);
    }

    pub(crate) fn end(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.over.set(self.world.now());
        self.news.notify_one();
    }

    pub(crate) fn disarm(&self) {
        self.world.say(&format_args!("{} calls to the disk", self.calls.get()));
        self.armed.set(false);
    }

    /// Whether the transaction took longer than it would have without its fault.
    pub(crate) fn is_late(&self) -> bool {
        let log = self.world.log.exchanges();
        let Some((answered, began)) = log.first().and_then(|first| Some((first.told?.0, first.began))) else {
            return true;
        };
        let usual = SECOND;
        began > usual || answered > began + usual || self.wrote.get() > answered + usual
    }

    pub(crate) fn follow_ups(&self) -> Vec<FollowUp> {
        self.follow_ups.take()
    }

    pub(crate) fn follow(&self, follow_up: FollowUp) {
        self.begin();
        self.follow_ups.borrow_mut().push(follow_up);
        self.news.notify_one();
    }

    fn at(&self, call: &Call, own: &VirtualDisk) -> Option<io::Error> {
        let number = self.calls.get();
        self.calls.set(number + u32::from(self.armed.get()));
        let answered = self.world.log.answered();
        if call.operation == Operation::CreateFolder && is(&call.path, STORAGE_LOCK) {
            self.durable.set(answered);
        }
        let mut failed = None;
        if self.armed.get() {
            for (fault, struck) in self.case.faults.iter().zip(&self.struck) {
                let here = match fault.point {
                    Point::Call(at) => number >= at,
                    Point::Answered => answered > 0 && !self.is_answer(call),
                    _ => false,
                };
                // Between the last look and the swap nobody can see a write of one who respects no lock: not played.
                let hidden = self.looked.borrow().is_some() && fault.is_a_write();
                if here && !struck.get() && !hidden {
                    struck.set(true);
                    failed = self.strike(fault.blow, Some((call, own))).or(failed);
                    self.say(call, fault);
                }
            }
        }
        let now = self.world.now();
        let failing = self
            .failing
            .borrow()
            .iter()
            .find(|(what, _, until)| *what == call.operation && now < *until)
            .copied();
        failed = failed.or_else(|| failing.map(|(_, error, _)| io::Error::from_raw_os_error(error)));
        if own.is_alive() {
            self.note(call, failed.is_some(), answered);
        }
        failed
    }

    fn say(&self, call: &Call, fault: &Fault) {
        self.world.say(&format_args!("call {}: {call:?}: {fault:?}", self.calls.get() - 1));
    }

    /// Whether this call puts an answer into the journal that is not there yet.
    fn is_answer(&self, call: &Call) -> bool {
        call.operation == Operation::Append
            && is(&call.path, JOURNAL)
            && self.world.log.answered() > self.journalled.get()
    }

    fn note(&self, call: &Call, failed: bool, answered: usize) {
        let disk = self.world.disk.borrow();
        match call.operation {
            Operation::Append | Operation::Sync if is(&call.path, JOURNAL) && failed => {
                self.journal_refused.set(true);
            }
            Operation::Append if is(&call.path, JOURNAL) => self.journalled.set(answered),
            Operation::Read if is(&call.path, STORE) && self.world.watch.holds_storage_lock() && !failed => {
                *self.looked.borrow_mut() = disk.bytes(STORE);
            }
            Operation::RemoveFolder if is(&call.path, STORAGE_LOCK) => drop(self.looked.take()),
            Operation::Rename if !failed && call.to.as_ref().is_some_and(|to| is(to, STORE)) => {
                self.wrote.set(self.world.now());
                let old = self.looked.take().or_else(|| disk.bytes(STORE)).unwrap_or_default();
                let new = disk.bytes(&call.path).unwrap_or_default();
                if let Some(complaint) = bytes::complaint(&old, &new) {
                    self.world.watch.complain(complaint);
                }
                for (number, fault) in self.case.faults.iter().enumerate() {
                    if let Point::Written(after) = fault.point
                        && self.armed.get()
                        && !self.struck[number].replace(true)
                    {
                        self.follow(FollowUp::Later { number, after });
                    }
                }
            }
            _ => {}
        }
    }

    /// Strikes; what it returns is the result of the call, where it falls on one.
    fn strike(&self, blow: Blow, at: Option<(&Call, &VirtualDisk)>) -> Option<io::Error> {
        let world = &self.world;
        self.over.set(world.now());
        match blow {
            Blow::Fails { error, lasts } => {
                let (call, _) = at?;
                if lasts {
                    let until = world.now() + LASTING;
                    self.failing.borrow_mut().push((call.operation, error, until));
                    self.follow(FollowUp::Wait(LASTING));
                }
                return Some(io::Error::from_raw_os_error(error));
            }
            Blow::Full(free) => {
                world.disk.borrow().set_free(Some(free));
                self.journal_refused.set(true);
                self.follow(FollowUp::MendDisk);
            }
            Blow::ReadOnly => {
                world.disk.borrow().set_read_only(true);
                self.journal_refused.set(true);
                self.follow(FollowUp::MendDisk);
            }
            Blow::SlowSync => {
                world.disk.borrow().set_sync_time(std::time::Duration::from_secs(5));
                self.follow(FollowUp::MendDisk);
            }
            Blow::Kill | Blow::PowerCut(_) => {
                let power = blow != Blow::Kill;
                let answered = world.log.answered();
                let took_answer = if power {
                    answered > self.durable.get()
                } else {
                    at.is_some_and(|(call, _)| self.is_answer(call))
                };
                self.deaths.borrow_mut().push(Death { at: world.now(), power, took_answer });
                match at {
                    Some((_, own)) => own.kill(),
                    None => crate::daemon::kill(world),
                }
                self.looked.take();
                self.follow(match blow {
                    Blow::PowerCut(cut) => FollowUp::PowerCut(cut),
                    _ => FollowUp::Restart,
                });
            }
            Blow::Stop => self.follow(FollowUp::Stop),
            Blow::Clock { by, for_ } => {
                world.step_clock(by);
                self.follow(FollowUp::SetClock { by: -by, after: for_ });
            }
            Blow::Suspend(time) => {
                world.leap(time);
                self.over.set(world.now());
            }
            Blow::Wire(weather) => world.servers[0].next.set(Some(weather)),
            Blow::Another(another) => self.another(another),
        }
        None
    }
}
