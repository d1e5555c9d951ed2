//! The client's side of a case.

use super::lab::Lab;
use super::verdict::Side;
use crate::Fallible;
use crate::user::{Machine, SERVER};
use std::time::Duration;

/// No case takes the client longer; the slowest wait for answers of 9 s and for retries.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs `claude mcp get` once.
pub(super) async fn run(machine: &Machine, lab: &Lab) -> Fallible<Side> {
    let person = lab.furnish(machine)?;
    let mut command = lab.command(&person, &machine.client);
    let output = tokio::time::timeout(PATIENCE, command.args(["mcp", "get", SERVER]).output())
        .await
        .map_err(|_| "claude mcp get does not end")??;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let status = said.lines().find_map(|line| line.trim().strip_prefix("Status: "));
    let issue = said.lines().find_map(|line| line.trim().strip_prefix("Issue: "));
    let status = status.ok_or_else(|| format!("claude mcp get says no status: {said}"))?;
    Ok(Side {
        fresh: status.contains('✔'),
        words: [status, issue.unwrap_or_default()].join(" ").trim().to_owned(),
        requests: lab.requests(),
        lost: lab.is_spent() && !lab.keeps_grant(&person),
        leaked: lab.leaked(),
        story: lab.story(),
    })
}
