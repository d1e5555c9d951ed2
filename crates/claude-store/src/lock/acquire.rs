use super::guard::Held;
use super::{LockError, LockKind, Locks, OBSERVATION, Sighting};
use crate::{FileKind, FileSystem};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The first pause between two tries: the storage lock is held for milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What stands in a lock's place.
struct Look {
    sighting: Sighting,
    /// `None` where the lock is dated ahead.
    age: Option<Duration>,
    suspicious: bool,
}

impl<F: FileSystem> Locks<F> {
    pub(super) async fn acquire(
        &self,
        path: PathBuf,
        kind: LockKind,
        patience: Duration,
    ) -> Result<Held<F>, LockError> {
        let files = &self.shared.files;
        let patient_until = Instant::now() + patience;
        let mut pause = Pause::new(files.now());
        loop {
            if kind == LockKind::Storage {
                // I3: a rename waits for a sync under way on the same disk (measured: 15 ms), so the lock is taken when there is none.
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
            let look = self.look(&path, kind)?;
            let now = Instant::now();
            let stealable_at =
                look.as_ref().filter(|look| look.suspicious).map(|look| look.sighting.since + OBSERVATION);
            if let Some(look) = &look
                && stealable_at.is_some_and(|at| now >= at)
            {
                self.shared.seen.borrow_mut().remove(&path);
                self.steal(&path, look.sighting)?;
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

    /// Looks at a lock of somebody else; `None` when it has just gone.
    fn look(&self, path: &Path, kind: LockKind) -> Result<Option<Look>, LockError> {
        let stamp = match self.shared.files.link_stamp(path) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LockError::Io { path: path.to_owned(), source }),
        };
        if stamp.kind != FileKind::Folder {
            return Err(LockError::IsFile { path: path.to_owned() });
        }
        let age = self.shared.files.now().duration_since(stamp.modified).ok();
        let mut seen = self.shared.seen.borrow_mut();
        let sighting = match seen.get(path) {
            Some(sighting) if sighting.is_of(&stamp) => *sighting,
            _ => {
                let (identity, modified) = (stamp.identity(), stamp.modified);
                let sighting = Sighting { identity, modified, since: Instant::now() };
                seen.insert(path.to_owned(), sighting);
                sighting
            }
        };
        Ok(Some(Look { sighting, age, suspicious: age.is_none_or(|age| age > kind.stale_after()) }))
    }
}

/// Growing pauses with some jitter, so that two waiters do not stay in step.
struct Pause {
    next: Duration,
    noise: u64,
}

impl Pause {
    fn new(now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { next: FIRST_PAUSE, noise: u64::from(since.subsec_nanos()) | 1 }
    }

    fn next(&mut self) -> Duration {
        // Marsaglia's xorshift: waiters need to differ, not to be unpredictable.
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let pause = self.next;
        self.next = (self.next * 3 / 2).min(LONGEST_PAUSE);
        let percent = u32::try_from(75 + self.noise % 26).unwrap_or(100);
        pause * percent / 100
    }
}
