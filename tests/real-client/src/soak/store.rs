//! The person's store with several servers in it: how they log in, and what is there.

use super::plan::SERVERS;
use crate::user::User;
use crate::{Fallible, until};
use scripted_server::Grant;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// A login waits so long for the store's lock and for a document that another client is writing in place.
const PATIENCE: Duration = Duration::from_secs(10);
/// The client steals a storage lock that is older.
const STALE: Duration = Duration::from_secs(15);

/// What the store holds for one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Empty in a stub.
    pub(super) refresh_token: String,
    /// Empty where the client removed it.
    pub(super) client_id: String,
}

/// For each server what the store holds, or nothing while the document cannot be read.
pub(super) fn held(person: &User) -> Option<Vec<Held>> {
    let document = person.document()?;
    let entries = document.get("mcpOAuth").and_then(Value::as_object);
    let entry = |name: &str| {
        entries?.values().find(|entry| entry.get("serverName").and_then(Value::as_str) == Some(name))
    };
    let text = |entry: Option<&Value>, member: &str| {
        entry.and_then(|entry| entry.get(member)?.as_str()).unwrap_or_default().to_owned()
    };
    let held = |name: &&str| Held {
        refresh_token: text(entry(name), "refreshToken"),
        client_id: text(entry(name), "clientId"),
    };
    Some(SERVERS.iter().map(held).collect())
}

/// Puts a grant into the store as the newest client does after a login: under its storage lock, the rest of the document as it is, and
/// the name out of the needs-auth cache.
pub(super) async fn log_in(person: &User, name: &str, grant: &Grant) -> Fallible<()> {
    let lock = person.credentials().with_file_name(".storage-write.lock");
    let locked = until(PATIENCE, || {
        let old = fs::metadata(&lock).ok().and_then(|lock| lock.modified().ok()?.elapsed().ok());
        if old.is_some_and(|age| age > STALE) {
            drop(fs::remove_dir(&lock));
        }
        fs::create_dir(&lock).is_ok()
    })
    .await;
    if !locked {
        return Err(format!("{} is held too long", lock.display()).into());
    }
    // An old client writes in place and knows no lock: for a moment there is half a document.
    let mut document = None;
    until(PATIENCE / 10, || {
        let missing = !person.credentials().exists();
        document = person.document().or_else(|| missing.then(|| json!({})));
        document.is_some()
    })
    .await;
    let written = document.ok_or_else(|| "the store cannot be read".into()).and_then(|document| {
        let document = with_entry(document, name, grant).ok_or("the store is no JSON object")?;
        person.write(&document)
    });
    fs::remove_dir(&lock)?;
    written?;
    unflag(person, name)
}

fn with_entry(mut document: Value, name: &str, grant: &Grant) -> Option<Value> {
    let entries = document.as_object_mut()?.entry("mcpOAuth").or_insert_with(|| json!({})).as_object_mut()?;
    entries.insert(grant.key(name), grant.entry(name));
    Some(document)
}

fn unflag(person: &User, name: &str) -> Fallible<()> {
    let flags = fs::read(person.needs_auth_cache()).ok();
    let flags = flags.and_then(|flags| serde_json::from_slice::<Value>(&flags).ok());
    let Some(Value::Object(mut flags)) = flags else { return Ok(()) };
    if flags.remove(name).is_some() {
        fs::write(person.needs_auth_cache(), Value::Object(flags).to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leaves_everything_else_in_the_store_as_it_is() {
        let server = scripted_server::Server::start(scripted_server::Script::default()).unwrap();
        let grant = server.grant(Duration::from_secs(360));
        let document =
            json!({"claudeAiOauth": {"expiresAt": 1}, "mcpOAuth": {"east|00": {"refreshToken": "rt_1"}}});
        let written = with_entry(document.clone(), "north", &grant).unwrap();
        assert_eq!(written["mcpOAuth"][&grant.key("north")]["refreshToken"], json!(grant.refresh_token));
        assert_eq!(written["mcpOAuth"]["east|00"], document["mcpOAuth"]["east|00"]);
        assert_eq!(written["claudeAiOauth"], document["claudeAiOauth"]);
        assert_eq!(with_entry(json!([]), "north", &grant), None);
    }
}
