//! What a client said about the servers.

use serde_json::Value;

/// What one client said about one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Connected,
    NeedsAuthentication,
    Failed,
    /// A session began before it had an answer.
    Pending,
}

/// All that one client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) servers: Vec<(String, Status)>,
    /// Tool calls that were answered.
    pub(super) answered: usize,
    /// What the client said of those that were not.
    pub(super) errors: Vec<String>,
}

impl Sighting {
    /// Reads what `claude mcp list`, `claude mcp get` and `claude -p --output-format stream-json` print, whichever it was, by any version.
    pub(super) fn read(said: &str, servers: &[&str]) -> Self {
        let mut sighting = Self::default();
        // The server that `mcp get` speaks of stands above its status.
        let mut about = None;
        for line in said.lines() {
            if let Ok(event @ Value::Object(_)) = serde_json::from_str::<Value>(line) {
                sighting.read_event(&event, servers);
                continue;
            }
            let name = servers.iter().find(|name| {
                line.strip_prefix(**name).is_some_and(|rest| rest.trim_end() == ":" || rest.starts_with(": "))
            });
            about = name.or(about);
            let is_verdict = name.is_some() || line.trim_start().starts_with("Status:");
            if let (Some(name), true, Some(status)) = (about, is_verdict, status_in(line)) {
                sighting.note(name, status);
            }
        }
        sighting
    }

    /// A session says it anew with each prompt: only what it did not know yet is replaced.
    fn note(&mut self, name: &str, status: Status) {
        match self.servers.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) if *known == Status::Pending => *known = status,
            Some(_) => {}
            None => self.servers.push((name.to_owned(), status)),
        }
    }

    fn read_event(&mut self, event: &Value, servers: &[&str]) {
        match event.get("type").and_then(Value::as_str) {
            Some("system") => {
                let known = event.get("mcp_servers").and_then(Value::as_array);
                for server in known.into_iter().flatten() {
                    let text = |member: &str| server.get(member).and_then(Value::as_str).unwrap_or_default();
                    if servers.contains(&text("name")) {
                        self.note(text("name"), session_status(text("status")));
                    }
                }
            }
            Some("user") => {
                let blocks = event.pointer("/message/content").and_then(Value::as_array);
                let is_result =
                    |block: &&Value| block.get("type").and_then(Value::as_str) == Some("tool_result");
                for result in blocks.into_iter().flatten().filter(is_result) {
                    if result.get("is_error").and_then(Value::as_bool) == Some(true) {
                        let content = result.get("content").map(Value::to_string);
                        self.errors.push(content.unwrap_or_default());
                    } else {
                        self.answered += 1;
                    }
                }
            }
            _ => {}
        }
    }

    /// The servers of which the client said that a person must log in.
    pub(super) fn needing_authentication(&self) -> impl Iterator<Item = &str> {
        let needing = self.servers.iter().filter(|(_, status)| *status == Status::NeedsAuthentication);
        needing.map(|(name, _)| name.as_str())
    }

    pub(super) fn count(&self, wanted: Status) -> usize {
        self.servers.iter().filter(|(_, status)| *status == wanted).count()
    }
}

fn status_in(line: &str) -> Option<Status> {
    if line.contains("Needs authentication") {
        Some(Status::NeedsAuthentication)
    } else if line.contains("Connected") {
        Some(Status::Connected)
    } else if line.contains("Failed to connect") || line.contains("Connection error") {
        Some(Status::Failed)
    } else {
        None
    }
}

fn session_status(status: &str) -> Status {
    match status {
        "connected" => Status::Connected,
        "needs-auth" => Status::NeedsAuthentication,
        "pending" => Status::Pending,
        _ => Status::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Connected, Failed, NeedsAuthentication, Pending};
    use serde_json::json;

    const SERVERS: &[&str] = &["north", "east"];

    fn servers(said: &str) -> Vec<(String, Status)> {
        Sighting::read(said, SERVERS).servers
    }

    #[test]
    fn a_list_is_read_as_old_and_new_clients_print_it() {
        let old = "Checking MCP server health...\n\nnorth: http://127.0.0.1:1/north/mcp (HTTP) - ✓ Connected\n\
                   east: http://127.0.0.1:1/east/mcp (HTTP) - ⚠ Needs authentication\n";
        let new = "Checking MCP server health…\n\nnorth: http://127.0.0.1:1/north/mcp (HTTP) - ✔ Connected\n\
                   east: http://127.0.0.1:1/east/mcp (HTTP) - ✘ Failed to connect\n";
        assert_eq!(servers(old), [("north".into(), Connected), ("east".into(), NeedsAuthentication)]);
        assert_eq!(servers(new), [("north".into(), Connected), ("east".into(), Failed)]);
    }

    #[test]
    fn one_servers_status_stands_under_its_name() {
        let said = "east:\n  Scope: User config (available in all your projects)\n  Status: ! Needs authentication\n  \
                    Type: http\n  URL: http://127.0.0.1:1/east/mcp\n\nTo remove this server, run: claude mcp remove east\n";
        assert_eq!(servers(said), [("east".into(), NeedsAuthentication)]);
    }

    #[test]
    fn a_session_names_all_servers_at_once_and_then_what_became_of_the_calls() {
        let said = r#"{"type":"system","subtype":"init","mcp_servers":[{"name":"north","status":"needs-auth"},{"name":"east","status":"pending"},{"name":"other","status":"failed"}]}
{"type":"user","message":{"content":[{"type":"tool_result","is_error":true,"content":"no"},{"type":"tool_result","content":"hello"}]}}
{"type":"result"}"#;
        let sighting = Sighting::read(said, SERVERS);
        assert_eq!(sighting.servers, [("north".into(), NeedsAuthentication), ("east".into(), Pending)]);
        assert_eq!((sighting.answered, sighting.errors), (1, vec!["\"no\"".to_owned()]));
    }

    #[test]
    fn what_a_session_knows_later_replaces_what_it_did_not_know_and_nothing_else() {
        let said = |status: &str| {
            json!({"type": "system", "mcp_servers": [{"name": "north", "status": status}]}).to_string()
        };
        let read = |first: &str, second: &str| servers(&format!("{}\n{}", said(first), said(second)));
        assert_eq!(read("pending", "connected"), [("north".into(), Connected)]);
        assert_eq!(read("needs-auth", "connected"), [("north".into(), NeedsAuthentication)]);
    }

    #[test]
    fn a_client_that_was_killed_in_the_middle_of_a_word_says_nothing_more() {
        assert_eq!(servers("Checking MCP server health…\n\nnorth: http://127.0.0.1:1/north/m"), []);
    }
}
