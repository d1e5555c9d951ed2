//! Puts entries back that vanished together, at a person's word.

use crate::commit::{Decided, commit};
use crate::compare::WriteDecision;
use crate::shared::Shared;
use crate::{Event, Partners, Seen};
use claude_store::{Change, Entry, ExpiresAt, RawEntry};
use serde_json::{Map, Value};
use std::rc::Rc;
use zeroize::Zeroizing;

/// Writes every remembered entry that is still absent and not spent; gives the servers' names.
pub(crate) async fn restore<P: Partners>(shared: &Rc<Shared<P>>) -> Vec<String> {
    let vanished: Vec<Seen> = shared.vanished.borrow().values().map(|gone| gone.seen.clone()).collect();
    let mut back = Vec::new();
    for seen in vanished {
        let key = &seen.entry.key;
        let spent =
            seen.refresh.is_none_or(|refresh| shared.read_record(key, |record| record.is_spent(refresh)));
        if spent {
            continue;
        }
        let Some(raw) = raw(&seen.entry) else { continue };
        let decide = Box::new(move |found: Option<&Seen>| match found {
            None => Decided {
                decision: WriteDecision::Write,
                change: Some(Change::Reinsert { raw: raw.clone() }),
            },
            Some(_) => Decided { decision: WriteDecision::Superseded, change: None },
        });
        match commit(shared, key.clone(), decide).await {
            Ok(WriteDecision::Write) => {
                shared.vanished.borrow_mut().remove(key);
                let now = seen.refresh.map(|refresh| refresh.fingerprint());
                shared.tell(
                    &seen,
                    Event::Healed {
                        why: "it had vanished with others, and a person asked for it",
                        now,
                        expires_at: seen.expiry.moment(),
                    },
                );
                back.push(seen.entry.server_name.clone());
            }
            Ok(_) => {}
            Err(error) => shared.state_trouble(&error),
        }
    }
    back
}

/// The entry as the client writes it, in its order of members (measured).
fn raw(entry: &Entry) -> Option<RawEntry> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    put("serverName", Some(entry.server_name.clone().into()));
    put("serverUrl", text(&entry.server_url));
    put("accessToken", entry.access_token.as_ref().map(|token| token.expose().into()));
    put("discoveryState", discovery(entry));
    put("clientId", text(&entry.client_id));
    put("clientSecret", entry.client_secret.as_ref().map(|secret| secret.expose().into()));
    put("issuer", text(&entry.issuer));
    put("redirectUri", text(&entry.redirect_uri));
    put("refreshToken", entry.refresh_token.as_ref().map(|token| token.expose().into()));
    put(
        "expiresAt",
        match entry.expires_at {
            ExpiresAt::Absent => None,
            ExpiresAt::Zero => Some(0.into()),
            ExpiresAt::At(millis) => Some(millis.into()),
        },
    );
    put("scope", text(&entry.scope));
    let text = Zeroizing::new(serde_json::to_string(&members).ok()?);
    Some(RawEntry::from(text))
}

fn discovery(entry: &Entry) -> Option<Value> {
    let state = &entry.discovery;
    let mut members = Map::new();
    for (name, value) in [
        ("authorizationServerUrl", &state.authorization_server_url),
        ("authServerMetadataUrl", &state.auth_server_metadata_url),
        ("resourceMetadataUrl", &state.resource_metadata_url),
    ] {
        if let Some(value) = value {
            members.insert(name.to_owned(), value.clone().into());
        }
    }
    (!members.is_empty()).then_some(Value::Object(members))
}
