use crate::nodes::Disk;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// The owner of everything on a new disk.
const USER: u32 = 1000;

/// A disk as seen by one process. Clones are the same process; [`process`](Self::process) creates another.
#[derive(Clone)]
pub struct VirtualDisk {
    pub(crate) disk: Rc<RefCell<Disk>>,
    pub(crate) process: Rc<Process>,
}

/// Called with each call; `Some` makes the call fail without effect.
type Hook = Box<dyn FnMut(&Call) -> Option<io::Error>>;

pub(crate) struct Process {
    pub(crate) user: Cell<u32>,
    alive: Cell<bool>,
    hook: RefCell<Option<Hook>>,
    recording: Cell<bool>,
    pub(crate) written: Cell<u64>,
    calls: RefCell<Vec<Call>>,
}

/// One call to the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// Its path; for an open file, the path it was opened with.
    pub path: PathBuf,
    /// The target of a rename.
    pub to: Option<PathBuf>,
}

/// The kinds of calls: one for each method of [`claude_store::FileSystem`] that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its method")]
pub enum Operation {
    Read,
    Stamp,
    LinkStamp,
    Resolve,
    List,
    CreateFolder,
    RemoveFolder,
    RemoveFile,
    Rename,
    RenameExclusive,
    Obstacle,
    Touch,
    CreateFile,
    OpenToAppend,
    Reserve,
    Append,
    Truncate,
    SetMode,
    FileStamp,
    Sync,
    SyncFolder,
}

impl Operation {
    /// Whether the call changes the disk or makes something durable.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Read
                | Self::Stamp
                | Self::LinkStamp
                | Self::Resolve
                | Self::List
                | Self::Obstacle
                | Self::FileStamp
        )
    }
}

impl Default for VirtualDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualDisk {
    /// An empty disk whose clock shows a day in November 2026.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000))
    }

    /// An empty disk whose clock shows this time.
    #[must_use]
    pub fn starting_at(base: SystemTime) -> Self {
        Self { disk: Rc::new(RefCell::new(Disk::new(base))), process: Process::new(USER) }
    }

    /// The same disk as seen by another process of the same user, with its own hook and trace, killed separately.
    #[must_use]
    pub fn process(&self) -> Self {
        Self { disk: Rc::clone(&self.disk), process: Process::new(self.process.user.get()) }
    }

    /// Ends the process like `kill -9`: nothing on the disk is lost, and later calls through this handle or its clones have no effect, so
    /// that guards can be dropped without cleaning up.
    pub fn kill(&self) {
        self.process.alive.set(false);
    }

    /// Whether the process is still alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.alive.get()
    }

    /// Installs a hook that sees every later call of this process; an error that it returns becomes the call's result, and the call has no
    /// effect. The hook may use other handles of the disk.
    pub fn on_call(&self, hook: impl FnMut(&Call) -> Option<io::Error> + 'static) {
        *self.process.hook.borrow_mut() = Some(Box::new(hook));
    }

    /// Removes the hook.
    pub fn no_hook(&self) {
        *self.process.hook.borrow_mut() = None;
    }

    /// Every call of this process since it started or since [`forget_calls`](Self::forget_calls).
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.process.calls.borrow().clone()
    }

    /// Clears the trace.
    pub fn forget_calls(&self) {
        self.process.calls.borrow_mut().clear();
    }

    /// Whether calls are traced; long simulations save the memory.
    pub fn record_calls(&self, recording: bool) {
        self.process.recording.set(recording);
    }

    /// The number of bytes that this process has appended to files.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.process.written.get()
    }

    /// Starts a call: fails if the process was killed, then traces it, then calls the hook.
    pub(crate) fn begin(&self, operation: Operation, path: &Path, to: Option<&Path>) -> io::Result<()> {
        self.alive()?;
        let process = &self.process;
        let hooked = process.hook.borrow().is_some();
        if !hooked && !process.recording.get() {
            return Ok(());
        }
        let call = Call { operation, path: path.to_owned(), to: to.map(Path::to_owned) };
        let hook = process.hook.borrow_mut().take();
        let error = hook.and_then(|mut hook| {
            let error = hook(&call);
            // Unless the hook has installed another.
            process.hook.borrow_mut().get_or_insert(hook);
            error
        });
        if process.recording.get() {
            process.calls.borrow_mut().push(call);
        }
        // The hook may have killed the process.
        self.alive()?;
        error.map_or(Ok(()), Err)
    }

    pub(crate) fn alive(&self) -> io::Result<()> {
        if self.is_alive() { Ok(()) } else { Err(io::Error::other("the process was killed")) }
    }
}

impl Process {
    pub(crate) fn new(user: u32) -> Rc<Self> {
        Rc::new(Self {
            user: Cell::new(user),
            alive: Cell::new(true),
            hook: RefCell::default(),
            recording: Cell::new(true),
            written: Cell::default(),
            calls: RefCell::default(),
        })
    }
}

impl std::fmt::Debug for VirtualDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VirtualDisk").field("alive", &self.is_alive()).finish_non_exhaustive()
    }
}
