//! Documents of a given size with expired logins.

use crate::Fallible;
use scripted_server::{Answer, Grant, Script, Server, credentials_json};
use serde_json::{Value, json};
use std::time::Duration;

/// Servers, each on its own port, and their logins.
pub(crate) struct Logins {
    pub(crate) servers: Vec<Server>,
    grants: Vec<(String, Grant)>,
}

impl Logins {
    /// This many logins with expired access tokens, spread over this many servers that take `wait` to answer.
    pub(crate) fn expired(entries: usize, servers: usize, wait: Duration) -> std::io::Result<Self> {
        Self::new(entries, servers, Duration::ZERO, wait)
    }

    /// The same, over TLS under a host name.
    pub(crate) fn expired_over_tls(entries: usize, servers: usize, wait: Duration) -> std::io::Result<Self> {
        Self::at(entries, servers, Duration::ZERO, || Server::start_tls(answering_after(wait)))
    }

    /// Logins whose access tokens are valid for `left`.
    pub(crate) fn new(
        entries: usize,
        servers: usize,
        left: Duration,
        wait: Duration,
    ) -> std::io::Result<Self> {
        Self::at(entries, servers, left, || Server::start(answering_after(wait)))
    }

    fn at(
        entries: usize,
        servers: usize,
        left: Duration,
        start: impl Fn() -> std::io::Result<Server>,
    ) -> std::io::Result<Self> {
        let servers: Vec<_> = (0..servers.max(1)).map(|_| start()).collect::<Result<_, _>>()?;
        let grants = (0..entries)
            .zip(servers.iter().cycle())
            .map(|(number, server)| (format!("lab-{number:04}"), server.grant(left)))
            .collect();
        Ok(Self { servers, grants })
    }

    /// The CAs to trust, in PEM; empty over plain HTTP.
    pub(crate) fn authorities(&self) -> String {
        self.servers.iter().filter_map(Server::ca_pem).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.grants.len()
    }

    /// The document with all of them, padded to `size` bytes with unknown members.
    pub(crate) fn document(&self, size: usize) -> Fallible<String> {
        let plain = credentials_json(self.grants.iter().map(|(name, grant)| (name.as_str(), grant)));
        padded(&plain, size)
    }

    pub(crate) fn fresh(&self) -> usize {
        self.servers.iter().map(|server| server.refreshes()).sum()
    }
}

/// Pads a document with many small objects, which are the most expensive to read.
pub(crate) fn padded(document: &str, size: usize) -> Fallible<String> {
    let mut value: Value = serde_json::from_str(document)?;
    let filler = |number: usize| json!({"number": number, "words": ["made", "up"], "long": "x".repeat(180)});
    let each = filler(1_000_000).to_string().len() + 1;
    let missing = size.saturating_sub(document.len());
    let padding: Vec<_> = (0..missing / each).map(|number| filler(1_000_000 + number)).collect();
    if let (Some(members), false) = (value.as_object_mut(), padding.is_empty()) {
        members.insert("padding".to_owned(), Value::Array(padding));
    }
    Ok(value.to_string())
}

fn answering_after(wait: Duration) -> Script {
    Script { answer: Answer::default().after(wait), ..Script::default() }
}

/// How many entries of a document are valid for at least another minute.
pub(crate) fn fresh_in(document: &[u8]) -> usize {
    let Ok(value) = serde_json::from_slice::<Value>(document) else { return 0 };
    let soon = crate::now_us() / 1000 + 60_000;
    let entries = value.get("mcpOAuth").and_then(Value::as_object);
    let ends = |entry: &Value| entry.get("expiresAt").and_then(Value::as_u64).unwrap_or(0);
    entries.map_or(0, |entries| entries.values().filter(|entry| ends(entry) > soon).count())
}
