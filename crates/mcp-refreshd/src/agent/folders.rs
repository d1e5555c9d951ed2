use crate::platform::files;
use crate::platform::process::user_id;
use crate::terminal::{remedy, shell};
use std::io;
use std::path::{Path, PathBuf};

/// Why nothing can be written into a folder.
pub(crate) struct FolderTrouble {
    pub(crate) path: PathBuf,
    pub(crate) why: WhyNot,
}

/// The cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyNot {
    /// Its file system is mounted read-only.
    ReadOnly,
    /// Its permissions forbid it to its own user.
    Forbidden,
    /// It belongs to another user.
    Foreign(u32),
    /// Its file system is full.
    Full,
    /// It is a file.
    NotAFolder,
    /// It is the home folder, which is not made.
    NoHome,
}

impl FolderTrouble {
    /// What is wrong with it.
    pub(crate) fn means(&self) -> String {
        match self.why {
            WhyNot::ReadOnly => "the folder is on a file system that is mounted read-only".to_owned(),
            WhyNot::Forbidden => "the folder's permissions do not let you write to it".to_owned(),
            WhyNot::Foreign(owner) => {
                let us = remedy::user(user_id());
                format!("the folder belongs to user {}, and you are user {us}", remedy::user(owner))
            }
            WhyNot::Full => "the file system is full".to_owned(),
            WhyNot::NoHome => "the home folder does not exist".to_owned(),
            WhyNot::NotAFolder => "there is a file where the folder should be".to_owned(),
        }
    }

    /// The command that mends it, where one does.
    pub(crate) fn command(&self) -> Option<String> {
        let folder = self.path.display().to_string();
        match self.why {
            WhyNot::Forbidden => Some(shell::allow_writing(&folder)),
            WhyNot::Foreign(_) => Some(remedy::give_to(user_id(), &[&self.path])),
            WhyNot::NotAFolder => Some(format!("mv {folder} {folder}.old", folder = shell::quoted(&folder))),
            WhyNot::ReadOnly | WhyNot::Full | WhyNot::NoHome => None,
        }
    }

    /// What to do.
    pub(crate) fn cure(&self) -> String {
        self.command().unwrap_or_else(|| match self.why {
            WhyNot::Full => {
                let folder = self.path.display().to_string();
                format!("free some space ({})", shell::show_space(Some(&folder)))
            }
            WhyNot::NoHome => "set HOME to your home folder".to_owned(),
            _ => "mount it read-write (in a container without `:ro` or `readonly`)".to_owned(),
        })
    }
}

/// Why nothing can be written into this folder, or into the one where it would be made. Nothing is changed to find out.
pub(crate) fn folder_trouble(path: &Path) -> Option<FolderTrouble> {
    let (path, metadata) = path.ancestors().find_map(|path| Some((path, std::fs::metadata(path).ok()?)))?;
    let found = |why| Some(FolderTrouble { path: path.to_owned(), why });
    if !metadata.is_dir() {
        return found(WhyNot::NotAFolder);
    }
    let owner = files::owner(&metadata);
    match files::may_write_into(path) {
        Ok(()) => None,
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => found(WhyNot::ReadOnly),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => found(WhyNot::Full),
        Err(_) if owner != user_id() => found(WhyNot::Foreign(owner)),
        Err(_) => found(WhyNot::Forbidden),
    }
}

/// The home folder, where it does not exist.
pub(crate) fn no_home(home: &Path) -> Option<FolderTrouble> {
    (!home.exists()).then(|| FolderTrouble { path: home.to_owned(), why: WhyNot::NoHome })
}

/// Whose the folder is, where it is another user's: state of theirs would be believed. A file in its place is in the way, whoever owns it.
pub(crate) fn foreign(path: &Path) -> Option<FolderTrouble> {
    let owner = files::owner(&std::fs::metadata(path).ok().filter(std::fs::Metadata::is_dir)?);
    (owner != user_id()).then(|| FolderTrouble { path: path.to_owned(), why: WhyNot::Foreign(owner) })
}
