//! Taking away state and configuration, too.

use crate::command::Failure;
use crate::exit::Exit;
use crate::instance::Instance;
use crate::output;
use crate::paths::Paths;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Asks the person whether everything may go.
///
/// # Errors
/// They say no, or there is nobody to ask.
pub(super) fn agreed(paths: &Paths, yes: bool) -> Result<(), Failure> {
    let there = existing(paths);
    if yes || there.is_empty() {
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let message = "nothing was done: --purge asks first, and nobody is there to answer; --yes answers it";
        return Err(Failure::new(Exit::Person, message));
    }
    let shown: Vec<_> = there.iter().map(|path| path.display().to_string()).collect();
    output::message(&format!(
        "remove the agent's history, its journal and your configuration ({})? Claude Code's own files stay. [y/N]",
        shown.join(", ")
    ));
    let mut line = String::new();
    match stdin.lock().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes") {
        true => Ok(()),
        false => Err(Failure::new(Exit::Person, "nothing was done")),
    }
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
    let _instance = if paths.state.is_dir() { Some(Instance::claim(&paths.state)?) } else { None };
    for path in existing(paths) {
        let removed = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
            // A link of the user's own goes; where it leads to is theirs.
            _ => fs::remove_file(&path),
        };
        removed.map_err(|error| failed(&path, &error))?;
        // Writing to a string does not fail.
        let _ = writeln!(told, "removed {}", path.display());
    }
    for folder in
        paths.config.parent().into_iter().chain(paths.sockets.iter().filter_map(|path| path.parent()))
    {
        // One that is not empty holds files of somebody else.
        let _ = fs::remove_dir(folder);
    }
    Ok(told)
}

/// Says what is left.
pub(super) fn left(paths: &Paths) -> String {
    existing(paths).iter().fold(String::new(), |mut text, path| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "left: {} (--purge removes it, too)", path.display());
        text
    })
}

fn existing(paths: &Paths) -> Vec<PathBuf> {
    let all = iter::once(&paths.state).chain([&paths.config]);
    all.filter(|path| path.symlink_metadata().is_ok()).cloned().collect()
}
