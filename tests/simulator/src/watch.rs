//! Looks at every call to the disk: ends a process at a chosen one, and sees that the daemon keeps its invariants.

use crate::entry::{Change, changed};
use crate::server::parts;
use crate::world::STORE;
use claude_store::FileSystem;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use tokio::sync::Notify;
use virtual_disk::{Call, Operation, VirtualDisk};

pub(crate) const STORAGE_LOCK: &str = "/c/.storage-write.lock";
pub(crate) const JOURNAL: &str = "/s/journal";
/// One write of this many is compared byte by byte with what was there before.
const COMPARED: u64 = 4;

/// How a daemon ends at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill,
    PowerCut,
}

/// Sees a call of the daemon's process; what it returns is the call's result.
pub(crate) type Saboteur = Rc<dyn Fn(&Call, &VirtualDisk) -> Option<std::io::Error>>;

#[derive(Default)]
pub(crate) struct Watch {
    countdown: Cell<Option<(u64, Blow)>>,
    /// The store was renamed into place, and its folder is not synced yet.
    renamed: Cell<bool>,
    struck: Cell<Option<Blow>>,
    pub(crate) strike: Notify,
    /// Which session was struck; `None` where it was the daemon.
    struck_session: Cell<Option<u64>>,
    /// Requests on the wire. What strikes at a call waits until there are none: a kill in the middle of a request is drawn by time, since
    /// nobody can keep what was on its way.
    on_the_wire: Cell<u32>,
    /// The same, of the daemon alone.
    daemons_requests: Cell<u32>,
    /// Somebody else wrote the document since the last comparison.
    others_wrote: Cell<bool>,
    /// A person asked for entries that had vanished together.
    pub(crate) asked_for: Cell<bool>,
    /// The number of the edit that falls into the daemon's next write of the document, and whether it just did.
    intrusion: Cell<Option<u64>>,
    intruded: Cell<bool>,
    /// The daemon has just written the document, and its own watcher says so.
    wrote: Cell<bool>,
    /// The daemon holds the storage lock.
    locked: Cell<bool>,
    /// How often the disk refused to show that lock or to let it go.
    refused: Cell<u32>,
    writes: Cell<u64>,
    earlier_bytes: Cell<u64>,
    disk: RefCell<Option<VirtualDisk>>,
    /// Sees every call of the daemon before anybody else, and may make it fail or kill the process.
    saboteur: RefCell<Option<Saboteur>>,
    complaints: RefCell<Vec<String>>,
    /// The first failure ends the program.
    pub(crate) end_at_failure: Cell<bool>,
    /// Named there.
    pub(crate) seed: Cell<u64>,
}

impl Watch {
    /// Watches a new process of the daemon.
    pub(crate) fn follow(self: &Rc<Self>, disk: &VirtualDisk) {
        self.forget();
        *self.disk.borrow_mut() = Some(disk.clone());
        let (watch, others) = (Rc::clone(self), disk.process());
        others.record_calls(false);
        let own = disk.clone();
        disk.on_call(move |call| watch.look(call, &own, &others));
    }

    /// Watches a session's process: what strikes at a call strikes whoever makes it, so that it is the same fate without the daemon.
    pub(crate) fn follow_session(self: &Rc<Self>, disk: &VirtualDisk, session: u64) {
        let (watch, own) = (Rc::clone(self), disk.clone());
        disk.on_call(move |call| {
            if call.operation.changes() && watch.is_over(call) {
                watch.struck_session.set(Some(session));
                own.kill();
            }
            None
        });
    }

    pub(crate) fn struck_session(&self) -> Option<u64> {
        self.struck_session.take()
    }

    /// The process is gone.
    pub(crate) fn forget(&self) {
        if let Some(disk) = self.disk.take() {
            self.earlier_bytes.set(self.earlier_bytes.get() + disk.bytes_written());
            disk.no_hook();
        }
        self.locked.set(false);
        self.renamed.set(false);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.earlier_bytes.get() + self.disk.borrow().as_ref().map_or(0, VirtualDisk::bytes_written)
    }

    /// Ends the process that makes the `calls`-th changing call from now.
    pub(crate) fn strike_at(&self, calls: u64, blow: Blow) {
        self.countdown.set(Some((calls, blow)));
    }

