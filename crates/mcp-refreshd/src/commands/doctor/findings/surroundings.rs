use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::Confidence::{Likely, Possible};
use crate::commands::doctor::finding::Finding;
use std::path::Path;

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
                     the agent, can undo each other's writes. The agent notices, and repairs it if it can"
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
            "without a desktop, your services, the agent among them, stop when you log out",
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
