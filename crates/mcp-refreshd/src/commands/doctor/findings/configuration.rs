use crate::agent::config_check::COMES_LATER;
use crate::commands::doctor::facts::{Agent, Facts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use crate::terminal::wording::visible;
use std::path::Path;

/// Our own configuration.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let trouble = facts.config_trouble.as_ref().map(|why| {
        let follows = match facts.agent {
            Agent::Stopped => {
                "The agent does not start with it, and what is found below goes by the defaults"
            }
            _ => "The running agent goes on with the one it has, and would not start again",
        };
        let cure =
            "correct the lines that the message names; `mcp-refreshd config --defaults` shows every setting";
        let why = why.trim().replace('\n', "; ");
        let end = if why.ends_with(['.', '?']) { "" } else { "." };
        let means = format!("{why}{end} {follows}");
        Finding::trouble("configuration-invalid", Certain, means, cure).at(&facts.paths.config)
    });
    let mut findings: Vec<_> =
        trouble.into_iter().chain(facts.files.iter().map(|file| store_is_file(file, facts))).collect();
    // A store that comes later is none that is missing.
    let comes = |remark: &&String| remark.ends_with(COMES_LATER);
    let of_a_file =
        |remark: &&String| facts.files.iter().any(|file| remark.contains(&*file.to_string_lossy()));
    findings.extend(facts.remarks.iter().filter(|remark| !of_a_file(remark) && !comes(remark)).map(
        |remark| {
            let cure = format!("correct or remove it in the configuration{}", follows(remark, facts));
            Finding::note("configuration-without-effect", Certain, remark, cure).at(&facts.paths.config)
        },
    ));
    findings
}

/// What makes a running agent take up a correction: the stores are read at its start alone.
fn follows(remark: &str, facts: &Facts) -> String {
    match (facts.runs(), remark.starts_with("`stores` ")) {
        (true, true) => format!(", then: {}", facts.how_to_restart()),
        (true, false) => ", then: mcp-refreshd reload".to_owned(),
        (false, _) => String::new(),
    }
}

fn store_is_file(file: &Path, facts: &Facts) -> Finding {
    let cure = match file.parent().filter(|_| file.ends_with(".credentials.json")) {
        Some(folder) => format!("list its folder instead: {}", visible(&folder.to_string_lossy())),
        None => "list the folder that Claude Code keeps its logins in".to_owned(),
    };
    Finding::trouble(
        "store-is-file",
        Certain,
        format!("`stores` lists {}, a file: no login is refreshed there", visible(&file.to_string_lossy())),
        cure,
    )
    .at(&facts.paths.config)
}
