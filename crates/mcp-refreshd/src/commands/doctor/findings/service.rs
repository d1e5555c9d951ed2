use crate::commands::doctor::facts::{Agent, Facts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use std::path::PathBuf;
use user_agent_service::Standing;

/// Brings every file of the service up to date; what was edited by hand stays.
const INSTALL: &str = "mcp-refreshd install";

/// The agent as a service of its user.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let stopped = matches!(facts.agent, Agent::Stopped);
    match &facts.service {
        None if stopped => vec![not_running("is not installed and does not run", INSTALL)],
        None => Vec::new(),
        Some(standing) => {
            let mut findings = Vec::new();
            let moved = moved(standing);
            if stopped && moved.is_none() {
                findings.push(not_running("does not run", "mcp-refreshd start"));
            }
            findings.extend(moved);
            findings.extend(files(standing));
            findings
        }
    }
}

fn not_running(how: &str, cure: &str) -> Finding {
    let means = format!("the agent {how}, so nothing is refreshed before it expires");
    Finding::trouble("agent-not-running", Certain, means, cure)
}

/// The program that the service is to run is no longer there: it goes on until it ends, and then never comes back.
fn moved(standing: &Standing) -> Option<Finding> {
    let program = standing.program.as_ref().filter(|program| !program.exists())?;
    let means =
        format!("the service is to run {}, and that is gone: it cannot start again", program.display());
    let finding =
        Finding::trouble("agent-moved", Certain, means, format!("from where the program is now: {INSTALL}"));
    Some(match &standing.file {
        Some(file) => finding.at(file),
        None => finding,
    })
}

fn files(standing: &Standing) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(file) = standing.edited.first() {
        let means = "a file of the service was edited by hand, and is left as it is; what newer versions change in it is missing";
        let cure = format!("nothing, if that is what you want; to see the difference: {INSTALL}");
        findings.push(Finding::note("service-edited", Certain, means, cure).at(file));
    }
    if let Some(file) = standing.outdated.first() {
        let means = format!(
            "{} not as this version and the configuration would have it: another version or another copy of the program \
             wrote it, or the stores lie elsewhere now",
            match names(&standing.outdated).as_slice() {
                [one] => format!("{one} of the service is"),
                many => format!("{} of the service are", many.join(", ")),
            }
        );
        findings.push(Finding::note("service-outdated", Certain, means, INSTALL).at(file));
    }
    if !standing.enabled {
        let means = "the service is installed, and does not start by itself at a login";
        findings.push(Finding::note("service-not-enabled", Certain, means, INSTALL));
    }
    findings
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect()
}
