//! The document as a client reads and writes it.

use crate::server::Pair;
use crate::world::{STORE, World};
use claude_store::FileSystem;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::rc::Rc;

/// The key of a server's entry.
pub(crate) fn key(server: usize) -> String {
    format!("s{server}|6f671eeac57e3e15")
}

/// An entry, as far as a client looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    /// Milliseconds since 1970; `None` where the entry does not say.
    pub(crate) expires_at: Option<i64>,
}

impl Entry {
    /// The life that is left by the wall clock; one without an end has all of it.
    pub(crate) fn left(&self, wall: i64) -> i64 {
        self.expires_at.map_or(i64::MAX, |ends| ends.saturating_sub(wall))
    }
}

/// The document as it is now; `None` where it is missing or cannot be parsed.
pub(crate) fn document(world: &World) -> Option<Rc<Value>> {
    let disk = world.disk.borrow();
    let path = Path::new(STORE);
    let stamp = disk.stamp(path).ok()?;
    if let Some((known, document)) = &*world.cache.borrow()
        && *known == stamp
    {
        return Some(Rc::clone(document));
    }
    let (bytes, stamp) = disk.read(path, u64::MAX).ok()?;
    let document: Rc<Value> = Rc::new(serde_json::from_slice(&bytes).ok()?);
    *world.cache.borrow_mut() = Some((stamp, Rc::clone(&document)));
    Some(document)
}

/// A server's entry in a document.
pub(crate) fn entry(document: &Value, server: usize) -> Option<Entry> {
    let found = document.get("mcpOAuth")?.get(key(server))?;
    let text = |name: &str| Some(found.get(name)?.as_str()?.to_owned());
    Some(Entry {
        access: text("accessToken").unwrap_or_default(),
        refresh: text("refreshToken"),
        expires_at: found.get("expiresAt").and_then(Value::as_i64),
    })
}

/// A change that a client makes to one entry.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// What an answer brought; the refresh token that was presented stays where the answer has none.
    Tokens { pair: Pair, presented: String, wall: i64 },
    /// What a failed refresh leaves.
    Wipe,
    /// What a person leaves who has just begun a new login: `clientId` stays, `scope` goes (measured).
    LoginStub,
    /// What `claude mcp login` writes.
    Login { pair: Pair, wall: i64 },
    /// What `claude mcp logout` does.
    Remove,
    /// What `mcp list` leaves after a logout.
    LoggedOutStub { wall: i64 },
    /// A person edits something else.
    Edit(u64),
}

/// The document with this change.
pub(crate) fn changed(document: &Value, server: usize, change: &Change) -> Value {
    let mut document = document.clone();
    let Some(root) = document.as_object_mut() else { return document };
    if let Change::Edit(number) = change {
        root.insert("edited".into(), json!({"times": number, "note": "by hand"}));
        return document;
    }
    let entries = root.entry("mcpOAuth").or_insert_with(|| json!({}));
    let Some(entries) = entries.as_object_mut() else { return document };
    match change {
        Change::Remove => drop(entries.shift_remove(&key(server))),
        Change::Login { pair, wall } => {
            entries.insert(key(server), fresh(server, pair, *wall));
        }
        Change::LoggedOutStub { wall } => {
            let stub = json!({"serverName": format!("s{server}"), "serverUrl": url(server), "accessToken": "",
                "discoveryState": {"authorizationServerUrl": origin(server), "tokenlessRejectedAt": wall}});
            entries.insert(key(server), stub);
        }
        Change::Tokens { pair, presented, wall } => {
            if let Some(entry) = entries.get_mut(&key(server)).and_then(Value::as_object_mut) {
                entry.insert("refreshToken".into(), json!(presented));
                put(entry, pair, *wall);
            }
        }
        Change::Wipe | Change::LoginStub => {
            if let Some(entry) = entries.get_mut(&key(server)).and_then(Value::as_object_mut) {
                entry.insert("accessToken".into(), json!(""));
                entry.shift_remove("refreshToken");
                entry.insert("expiresAt".into(), json!(0));
                if matches!(change, Change::LoginStub) {
                    entry.shift_remove("scope");
                }
            }
        }
        Change::Edit(_) => {}
    }
    document
}

/// A whole entry after a login.
pub(crate) fn fresh(server: usize, pair: &Pair, wall: i64) -> Value {
    let mut entry = json!({"serverName": format!("s{server}"), "serverUrl": url(server), "accessToken": "",
        "discoveryState": {"authorizationServerUrl": origin(server), "oauthMetadataFound": true},
        "clientId": format!("cl_{server}"), "issuer": origin(server),
        "redirectUri": "http://localhost:52363/callback", "scope": "mcp offline_access"});
    if let Some(entry) = entry.as_object_mut() {
        put(entry, pair, wall);
    }
    entry
}

fn put(entry: &mut Map<String, Value>, pair: &Pair, wall: i64) {
    entry.insert("accessToken".into(), json!(pair.access));
    if let Some(refresh) = &pair.refresh {
        entry.insert("refreshToken".into(), json!(refresh));
    }
    match pair.expires_in {
        Some(life) => {
            entry.insert("expiresAt".into(), json!(wall + i64::try_from(life * 1000).unwrap_or(0)));
        }
        None => drop(entry.shift_remove("expiresAt")),
    }
}

fn origin(server: usize) -> String {
    format!("https://s{server}.test")
}

/// The `resource` that a login sends: the one of the server's metadata (RFC 9728). The entry does not say it.
pub(crate) fn login_resource(server: usize) -> String {
    format!("{}/", origin(server))
}

pub(crate) fn url(server: usize) -> String {
    format!("https://s{server}.test/mcp")
}
