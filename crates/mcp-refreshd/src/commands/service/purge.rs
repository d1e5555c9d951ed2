//! Removing state and configuration.

use crate::agent::runtime::block_on;
use crate::agent::vault::Vault;
use crate::control::instance::{Instance, holder_of};
use crate::observers::rotating::predecessor;
use crate::settings::config::Config;
use crate::settings::paths::Paths;
use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use crate::terminal::prompt::confirmed;
use crate::terminal::wording::visible;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Checks that no login goes with the state: those in the vault are nowhere else.
///
/// # Errors
/// The vault holds some, or cannot be read now.
pub(super) fn nothing_is_owned(paths: &Paths) -> Result<(), Failure> {
    let config = Config::load(&paths.config, &paths.home).unwrap_or_default();
    let Some(vault) = Vault::open(&config, paths)? else { return Ok(()) };
    let entries = block_on(vault.list())??;
    if entries.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = entries.iter().map(|entry| visible(&entry.server_name)).collect();
    let why = format!(
        "nothing was done: the vault holds the login of {}, which would be lost; to move it back first, type: mcp-refreshd disown --all",
        names.join(", ")
    );
    Err(Failure::new(Exit::Person, why))
}

/// Asks whether everything may go.
///
/// # Errors
/// The answer is no, or there is no terminal to ask on.
pub(super) fn agreed(paths: &Paths, yes: bool) -> Result<(), Failure> {
    let there = existing(paths);
    if yes || there.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = there.iter().map(|path| path.display().to_string()).collect();
    let question = format!(
        "remove the agent's history, journal and configuration ({})? Claude Code's own files stay.",
        shown.join(", ")
    );
    let refused = match confirmed(&question) {
        Some(true) => return Ok(()),
        Some(false) => "nothing was done",
        None => {
            "nothing was done: --purge asks for confirmation, and there is no terminal to ask on; add --yes"
        }
    };
    Err(Failure::new(Exit::Person, refused))
}

/// Removes state and configuration, and says what it removed.
///
/// # Errors
/// An agent works with the state, or something cannot be removed.
pub(super) fn purge(paths: &Paths) -> Result<String, Failure> {
    let mut told = String::new();
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Exit::Person, format!("{} cannot be removed: {error}", path.display()))
    };
    // Held until the folder is gone, so that no agent begins anything in it.
    let mut instance = if paths.state.is_dir() { Some(Instance::claim(&paths.state)?) } else { None };
    let all = existing(paths);
    for path in &all {
        let removed = match fs::symlink_metadata(path) {
            // Some file systems keep the name of an open file: then the lock has to be let go first.
            Ok(metadata) if metadata.is_dir() => {
                fs::remove_dir_all(path).or_else(|error| match instance.take() {
                    Some(held) => {
                        drop(held);
                        fs::remove_dir_all(path)
                    }
                    None => Err(error),
                })
            }
            // A link of the user's own goes; where it leads to is theirs.
            _ => fs::remove_file(path),
        };
        removed.map_err(|error| failed(path, &error))?;
        // It does not come back with a power cut; a file system that cannot promise this is no reason to stop.
        let _ = path.parent().map(|folder| fs::File::open(folder).and_then(|folder| folder.sync_all()));
        // Writing to a string does not fail.
        let _ = writeln!(told, "removed {}", path.display());
    }
    // That of the log on macOS has our name, too.
    let logs = all.iter().filter_map(|path| path.parent()).filter(|folder| folder.ends_with("mcp-refreshd"));
    for folder in
        logs.chain(paths.config.parent()).chain(paths.sockets.iter().filter_map(|path| path.parent()))
    {
        // One that is not empty holds files of somebody else.
        let _ = fs::remove_dir(folder);
    }
    Ok(told)
}

/// Says what [`purge`] would remove.
pub(super) fn planned(paths: &Paths) -> String {
    existing(paths).iter().fold(String::new(), |mut text, path| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "would remove {}", path.display());
        text
    })
}

/// Says what is left.
pub(super) fn left(paths: &Paths) -> String {
    existing(paths).iter().fold(String::new(), |mut text, path| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "kept {} (--purge removes it)", path.display());
        text
    })
}

fn existing(paths: &Paths) -> Vec<PathBuf> {
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    // Whatever else somebody named as a log file by mistake is not ours to remove; one in the state folder goes with it.
    let is_log = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|there| there.is_file()) && !path.starts_with(&paths.state)
    };
    let log = holder_of(&paths.state).and_then(|agent| agent.log);
    let logs = log.iter().flat_map(|log| [log.clone(), predecessor(log)]).filter(is_log);
    let own = [paths.state.clone(), paths.config.clone()].into_iter().filter(is_there);
    own.chain(logs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    /// A home folder whose last agent logged to `log`.
    fn home(place: &Path, log: &Path) -> Paths {
        let env = |name: &str| (name == "HOME").then(|| OsString::from(place));
        let paths = Paths::from_env(&env).unwrap();
        fs::create_dir_all(&paths.state).unwrap();
        Instance::claim(&paths.state).unwrap().tell(None, Some(log)).unwrap();
        paths
    }

    #[test]
    fn nothing_of_ours_is_left_the_log_included() {
        let place = tempfile::tempdir().unwrap();
        let logs = place.path().join("Library/Logs/mcp-refreshd");
        let paths = home(place.path(), &logs.join("agent.log"));
        fs::create_dir_all(&logs).unwrap();
        fs::write(logs.join("agent.log"), "").unwrap();
        fs::write(logs.join("agent.1.log"), "").unwrap();
        let told = purge(&paths).unwrap();
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(!logs.exists() && logs.parent().unwrap().exists() && !paths.state.exists());
    }

    #[test]
    fn a_folder_that_was_named_as_the_log_by_mistake_stays() {
        let place = tempfile::tempdir().unwrap();
        let documents = place.path().join("Documents");
        let paths = home(place.path(), &documents);
        fs::create_dir(&documents).unwrap();
        fs::write(documents.join("letter"), "").unwrap();
        let told = purge(&paths).unwrap();
        assert!(documents.join("letter").exists() && !told.contains("Documents"), "{told}");
    }
}
