use crate::settings::paths::Paths;
use std::fs;
use std::path::PathBuf;

/// Its name in the state folder.
const NAME: &str = "restart-owed";

/// That a running service has to be started again for what is new. It is on disk before anything is changed: when a kill comes between the
/// change and the restart, the next installation finds every file as it should be, and only this says that the service does not know them.
#[derive(Debug)]
pub(super) struct Restart {
    file: PathBuf,
    was_owed: bool,
}

impl Restart {
    /// Before the first change. Noted only where a service runs; whatever is started later starts with what is new.
    pub(super) fn noted(paths: &Paths, runs: bool) -> Self {
        let file = paths.state.join(NAME);
        let was_owed = file.symlink_metadata().is_ok();
        if runs {
            // Where it cannot be noted everything else goes on: it takes a kill in the wrong moment to miss it.
            let _ = fs::File::create_new(&file);
        }
        Self { file, was_owed }
    }

    /// Whether an earlier installation did not come to its restart.
    pub(super) fn was_owed(&self) -> bool {
        self.was_owed
    }

    /// Nothing was changed after all.
    pub(super) fn taken_back(&self) {
        if !self.was_owed {
            self.done();
        }
    }

    /// The service runs by what is on disk.
    pub(super) fn done(&self) {
        // One that stays costs a restart that nobody needs.
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn paths(state: &Path) -> Paths {
        Paths { home: PathBuf::new(), config: PathBuf::new(), state: state.to_owned(), sockets: Vec::new() }
    }

    #[test]
    fn a_restart_is_owed_until_it_is_done() {
        let place = tempfile::tempdir().unwrap();
        let paths = paths(place.path());
        assert!(!Restart::noted(&paths, true).was_owed());
        // Killed here; the next one fails and takes everything back.
        let second = Restart::noted(&paths, true);
        second.taken_back();
        let third = Restart::noted(&paths, true);
        assert!(second.was_owed() && third.was_owed());
        third.done();
        assert!(!Restart::noted(&paths, false).was_owed());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_taken_back_owes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let paths = paths(place.path());
        Restart::noted(&paths, true).taken_back();
        assert!(!Restart::noted(&paths, true).was_owed());
    }
}
