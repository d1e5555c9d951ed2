use crate::platform::files;
use crate::platform::process::may_run;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More than any process id and paths need.
const LARGEST: u64 = 8192;

/// Proves that no other process of this user refreshes with this state folder. Released when dropped, or when the process exits.
#[derive(Debug)]
#[must_use = "the lock is held only as long as this lives"]
pub(crate) struct Instance {
    /// Locked as long as it is open.
    _lock: File,
    /// Where the holder identifies itself; on most systems the same file.
    told: File,
    path: PathBuf,
}

/// Why this process must not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    #[error("mcp-refreshd is already running ({}) and holds {}; see `mcp-refreshd status`", holder(.pid), path.display())]
    Held { path: PathBuf, pid: Option<u32> },
    #[error("the lock file {} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "process id unknown".to_owned(), |pid| format!("process {pid}"))
}

/// What the lock's holder wrote into it. It outlives the holder: only a connection to its socket proves that it is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// Where it listens, if it does.
    pub(crate) socket: Option<PathBuf>,
    /// Its log file, if it has one.
    pub(crate) log: Option<PathBuf>,
    /// It is an agent that could make no socket, and goes on without.
    pub(crate) without_socket: bool,
    /// It is shutting down: it only finishes the refreshes in flight.
    pub(crate) ending: bool,
}

/// A further line of the lock file of an agent that could make no socket.
const WITHOUT_SOCKET: &str = "without-socket";

/// The last line of the lock file of an agent that is shutting down.
const ENDING: &str = "ending";
/// How often to retry the lock of an agent that is shutting down.
const LOOK: Duration = Duration::from_millis(100);

fn lock_path(state: &Path) -> PathBuf {
    state.join("lock")
}

impl Instance {
    /// Claims this state folder.
    ///
    /// # Errors
    /// Another process holds it; the error names its id.
    pub(crate) fn claim(state: &Path) -> Result<Self, InstanceError> {
        let path = lock_path(state);
        let failed = |source| InstanceError::Io { path: path.clone(), source };
        let open = |path: &Path| {
            files::opening_no_link().read(true).write(true).create(true).truncate(false).open(path)
        };
        let lock = open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(InstanceError::Held { pid: holder_of(state).map(|holder| holder.pid), path });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let path = state.join(files::HOLDER);
        let told = if path == lock_path(state) { lock.try_clone() } else { open(&path) };
        let told = told.map_err(|source| InstanceError::Io { path: path.clone(), source })?;
        let instance = Self { _lock: lock, told, path };
        // A one-off refresh is not an agent, so keep the last agent's log file.
        let log = holder_of(state).and_then(|before| before.log);
        instance.tell(None, log.as_deref())?;
        Ok(instance)
    }

    /// Claims this state folder after an agent that is shutting down: an upgrade starts the new agent while the old one still waits for an
    /// answer. Does not wait for an agent that keeps running. Blocks the thread.
    ///
    /// # Errors
    /// As [`claim`](Self::claim), or the old agent does not exit within `patience`.
    pub(crate) fn claim_after(state: &Path, patience: Duration) -> Result<Self, InstanceError> {
        let began = Instant::now();
        let mut told = false;
        loop {
            match Self::claim(state) {
                Err(InstanceError::Held { pid, .. })
                    if began.elapsed() < patience && holder_of(state).is_some_and(|holder| holder.ending) =>
                {
                    if !told {
                        tracing::info!("waiting for the previous agent to exit ({})", holder(&pid));
                        told = true;
                    }
                    std::thread::sleep(LOOK);
                }
                end => return end,
            }
        }
    }

    /// Notes that this process is shutting down.
    ///
    /// # Errors
    /// The lock file cannot be written.
    pub(crate) fn ending(&self) -> Result<(), InstanceError> {
        self.add(ENDING)
    }

    /// Notes that this process is an agent that could make no socket: no command of the moment that has none.
    ///
    /// # Errors
    /// The lock file cannot be written.
    pub(crate) fn without_socket(&self) -> Result<(), InstanceError> {
        self.add(WITHOUT_SOCKET)
    }

    fn add(&self, word: &str) -> Result<(), InstanceError> {
        (&self.told)
            .write_all(format!("{word}\n").as_bytes())
            .map_err(|source| InstanceError::Io { path: self.path.clone(), source })
    }

