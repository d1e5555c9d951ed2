//! A home folder of another user: under a `sudo` that keeps `HOME`, say.

use crate::platform::files::{self, HOME_VARIABLE};
use crate::platform::process::{is_root, user_id};
use crate::settings::config::{Config, ListedStore};
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::visible;
use claude_store::StorageFolder;
use std::io;
use std::path::{Path, PathBuf};

/// The home folder and the logins in it are another user's: what this process would write there would be in that user's way.
pub(crate) struct ForeignHome {
    home: PathBuf,
    owner: u32,
    /// Whether this process may not even read the logins.
    pub(crate) is_closed: bool,
}

impl ForeignHome {
    /// `None` if the logins are this user's. A container may run with a home folder of somebody else and logins of its own.
    pub(crate) fn of(paths: &Paths) -> Option<Self> {
        let us = user_id();
        let owner = files::owner(&std::fs::metadata(&paths.home).ok()?);
        if owner == us {
            return None;
        }
        let store = StorageFolder::from_env(&|name| std::env::var_os(name), &paths.home);
        let owners = Owners {
            store: owner_of(&store.credentials_path(), owner).or_else(|| owner_of(store.path(), owner)),
            state: owner_of(&paths.state, owner),
            sudo: std::env::var("SUDO_UID").ok().and_then(|id| id.parse().ok()),
        };
        let found = is_theirs(owner, us, &owners) && !lists_one_of(us, paths);
        let is_closed = || {
            let read = std::fs::File::open(store.credentials_path());
            read.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        found.then(|| Self { home: paths.home.clone(), owner, is_closed: is_closed() })
    }

    pub(crate) fn means(&self) -> String {
        let (theirs, ours) = (remedy::user(self.owner), remedy::user(user_id()));
        let home = visible(&self.home.display().to_string());
        format!("{HOME_VARIABLE} is {home}, which belongs to user {theirs}, and you are user {ours}")
    }

    /// This command for that user, or what makes it this user's.
    pub(crate) fn cure(&self) -> String {
        let arguments: Vec<_> =
            std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let command = remedy::as_user(self.owner, &arguments);
        match is_root() {
            true => command,
            false => format!("{command}, or set {HOME_VARIABLE} to your own home folder"),
        }
    }

    /// What goes before the cure.
    pub(crate) fn says(&self) -> String {
        format!("{}; to run this as user {}, type:", self.means(), remedy::user(self.owner))
    }

    /// All of it.
    pub(crate) fn sentence(&self) -> String {
        format!("{} {}", self.says(), self.cure())
    }
}

impl From<ForeignHome> for Failure {
    fn from(foreign: ForeignHome) -> Self {
        Self::new(Exit::Usage, foreign.sentence())
    }
}

/// Whose the things in a home folder are, as far as they exist.
struct Owners {
    store: Option<u32>,
    state: Option<u32>,
    /// Who typed `sudo`.
    sudo: Option<u32>,
}

/// Whether the home's owner is the one whose logins are meant. The store decides where there is one: an earlier `sudo` may have made the rest.
fn is_theirs(owner: u32, us: u32, found: &Owners) -> bool {
    owner != us && found.store.or(found.state).or(found.sudo) == Some(owner)
}

/// What nobody else may look at is the home's owner's.
fn owner_of(path: &Path, home: u32) -> Option<u32> {
    match std::fs::metadata(path) {
        Ok(metadata) => Some(files::owner(&metadata)),
        Err(error) => (error.kind() == io::ErrorKind::PermissionDenied).then_some(home),
    }
}

/// Whether the configuration lists a store of this user.
fn lists_one_of(us: u32, paths: &Paths) -> bool {
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    config.stores.iter().flatten().any(|store| match store {
        ListedStore::Default => false,
        ListedStore::Folder(folder) => {
            std::fs::metadata(folder).is_ok_and(|metadata| files::owner(&metadata) == us)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: u32 = 1000;
    const ROOT: u32 = 0;

    fn theirs(store: Option<u32>, state: Option<u32>, sudo: Option<u32>) -> bool {
        is_theirs(ALICE, ROOT, &Owners { store, state, sudo })
    }

    #[test]
    fn the_logins_say_whose_the_home_is_then_the_state_then_who_typed_sudo() {
        assert!(theirs(Some(ALICE), None, None) && theirs(None, Some(ALICE), None));
        assert!(theirs(Some(ALICE), Some(ROOT), None), "a `sudo` before this one made the state folder");
        assert!(!theirs(Some(ROOT), Some(ALICE), Some(ALICE)) && !theirs(None, Some(ROOT), Some(ALICE)));
        assert!(theirs(None, None, Some(ALICE)));
        assert!(!theirs(None, None, None), "a container with an empty home folder");
        let ours = Owners { store: Some(ALICE), state: None, sudo: None };
        assert!(!is_theirs(ALICE, ALICE, &ours));
    }
}
