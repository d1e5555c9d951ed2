use crate::platform::files::CLIENT_PROGRAMS;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The `claude` that this shell would run.
pub(super) fn find_claude() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let named = |folder: PathBuf| CLIENT_PROGRAMS.iter().map(move |name| folder.join(name));
    let candidate = std::env::split_paths(&path).flat_map(named).find(|path| path.is_file())?;
    std::fs::canonicalize(candidate).ok()
}

/// Whether the services of this user run while nobody is logged in. `None` if no systemd runs or somebody sits at a desktop.
pub(super) fn lingers(root: &Path, env: &dyn Fn(&str) -> Option<OsString>) -> Option<bool> {
    let variable = |name| env(name).filter(|value| !value.is_empty());
    let headless = variable("DISPLAY").is_none() && variable("WAYLAND_DISPLAY").is_none();
    if !headless || !root.join("run/systemd/system").is_dir() {
        return None;
    }
    let user = variable("USER")?;
    Some(root.join("var/lib/systemd/linger").join(user).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lingering_is_a_question_only_without_a_desktop_and_with_systemd() {
        let root = tempfile::tempdir().unwrap();
        let at_desk = |name: &str| ["USER", "DISPLAY"].contains(&name).then(|| OsString::from("me"));
        let far_away = |name: &str| (name == "USER").then(|| OsString::from("me"));
        assert_eq!(lingers(root.path(), &far_away), None);
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert_eq!(lingers(root.path(), &at_desk), None);
        assert_eq!(lingers(root.path(), &far_away), Some(false));
        let linger = root.path().join("var/lib/systemd/linger");
        std::fs::create_dir_all(&linger).unwrap();
        std::fs::write(linger.join("me"), "").unwrap();
        assert_eq!(lingers(root.path(), &far_away), Some(true));
    }
}