    /// Tells clients this process's id, socket and log file.
    ///
    /// # Errors
    /// The lock file cannot be written.
    pub(crate) fn tell(&self, socket: Option<&Path>, log: Option<&Path>) -> Result<(), InstanceError> {
        let write = || -> io::Result<()> {
            let mut text = format!("{}\n", std::process::id()).into_bytes();
            // One line each, empty if there is none: versions without a third line read the first two.
            for path in [socket, log] {
                text.extend_from_slice(path.map_or(&[], |path| path.as_os_str().as_encoded_bytes()));
                text.push(b'\n');
            }
            let mut file = &self.told;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&text)
        };
        write().map_err(|source| InstanceError::Io { path: self.path.clone(), source })
    }
}

/// Who last wrote the lock file; `None` if its content is missing or useless.
pub(crate) fn holder_of(state: &Path) -> Option<Holder> {
    let mut bytes = Vec::new();
    let file = files::opening_no_link().read(true).open(state.join(files::HOLDER)).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let pid = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
    let mut path = || lines.next().filter(|line| !line.is_empty()).map(files::path_from_bytes);
    let (socket, log) = (path(), path());
    let words: Vec<_> = lines.collect();
    let has = |word: &str| words.contains(&word.as_bytes());
    Some(Holder { pid, socket, log, without_socket: has(WITHOUT_SOCKET), ending: has(ENDING) })
}

/// As [`holder_of`], but waits up to `patience` for the socket of an agent that is just starting. Blocks the thread.
pub(crate) fn holder_once_started(state: &Path, patience: Duration) -> Option<Holder> {
    let until = Instant::now() + patience;
    loop {
        let holder = holder_of(state)?;
        let starting = holder.socket.is_none() && !holder.without_socket && may_run(holder.pid);
        if !starting || Instant::now() >= until {
            return Some(holder);
        }
        std::thread::sleep(LOOK);
    }
}

/// The agent that holds the lock of this state folder and could make no socket.
pub(crate) fn holder_without_socket(state: &Path) -> Option<u32> {
    let holder = holder_of(state).filter(|holder| holder.without_socket && may_run(holder.pid))?;
    let lock = files::opening_no_link().read(true).open(lock_path(state)).ok()?;
    // Shared and only for this moment. Where its holder has ended, no lock is tried at all: an agent might be starting.
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some(holder.pid)
}

impl From<InstanceError> for Failure {
    fn from(error: InstanceError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_learns_the_first_ones_process_id() {
        let state = tempfile::tempdir().unwrap();
        let first = Instance::claim(state.path()).unwrap();
        let told = Instance::claim(state.path()).unwrap_err().to_string();
        assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
        drop(first);
        drop(Instance::claim(state.path()).unwrap());
    }

    #[test]
    fn an_agent_that_could_make_no_socket_is_known_as_long_as_it_runs() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(holder_without_socket(state.path()), None);
        let instance = Instance::claim(state.path()).unwrap();
        assert_eq!(holder_without_socket(state.path()), None, "a command has none either");
        instance.without_socket().unwrap();
        assert_eq!(holder_without_socket(state.path()), Some(std::process::id()));
        instance.ending().unwrap();
        assert!(holder_of(state.path()).unwrap().ending);
        drop(instance);
        assert_eq!(holder_without_socket(state.path()), None);
        drop(Instance::claim(state.path()).unwrap());
    }

    #[test]
    fn clients_find_the_socket_through_the_lock() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(holder_of(state.path()), None);
        let instance = Instance::claim(state.path()).unwrap();
        let pid = std::process::id();
        assert_eq!(
            holder_of(state.path()),
            Some(Holder { pid, socket: None, log: None, without_socket: false, ending: false })
        );
        instance.tell(Some(Path::new("/run/user/1000/s.sock")), None).unwrap();
        assert_eq!(
            holder_of(state.path()),
            Some(Holder {
                pid,
                socket: Some("/run/user/1000/s.sock".into()),
                log: None,
                without_socket: false,
                ending: false
            })
        );
        instance.tell(None, Some(Path::new("/log"))).unwrap();
        instance.ending().unwrap();
        let log = Some("/log".into());
        assert_eq!(
            holder_of(state.path()),
            Some(Holder { pid, socket: None, log, without_socket: false, ending: true })
        );
        drop(instance);
        let next = Instance::claim(state.path()).unwrap();
        let log = Some("/log".into());
        assert_eq!(
            holder_of(state.path()),
            Some(Holder { pid, socket: None, log, without_socket: false, ending: false })
        );
        drop(next);
        std::fs::write(state.path().join(files::HOLDER), "nonsense\n").unwrap();
        assert_eq!(holder_of(state.path()), None);
    }
}
