//! An agent as one might write it in an afternoon: without locks, quiet moments or checks for concurrent changes and wipes.

use crate::refresher::USER_AGENT;
use crate::user::User;
use crate::{Fallible, plain_http};
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;

/// Its polling interval.
const EVERY: Duration = Duration::from_millis(200);
/// It refreshes tokens with less than this left.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// Its delay between response and write.
const TARDINESS: Duration = Duration::from_millis(2500);

pub(crate) struct NaiveRefresher(JoinHandle<()>);

impl NaiveRefresher {
    pub(crate) fn start(person: Rc<User>) -> Self {
        Self(tokio::task::spawn_local(async move {
            let mut known = Map::new();
            loop {
                bring_back(&person, &mut known);
                for key in due(&person) {
                    // Failures show in the scenario's figures.
                    drop(refresh(&person, &key).await);
                }
                tokio::time::sleep(EVERY).await;
            }
        }))
    }

    pub(crate) async fn refresh(&self, person: &User) -> Fallible<()> {
        let keys: Vec<String> =
            entries(person).map(|entries| entries.keys().cloned().collect()).unwrap_or_default();
        for key in keys {
            refresh(person, &key).await?;
        }
        Ok(())
    }
}

impl Drop for NaiveRefresher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn entries(person: &User) -> Option<Map<String, Value>> {
    person.document()?.get("mcpOAuth")?.as_object().cloned()
}

/// Restores wiped entries without asking why they were wiped.
fn bring_back(person: &User, known: &mut Map<String, Value>) {
    let Some(mut document) = person.document() else { return };
    let Some(entries) = document.get_mut("mcpOAuth").and_then(Value::as_object_mut) else { return };
    let mut wiped = false;
    for (key, entry) in entries.iter_mut() {
        if entry.get("accessToken") != Some(&json!("")) {
            known.insert(key.clone(), entry.clone());
        } else if let (Some(before), true) = (known.get(key), entry.get("expiresAt") == Some(&json!(0))) {
            entry.clone_from(before);
            if let Some(expires_at) = entry.get_mut("expiresAt") {
                // Due at once.
                *expires_at = json!(1);
            }
            wiped = true;
        }
    }
    if wiped {
        // Failures show in the scenario's figures.
        drop(person.write(&document));
    }
}

/// The keys of entries whose tokens expire soon.
fn due(person: &User) -> Vec<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let is_due = |entry: &Value| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        let expires_at = entry.get("expiresAt").and_then(Value::as_f64);
        text("accessToken")
            && text("refreshToken")
            && expires_at.is_some_and(|expires_at| expires_at < (now + MARGIN).as_secs_f64() * 1000.0)
    };
    let entries = entries(person).unwrap_or_default();
    entries.into_iter().filter(|(_, entry)| is_due(entry)).map(|(key, _)| key).collect()
}

async fn refresh(person: &User, key: &str) -> Fallible<()> {
    let mut document = person.document().ok_or("no document")?;
    let entries = document.get_mut("mcpOAuth").and_then(Value::as_object_mut).ok_or("no entries")?;
    let entry = entries.get_mut(key).and_then(Value::as_object_mut).ok_or("no entry")?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let form = format!(
        "grant_type=refresh_token&refresh_token={}&client_id={}",
        text("refreshToken"),
        text("clientId")
    );
    let url = format!("{}/token", text("issuer"));
    let answer = plain_http::request("POST", &url, &format!("{USER_AGENT}/naive"), &form).await?;
    let answer: Value = serde_json::from_str(&answer.body)?;
    for (member, name) in [("access_token", "accessToken"), ("refresh_token", "refreshToken")] {
        entry.insert(name.to_owned(), answer.get(member).ok_or("an error")?.clone());
    }
    let lifetime = answer.get("expires_in").and_then(Value::as_u64).ok_or("no lifetime")?;
    let expires_at =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + Duration::from_secs(lifetime);
    entry.insert("expiresAt".to_owned(), json!(u64::try_from(expires_at.as_millis())?));
    tokio::time::sleep(TARDINESS).await;
    person.write(&document)
}
