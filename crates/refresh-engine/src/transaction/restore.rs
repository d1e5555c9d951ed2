//! Restores entries that vanished together, at the user's request.

use crate::decide::compare::WriteDecision;
use crate::decide::memory::Vanished;
use crate::store_access::commit::commit;
use crate::store_access::committer::Saved;
use crate::store_access::shared::Shared;
use crate::store_access::write_request::WriteRequest;
use crate::transaction::heal::tokens_of;
use crate::{Event, ObservedEntry, Partners};
use claude_store::{Change, Document, Entry, RawEntry};
use oauth_secret::{AccessToken, RefreshToken};
use zeroize::Zeroizing;

/// Writes every remembered entry that is not spent, and that is still absent or a stub; returns the servers' names.
pub(crate) async fn restore<P: Partners>(shared: &Shared<P>) -> Vec<String> {
    let vanished: Vec<_> = shared.vanished.borrow().values().cloned().collect();
    let mut back = Vec::new();
    for Vanished { seen, text, at: _ } in vanished {
        let key = &seen.entry.key;
        let spent =
            seen.refresh.is_none_or(|refresh| shared.read_record(key, |record| record.is_spent(refresh)));
        if spent {
            continue;
        }
        let Some(raw) = whole(&seen, &text) else { continue };
        match commit(shared, WriteRequest::Reinsert { key: key.clone(), raw }).await {
            Ok(Saved { decision: WriteDecision::Write, .. }) => {
                shared.vanished.borrow_mut().remove(key);
                let now = seen.refresh.map(|refresh| refresh.fingerprint());
                shared.tell(
                    &seen,
                    Event::Healed {
                        why: "it had vanished together with others, and you asked for it back",
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

/// The entry exactly as it was in the document, byte for byte, with the last known pair.
fn whole(seen: &ObservedEntry, text: &RawEntry) -> Option<RawEntry> {
    let entry = &seen.entry;
    let key = Zeroizing::new(serde_json::to_string(entry.key.as_str()).ok()?);
    let around = |raw: &str| Zeroizing::new(format!("{{\"mcpOAuth\":{{{}:{raw}}}}}", key.as_str()));
    let alone = around(text.expose());
    let document = Document::parse(alone.as_bytes()).ok()?;
    let stood = document.entry(&entry.key)?;
    let mut raw = Zeroizing::new(text.expose().trim_ascii().to_owned());
    let pair = |entry: &Entry| {
        (
            entry.access_token.as_ref().map(AccessToken::digest),
            entry.refresh_token.as_ref().map(RefreshToken::digest),
        )
    };
    if (pair(stood), stood.expires_at) != (pair(entry), entry.expires_at) {
        let spliced = document.splice(&[(entry.key.clone(), Change::Tokens(tokens_of(seen)?))]).ok()?;
        raw = Zeroizing::new(Document::parse(&spliced).ok()?.raw_entry(&entry.key)?.to_owned());
    }
    // The secret may have been stored beside the entries and vanished with them; the client reads it here, too.
    if let (Some(secret), None) = (&entry.client_secret, &stood.client_secret) {
        let secret = Zeroizing::new(serde_json::to_string(secret.expose()).ok()?);
        raw = Zeroizing::new(format!(
            "{},\"clientSecret\":{}}}",
            raw.strip_suffix('}')?.trim_end(),
            secret.as_str()
        ));
    }
    Some(RawEntry::from(raw))
}
