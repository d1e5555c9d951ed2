use crate::platform::files::HOME_VARIABLE;
use crate::platform::process::user_id;
use crate::platform::{CONFIG_FOLDER, STATE_FOLDER, files, sockets};
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::remedy;
use crate::terminal::wording::visible;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "mcp-refreshd";

/// Where our files are: the XDG base directories, on every system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The user's home folder.
    pub(crate) home: PathBuf,
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The folder with the journal, the records and the lock.
    pub(crate) state: PathBuf,
    /// Where the control socket may be, in order of preference.
    pub(crate) sockets: Vec<PathBuf>,
}

/// The environment does not name a home folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoHome {
    #[error(
        "${HOME_VARIABLE} is not set, so there is nowhere to keep configuration and state; set it and try again"
    )]
    Unset,
    #[error(
        "${HOME_VARIABLE} is {}, which is not an absolute path, so there is nowhere to keep configuration and state; set it and try again",
        visible(&.0.display().to_string())
    )]
    Relative(PathBuf),
}

impl Paths {
    /// Derives the paths from an environment.
    ///
    /// # Errors
    /// There is no home folder.
    pub(crate) fn from_env(env: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, NoHome> {
        // The specification says to ignore relative paths.
        let absolute = |variable: &str| env(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        let named = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).ok_or(NoHome::Unset)?;
        let home = absolute("HOME").ok_or(NoHome::Relative(named))?;
        let folder = |(variable, usual): (&str, &str)| absolute(variable).unwrap_or_else(|| home.join(usual));
        let (config, state) = (folder(CONFIG_FOLDER), folder(STATE_FOLDER).join(NAME));
        let sockets = sockets::places(&state, absolute("XDG_RUNTIME_DIR").map(|folder| folder.join(NAME)));
        Ok(Self { config: config.join(NAME).join("config.toml"), sockets, state, home })
    }

    /// The paths for this process's environment.
    ///
    /// # Errors
    /// There is no home folder.
    pub(crate) fn of_this_process() -> Result<Self, NoHome> {
        // A service without $HOME still has an entry in the user database.
        let home = || std::env::home_dir().map(PathBuf::into_os_string);
        Self::from_env(&|variable| match variable {
            "HOME" => home(),
            other => std::env::var_os(other),
        })
    }
}

/// The home folder does not exist, and creating it is not our job.
#[derive(Debug, thiserror::Error)]
#[error("the home folder {} does not exist, and mcp-refreshd does not create it; set {HOME_VARIABLE} to yours", .0.display())]
pub(crate) struct NoHomeFolder(PathBuf);

impl Paths {
    /// Checks that the home folder exists before anything is created in it.
    ///
    /// # Errors
    /// It does not exist.
    pub(crate) fn home_exists(&self) -> Result<(), NoHomeFolder> {
        if self.home.is_dir() { Ok(()) } else { Err(NoHomeFolder(self.home.clone())) }
    }
}

impl From<NoHomeFolder> for Failure {
    fn from(error: NoHomeFolder) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

/// One of our folders cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the folder {} cannot be created or read: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a folder; move it away", path.display())]
    NotAFolder { path: PathBuf },
    #[error(
        "the folder {} belongs to user {}, not to you; if it is yours, type: {}; else move it away", path.display(), remedy::user(*owner),
        remedy::give_with_content(user_id(), path)
    )]
    NotOurs { path: PathBuf, owner: u32 },
    #[error(
        "{} belongs to user {}, who put it into a folder of yours while others could write there; look at it, and move it \
         away", path.display(), remedy::user(*owner)
    )]
    Planted { path: PathBuf, owner: u32 },
}

/// Creates a private folder and its missing parents. An existing one is checked: it must be our folder, or our link to one,
/// and access for others is removed. Its files must be ours, too: we would trust a journal or a record that another user left
/// there while that was possible.
///
/// # Errors
/// Says what is wrong with the folder and what to do.
pub(crate) fn private_folder(path: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io { path: path.to_owned(), source };
    match files::make_private_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        other => other.map_err(failed)?,
    }
    let us = user_id();
    let ours = |owner: u32| match owner == us {
        true => Ok(()),
        false => Err(FolderError::NotOurs { path: path.to_owned(), owner }),
    };
    // Both the link, if it is one, and its target.
    ours(files::owner(&std::fs::symlink_metadata(path).map_err(failed)?))?;
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        return Err(FolderError::NotAFolder { path: path.to_owned() });
    }
    ours(files::owner(&metadata))?;
    if files::mode(&metadata) & 0o077 != 0 {
        files::set_mode(path, 0o700).map_err(failed)?;
    }
    // From here on nobody else can write there.
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Of a link, the link itself. Files that disappear meanwhile do not matter.
        if let Ok(metadata) = entry.metadata()
            && files::owner(&metadata) != us
        {
            return Err(FolderError::Planted { path: entry.path(), owner: files::owner(&metadata) });
        }
    }
    Ok(())
}

impl From<NoHome> for Failure {
    fn from(error: NoHome) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::new(Exit::Person, error.to_string())
    }
}

// The paths are those of Unix, and the modes.
#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn paths(variables: &[(&str, &str)]) -> Result<Paths, NoHome> {
        Paths::from_env(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn default_paths_are_in_the_home_folder() {
        let paths = paths(&[("HOME", "/home/me")]).unwrap();
        assert_eq!(paths.config, Path::new("/home/me/.config/mcp-refreshd/config.toml"));
        assert_eq!(paths.state, Path::new("/home/me/.local/state/mcp-refreshd"));
        assert_eq!(paths.sockets, [Path::new("/home/me/.local/state/mcp-refreshd/control.sock")]);
    }

    #[test]
    fn xdg_variables_are_honoured_unless_relative() {
        let paths = paths(&[
            ("HOME", "/home/me"),
            ("XDG_CONFIG_HOME", "/cfg"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ])
        .unwrap();
        assert_eq!(paths.config, Path::new("/cfg/mcp-refreshd/config.toml"));
        assert_eq!(paths.state, Path::new("/home/me/.local/state/mcp-refreshd"));
        assert_eq!(paths.sockets[0], Path::new("/run/user/1000/mcp-refreshd/control.sock"));
    }

    #[test]
    fn a_missing_home_folder_is_an_error() {
        for unset in [&[][..], &[("HOME", "")]] {
            assert!(paths(unset).unwrap_err().to_string().starts_with("$HOME is not set, "));
        }
        let relative = paths(&[("HOME", "me")]).unwrap_err().to_string();
        assert!(relative.starts_with("$HOME is me, which is not an absolute path, "), "{relative}");
    }

    #[test]
    fn our_folders_are_made_private_or_refused() {
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let fresh = place.path().join("a/b");
        private_folder(&fresh).unwrap();
        assert_eq!((mode(&fresh), mode(fresh.parent().unwrap())), (0o700, 0o700));

        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o777)).unwrap();
        private_folder(&fresh).unwrap();
        assert_eq!(mode(&fresh), 0o700);

        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(private_folder(&file), Err(FolderError::NotAFolder { .. })));
    }
}
