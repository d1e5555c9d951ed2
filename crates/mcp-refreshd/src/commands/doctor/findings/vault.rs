//! Logins in the vault, and the configurations that lead there.

use crate::commands::doctor::facts::{Facts, HelperFacts};
use crate::commands::doctor::finding::Confidence::Certain;
use crate::commands::doctor::finding::Finding;
use crate::terminal::remedy::argument;
use crate::terminal::wording::visible;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let Some(vault) = &facts.vault else { return Vec::new() };
    let mut found = Vec::new();
    // A state folder that cannot be used has a finding of its own.
    if let Some((why, cure)) = vault.unreadable.as_ref().filter(|_| facts.state_trouble.is_none()) {
        let means = format!("the logins in the vault are neither refreshed nor handed out: {}", visible(why));
        found.push(Finding::trouble("vault-unreadable", Certain, means, cure));
    }
    for (server, command) in &vault.moving {
        let means = "its login was on the way to or from the vault when the command ended; until it is settled nobody refreshes it";
        let cure = format!("mcp-refreshd {command} {}", argument(server));
        found.push(Finding::trouble("move-cut-off", Certain, means, cure).of(server));
    }
    for (server, why, cure) in &vault.needs {
        let means = format!("its login is in the vault, and the agent cannot refresh it: {}", visible(why));
        found.push(Finding::trouble("login-ended", Certain, means, cure.clone()).of(server));
    }
    for server in &vault.not_configured {
        let means = "its login is in the vault, and no configuration of Claude Code asks the agent for it, so that sessions find no login";
        let cure = format!("mcp-refreshd own {name}, or mcp-refreshd disown {name}", name = argument(server));
        found.push(Finding::trouble("owned-not-configured", Certain, means, cure).of(server));
    }
    found.extend(vault.helpers.iter().filter_map(of_helper));
    found
}

fn of_helper(helper: &HelperFacts) -> Option<Finding> {
    let name = argument(&helper.server);
    if helper.is_gone {
        let means = format!(
            "its `headersHelper` runs {}, which does not exist: Claude Code finds no login",
            visible(&helper.program.to_string_lossy())
        );
        let cure = format!("mcp-refreshd own {name} with the program where it is now");
        return Some(
            Finding::trouble("helper-gone", Certain, means, cure).of(&helper.server).at(&helper.file),
        );
    }
    (!helper.owned && !helper.by_hand).then(|| {
        let means = "its `headersHelper` asks the agent, but its login is in Claude Code's store. That works; a session may still spend the \
                     refresh token";
        let cure = format!("mcp-refreshd own {name}, or mcp-refreshd disown {name} to remove the helper");
        Finding::note("helper-not-owned", Certain, means, cure).of(&helper.server).at(&helper.file)
    })
}