    /// A person edits the document when the daemon takes the storage lock for its next write: it has read, and has not swapped yet.
    pub(crate) fn intrude(&self, edit: u64) {
        self.intrusion.set(Some(edit));
    }

    pub(crate) fn intruded(&self) -> bool {
        self.intruded.take()
    }

    /// Whether the daemon wrote the document since this was asked last.
    pub(crate) fn wrote(&self) -> bool {
        self.wrote.take()
    }

    /// A request that is on the wire for as long as this is held.
    pub(crate) fn request(self: &Rc<Self>, of_daemon: bool) -> OnTheWire {
        self.on_the_wire.set(self.on_the_wire.get() + 1);
        self.daemons_requests.set(self.daemons_requests.get() + u32::from(of_daemon));
        OnTheWire { watch: Rc::clone(self), of_daemon }
    }

    /// I6: an orderly stop waits for what is on the wire.
    pub(crate) fn stopped(&self) {
        if self.daemons_requests.get() > 0 {
            self.complain("I6: an orderly stop cut a request that was on the wire");
        }
    }

    pub(crate) fn others_wrote(&self) {
        self.others_wrote.set(true);
    }

    pub(crate) fn struck(&self) -> Option<Blow> {
        self.struck.take()
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.borrow().clone()
    }

    pub(crate) fn holds_storage_lock(&self) -> bool {
        self.locked.get()
    }

    pub(crate) fn complain(&self, what: impl Into<String>) {
        let what = what.into();
        if self.end_at_failure.get() {
            end(&format!("seed {}: {what}", self.seed.get()));
        }
        let mut complaints = self.complaints.borrow_mut();
        if complaints.len() < 20 {
            complaints.push(what);
        }
    }

    /// Lets somebody see every call of the daemon first, or nobody any more.
    pub(crate) fn sabotage(&self, saboteur: Option<Saboteur>) {
        *self.saboteur.borrow_mut() = saboteur;
    }

    fn look(&self, call: &Call, own: &VirtualDisk, others: &VirtualDisk) -> Option<std::io::Error> {
        let saboteur = self.saboteur.borrow().clone();
        let failed = saboteur.and_then(|saboteur| saboteur(call, own));
        if !own.is_alive() {
            return failed;
        }
        if failed.is_none() {
            self.observe(call, own, others);
        } else if is(&call.path, STORAGE_LOCK) {
            // Where a disk twice refuses to show a lock, or to let it go, nobody can.
            self.refused.set(self.refused.get() + 1);
            self.locked.set(self.locked.get() && self.refused.get() < 2);
        }
        failed
    }

    fn observe(&self, call: &Call, own: &VirtualDisk, others: &VirtualDisk) {
        if !call.operation.changes() {
            return;
        }
        if self.is_over(call) {
            own.kill();
            return;
        }
        match call.operation {
            Operation::CreateFolder if is(&call.path, STORAGE_LOCK) && !others.exists(STORAGE_LOCK) => {
                self.locked.set(true);
                self.refused.set(0);
                self.edit(others);
            }
            Operation::RemoveFolder if is(&call.path, STORAGE_LOCK) => self.locked.set(false),
            Operation::Sync | Operation::SyncFolder => {
                self.renamed.set(false);
                // The disk itself may have refused to make it.
                if self.locked.get() && others.exists(STORAGE_LOCK) {
                    self.complain("I3: the storage lock is held over an fsync");
                }
            }
            Operation::Rename if call.to.as_ref().is_some_and(|to| is(to, STORE)) => {
                self.renamed.set(true);
                self.wrote.set(true);
                self.strike.notify_one();
                self.writes.set(self.writes.get() + 1);
                if self.others_wrote.take() || self.writes.get().is_multiple_of(COMPARED) {
                    self.compare(others, &call.path);
                }
            }
            _ => {}
        }
    }

    fn edit(&self, others: &VirtualDisk) {
        let Some(number) = self.intrusion.take() else { return };
        let read = others.read(Path::new(STORE), u64::MAX).ok();
        let Some(document) = read.and_then(|(bytes, _)| serde_json::from_slice::<Value>(&bytes).ok()) else {
            return;
        };
        let edited = changed(&document, 0, &Change::Edit(number)).to_string();
        let beside = Path::new("/c/.credentials.json.edited");
        let written = others
            .create_file(beside, 0o600)
            .and_then(|file| others.append(&file, edited.as_bytes()))
            .and_then(|()| others.rename(beside, Path::new(STORE)));
        if written.is_err() {
            let _ = others.remove_file(beside);
            return;
        }
        self.others_wrote.set(true);
        self.intruded.set(true);
        self.strike.notify_one();
    }

