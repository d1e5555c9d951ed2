//! What Claude Code would have stored, to seed a credential file.

use crate::Grant;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The key of a server's entry in `mcpOAuth`: its name and the start of a hash of its configuration (measured).
///
/// ```
/// let key = scripted_server::store_key("lab", "http://127.0.0.1:9000/mcp");
/// assert_eq!(key, "lab|6f671eeac57e3e15");
/// ```
#[must_use]
pub fn store_key(name: &str, url: &str) -> String {
    let configuration = json!({"type": "http", "url": url, "headers": {}}).to_string();
    let digest = Sha256::digest(configuration.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{name}|{hex}")
}

/// A whole document with these entries, a made-up login to Claude itself, and unknown members: one compact line.
#[must_use]
pub fn credentials_json<'a>(entries: impl IntoIterator<Item = (&'a str, &'a Grant)>) -> String {
    let mut oauth = Map::new();
    let mut secrets = Map::new();
    for (name, grant) in entries {
        let key = store_key(name, &grant.server_url);
        if let Some(secret) = &grant.client_secret {
            secrets.insert(key.clone(), json!({"clientSecret": secret}));
        }
        oauth.insert(key, grant.entry(name));
    }
    let mut document = json!({
        "claudeAiOauth": {
            "accessToken": "made-up-access", "refreshToken": "made-up-refresh", "expiresAt": 1_795_381_774_631_u64,
            "scopes": ["user:inference"], "subscriptionType": "max"
        },
        "mcpOAuth": oauth,
        "somethingUnknown": {"kept": [1, 2.50, "ü"]}
    });
    if !secrets.is_empty() {
        document["mcpOAuthClientConfig"] = Value::Object(secrets);
    }
    document.to_string()
}

impl Grant {
    /// The entry that Claude Code stores after a login, as one compact line of JSON.
    #[must_use]
    pub fn entry_json(&self, name: &str) -> String {
        self.entry(name).to_string()
    }

    /// The key under which Claude Code stores it.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        store_key(name, &self.server_url)
    }

    /// The entry as a value. Its members are in the order of Claude Code 2.1.330 (measured).
    #[must_use]
    pub fn entry(&self, name: &str) -> Value {
        let mut entry = json!({
            "serverName": name,
            "serverUrl": self.server_url,
            "accessToken": self.access_token,
            "discoveryState": {
                "authorizationServerUrl": self.issuer,
                "oauthMetadataFound": true,
                "authServerMetadataUrl": null
            },
            "clientId": self.client_id,
            "issuer": self.issuer,
            "redirectUri": "http://localhost:52363/callback",
            "refreshToken": self.refresh_token,
            "expiresAt": self.expires_at_ms,
            "scope": self.scope
        });
        if let (Some(secret), Some(members)) = (&self.client_secret, entry.as_object_mut()) {
            members.insert("clientSecret".to_owned(), json!(secret));
        }
        entry
    }
}
