use super::Finding;
use super::facts::Facts;
use super::finding::Sure::{Likely, Possible};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The first Claude Code that takes a lock for a write of the store (measured).
const WITH_STORAGE_LOCK: [u64; 3] = [2, 1, 160];

/// What surrounds the agent on this machine.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(path) = &facts.claude
        && let Some(version) = version_of(path).filter(|version| *version < WITH_STORAGE_LOCK)
    {
        let [major, minor, patch] = version;
        findings.push(
            Finding::trouble(
                "old-claude-code",
                Likely,
                format!(
                    "Claude Code {major}.{minor}.{patch} writes the store without a lock: two of its sessions, or one and \
                     the agent, can undo each other's writes. The agent notices and puts it right where it can"
                ),
                "claude update (2.1.160 or newer)",
            )
            .at(path),
        );
    }
    if facts.lingers == Some(false) {
        findings.push(Finding::note(
            "no-linger",
            Possible,
            "services of yours, an agent among them, end with your last login on this machine",
            "loginctl enable-linger",
        ));
    }
    findings
}

/// The version of the Claude Code at this path, without running it: the native installation names its files by version, npm's has
/// a `package.json` beside it.
fn version_of(claude: &Path) -> Option<[u64; 3]> {
    let named = claude.file_name().and_then(|name| version(name.to_str()?));
    named.or_else(|| {
        claude.ancestors().skip(1).take(3).find_map(|folder| {
            let text = std::fs::read(folder.join("package.json")).ok()?;
            let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
            let ours = package.get("name")?.as_str()?.starts_with("@anthropic-ai/claude-code");
            ours.then(|| version(package.get("version")?.as_str()?)).flatten()
        })
    })
}

fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.splitn(3, '.').map(|part| part.parse::<u64>().ok());
    Some([parts.next()??, parts.next()??, parts.next()??])
}

/// The `claude` that this shell would run.
pub(super) fn find_claude() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let candidate =
        std::env::split_paths(&path).map(|folder| folder.join("claude")).find(|path| path.is_file())?;
    std::fs::canonicalize(candidate).ok()
}

/// Whether the services of this user run while nobody is logged in. `None` where no systemd runs or somebody sits at a desktop.
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
