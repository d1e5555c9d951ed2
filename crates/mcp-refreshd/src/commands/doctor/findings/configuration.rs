use crate::commands::doctor::facts::{Agent, Facts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;

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
    let without_effect = facts.config_remarks.iter().map(|remark| {
        let cure = "correct or remove it in the configuration, then: mcp-refreshd reload";
        Finding::note("configuration-without-effect", Certain, remark, cure).at(&facts.paths.config)
    });
    trouble.into_iter().chain(without_effect).collect()
}
