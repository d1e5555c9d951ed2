use super::guard::Held;
use super::{LeftLock, LockError, Locks, OBSERVATION, Sighting, Wait};
use crate::{FileKind, FileSystem};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The first retry delay: the storage lock is held for milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest retry delay.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A lock found at the path.
struct Look {
    sighting: Sighting,
    /// `None` if the lock is dated in the future.
    age: Option<Duration>,
    suspicious: bool,
}

impl<F: FileSystem> Locks<F> {
    pub(super) async fn acquire(&self, path: PathBuf, wait: Wait) -> Result<Held<F>, LockError> {
        let files = &self.shared.files;
        let patient_until = Instant::now() + wait.patience;
        let mut pause = Pause::new(files.now());
        loop {
            if wait.calm {
                files.calm().await;
            }
            match files.create_folder(&path, 0o700) {
                Ok(()) => {
                    self.shared.seen.borrow_mut().remove(&path);
                    return Held::new(files.clone(), path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(LockError::Io { path, source }),
            }
            let look = self.look(&path, wait.stale_after)?;
            let now = Instant::now();
            let stealable_at =
                look.as_ref().filter(|look| look.suspicious).map(|look| look.sighting.since + OBSERVATION);
            if let Some(look) = &look
                && stealable_at.is_some_and(|at| now >= at)
            {
                self.shared.seen.borrow_mut().remove(&path);
                self.steal(&path, look.sighting.lock)?;
                continue;
            }
            let deadline = stealable_at.map_or(patient_until, |at| patient_until.max(at));
            if now >= deadline {
                let age = look.map_or(Some(Duration::ZERO), |look| look.age);
                return Err(LockError::Held { path, age });
            }
            let next = (now + pause.next()).min(deadline);
            tokio::time::sleep_until(stealable_at.map_or(next, |at| next.min(at))).await;
        }
    }

    /// Inspects another process's lock; `None` if it has just disappeared.
    fn look(&self, path: &Path, stale_after: Duration) -> Result<Option<Look>, LockError> {
        let stamp = match self.shared.files.link_stamp(path) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LockError::Io { path: path.to_owned(), source }),
        };
        if stamp.kind != FileKind::Folder {
            return Err(LockError::IsFile { path: path.to_owned() });
        }
        let age = self.shared.files.now().duration_since(stamp.modified).ok();
        let lock = LeftLock::of(&stamp);
        let mut seen = self.shared.seen.borrow_mut();
        let sighting = match seen.get(path) {
            Some(sighting) if sighting.lock == lock => *sighting,
            _ => {
                let sighting = Sighting { lock, since: Instant::now() };
                seen.insert(path.to_owned(), sighting);
                sighting
            }
        };
        Ok(Some(Look { sighting, age, suspicious: age.is_none_or(|age| age > stale_after) }))
    }
}

/// Growing pauses with some jitter, so that two waiters do not stay in step.
struct Pause {
    next: Duration,
    jitter: fastrand::Rng,
}

impl Pause {
    fn new(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Seeded by the clock, so that runs in virtual time are reproducible.
        Self { next: FIRST_PAUSE, jitter: fastrand::Rng::with_seed(since.subsec_nanos().into()) }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 3 / 2).min(LONGEST_PAUSE);
        pause * self.jitter.u32(75..=100) / 100
    }
}
