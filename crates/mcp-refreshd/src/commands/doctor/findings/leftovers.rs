use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::Confidence::Likely;
use crate::commands::doctor::finding::Finding;
use crate::commands::doctor::fix::Fix;
use crate::terminal::wording::{length, quoted};
use std::time::Duration;

/// A write takes milliseconds; what is older than this was left by a program that was killed.
const OLD: Duration = Duration::from_secs(10 * 60);

/// Temporary files that hold tokens and that nobody uses any more.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for store in facts.concerned() {
        let ours: Vec<_> = store.temporaries.iter().filter(|temporary| temporary.ours).collect();
        // A running agent has such a file in use now and then.
        if let Some(first) = ours.iter().find(|temporary| !facts.runs() || temporary.age > OLD) {
            let finding = Finding::trouble(
                "leftover-of-agent",
                Likely,
                format!(
                    "{} of mcp-refreshd, which was killed in the middle of a write; such files may hold tokens",
                    crate::terminal::wording::counted(ours.len(), "temporary file", "temporary files")
                ),
                if facts.runs() {
                    format!("{} (it removes them)", facts.how_to_restart())
                } else {
                    "mcp-refreshd doctor --fix".to_owned()
                },
            );
            let finding = finding.at(&first.path);
            findings.push(match facts.runs() {
                true => finding,
                false => finding.fixed_by(Fix::Sweep { folder: store.folder.clone() }),
            });
        }
        for temporary in store.temporaries.iter().filter(|temporary| !temporary.ours && temporary.age > OLD) {
            findings.push(
                Finding::note(
                    "leftover-of-claude-code",
                    Likely,
                    format!(
                        "a temporary file of Claude Code, {} old, from a session that was killed in the middle of a write; \
                         it may hold tokens",
                        length(temporary.age)
                    ),
                    format!("rm {}", quoted(&temporary.path.display().to_string())),
                )
                .at(&temporary.path),
            );
        }
    }
    findings
}
