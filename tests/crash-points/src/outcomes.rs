//! The agent's view of each server.

use harness::Home;
use serde_json::Value;

/// Each server's state and the outcome of its last refresh, according to the agent.
pub(crate) fn outcomes(home: &Home) -> Vec<(String, String)> {
    let status = home.status().unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("none").to_owned();
    let servers = status.get("servers").and_then(Value::as_array).into_iter().flatten();
    servers
        .map(|server| {
            let outcome = server.get("last_refresh").and_then(|last| last.get("outcome"));
            (text(server.get("state")), text(outcome))
        })
        .collect()
}
