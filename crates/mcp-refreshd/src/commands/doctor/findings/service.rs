use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use std::path::PathBuf;
use user_agent_service::Standing;

/// Brings every file of the service up to date; what was edited by hand stays.
const INSTALL: &str = "mcp-refreshd install";

/// The agent as a service of its user.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    // A folder that keeps it from running is the one finding.
    let stopped = !facts.runs() && !facts.state_keeps_it_from_running();
    match &facts.service {
        None if stopped => vec![not_running("is not running, and not installed as a service", facts)],
        None => Vec::new(),
        Some(standing) => {
            let mut findings = Vec::new();
            let moved = moved(standing);
            if stopped && moved.is_none() {
                findings.push(not_running("is not running", facts));
            }
            findings.extend(moved);
            findings.extend(files(standing, facts.config_trouble.is_none()));
            findings
        }
    }
}

fn not_running(how: &str, facts: &Facts) -> Finding {
    let means = format!("the agent {how}: nothing is refreshed before it expires");
    let cure = facts.how_to_start();
    Finding::trouble(
        "agent-not-running",
        Certain,
        means,
        match facts.config_trouble {
            Some(_) => format!("correct the configuration, then: {cure}"),
            None => cure,
        },
    )
}

/// The service's program is no longer there: it runs until it stops, and cannot start again.
fn moved(standing: &Standing) -> Option<Finding> {
    let program = standing.program.as_ref().filter(|program| !program.exists())?;
    let means = format!("the service runs {}, which is gone: it cannot start again", program.display());
    let finding =
        Finding::trouble("agent-moved", Certain, means, format!("with the program's new path: {INSTALL}"));
    Some(match &standing.file {
        Some(file) => finding.at(file),
        None => finding,
    })
}

/// What the files should say is known only where the configuration is.
fn files(standing: &Standing, configured: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(file) = standing.edited.first() {
        let means = "a file of the service was edited by hand, and is left alone; what newer versions change in it is missing";
        let cure = format!("nothing, if that is what you want; to see the difference: {INSTALL}");
        findings.push(Finding::note("service-edited", Certain, means, cure).at(file));
    }
    if let Some(file) = standing.outdated.first().filter(|_| configured) {
        let means = format!(
            "{} out of date: another version or another copy of the program wrote it, or the stores are elsewhere now",
            match names(&standing.outdated).as_slice() {
                [one] => format!("{one} of the service is"),
                many => format!("{} of the service are", many.join(", ")),
            }
        );
        findings.push(Finding::note("service-outdated", Certain, means, INSTALL).at(file));
    }
    if !standing.enabled {
        let means = "the service is installed, but not enabled: it does not start at your login";
        findings.push(Finding::note("service-not-enabled", Certain, means, INSTALL));
    }
    findings
}

fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect()
}