    /// Counts down to the chosen call. An answer that has just arrived gets to the journal first: no kill falls into no time.
    fn is_over(&self, call: &Call) -> bool {
        let Some((left, blow)) = self.countdown.get() else { return false };
        let answer = call.operation == Operation::Append && is(&call.path, JOURNAL);
        // The instants right after a rename are the most delicate ones: half of what is chosen waits for one.
        let wait = answer || self.on_the_wire.get() > 0 || left % 2 == 1 && left < 3 && !self.renamed.get();
        if left > 0 && !(left == 1 && wait) {
            self.countdown.set(Some((left - 1, blow)));
            return false;
        }
        if wait {
            return false;
        }
        self.countdown.set(None);
        self.struck.set(Some(blow));
        self.strike.notify_one();
        true
    }

    /// I4: outside of the members that hold tokens the new document is the old one, and no entry goes back to an older token.
    fn compare(&self, others: &VirtualDisk, staged: &Path) {
        let read = |path: &Path| {
            let (bytes, _) = others.read(path, u64::MAX).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        if !self.asked_for.get() && !others.exists(STORE) {
            self.complain("I5: the document was deleted and is back");
        }
        let (Some(mut old), Some(mut new)) = (read(Path::new(STORE)), read(staged)) else { return };
        if self.asked_for.get() {
            // What is absent may come back at a person's word; nothing else may change for that.
            let known = old.get("mcpOAuth").and_then(Value::as_object);
            let known: Vec<String> = known.into_iter().flat_map(|known| known.keys().cloned()).collect();
            if let Some(new) = new.get_mut("mcpOAuth").and_then(Value::as_object_mut) {
                new.retain(|key, _| known.contains(key));
            }
        }
        if let (Some(old), Some(new)) = (old.get("mcpOAuth"), new.get("mcpOAuth")) {
            let holds =
                |entry: Option<&Value>, member: &str| entry.is_some_and(|entry| entry.get(member).is_some());
            for (key, entry) in new.as_object().into_iter().flatten() {
                // Absent, or the stub of a logout, which has no `expiresAt`.
                let before = old.get(key);
                let removed = !holds(before, "refreshToken") && !holds(before, "expiresAt");
                if removed && holds(Some(entry), "refreshToken") {
                    self.complain(format!("I5: {key} was removed and is back"));
                }
            }
            for (key, entry) in old.as_object().into_iter().flatten() {
                let generation = |entry: Option<&Value>| parts(entry?.get("refreshToken")?.as_str()?);
                if let (Some(before), Some(after)) = (generation(Some(entry)), generation(new.get(key)))
                    && after < before
                {
                    self.complain(format!("I4: {key} went back from {before:?} to {after:?}"));
                }
            }
        }
        mask(&mut old);
        mask(&mut new);
        if old != new {
            self.complain(format!("I4: more than tokens changed: {old} became {new}"));
        }
    }
}

/// A request on the wire.
pub(crate) struct OnTheWire {
    watch: Rc<Watch>,
    of_daemon: bool,
}

impl Drop for OnTheWire {
    fn drop(&mut self) {
        let watch = &self.watch;
        watch.on_the_wire.set(watch.on_the_wire.get() - 1);
        watch.daemons_requests.set(watch.daemons_requests.get() - u32::from(self.of_daemon));
    }
}

pub(crate) fn is(path: &Path, name: &str) -> bool {
    path.as_os_str() == name
}

/// Takes out what a refresh may change, and what a failed refresh of a client takes and a heal brings back.
pub(crate) fn mask(document: &mut Value) {
    let entries = document.get_mut("mcpOAuth").and_then(Value::as_object_mut);
    for entry in entries.into_iter().flat_map(|entries| entries.values_mut()).filter_map(Value::as_object_mut)
    {
        for member in
            ["accessToken", "refreshToken", "expiresAt", "scope", "clientId", "issuer", "redirectUri"]
        {
            entry.remove(member);
        }
    }
}

/// Ends the program with a failure: there is nothing to be learnt from what comes after it.
pub(crate) fn end(what: &str) -> ! {
    eprintln!("FAILURE {what}");
    std::process::exit(1)
}
