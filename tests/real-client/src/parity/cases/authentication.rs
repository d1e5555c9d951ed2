//! How the client authenticates itself at the token endpoint.

use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::lab::Lab;
use scripted_server::{Answer, ClientAuth, Script};
use serde_json::{Value, json};

/// What form encoding and HTTP Basic treat each in their own way.
const SPECIAL: &str = "s+e c/r=e%41t:&~";

pub(super) const CASES: &[Case] = &[
    Case::connects("client: public", || Lab::plain(Script::default())),
    Case::connects("client: public, metadata lists no `none`", || {
        listing(ClientAuth::None, &["client_secret_post", "client_secret_basic"])
    }),
    Case::connects("client: public, metadata lists no method", || listing(ClientAuth::None, &[])),
    Case::connects("client: post only", || by(ClientAuth::Post)),
    Case::better("client: post only, metadata lists both", || {
        listing(ClientAuth::Post, &["client_secret_basic", "client_secret_post"])
    }),
    Case::better("client: post only, metadata lists post first", || {
        listing(ClientAuth::Post, &["client_secret_post", "client_secret_basic", "none"])
    }),
    Case::better("client: post only, metadata lists no method", || listing(ClientAuth::Post, &[])),
    Case::connects("client: basic only", || by(ClientAuth::Basic)),
    Case::connects("client: basic only, metadata lists both", || {
        listing(ClientAuth::Basic, &["client_secret_post", "client_secret_basic"])
    }),
    Case::connects("client: basic only, metadata lists no method", || listing(ClientAuth::Basic, &[])),
    Case::better("client: basic, client_id demanded in the body", || by(ClientAuth::BasicAndId)),
    Case::connects("client: basic, compared without form decoding", || {
        with_secret(ClientAuth::BasicAsIs, SPECIAL)
    }),
    Case::better("client: basic, secret with special characters", || with_secret(ClientAuth::Basic, SPECIAL)),
    Case::connects("client: basic, secret of base64", || {
        with_secret(ClientAuth::BasicAsIs, "q83vEjRWeJA+/Ab+cd/ef==")
    }),
    Case::connects("client: post, secret with special characters", || with_secret(ClientAuth::Post, SPECIAL)),
    Case::connects("client: either way, both at once refused", || by(ClientAuth::Either)),
    Case::connects("client: id from the configuration, secret in mcpOAuthClientConfig only", || {
        let lab = secret_elsewhere()?;
        let (id, _) = lab.client();
        Ok(lab.without(&["clientId"]).configured("oauth", json!({"clientId": id})))
    }),
    Case::better("client: secret in mcpOAuthClientConfig, no id in the configuration", secret_elsewhere),
    Case::connects("client: id from oauth.clientId of the configuration", || {
        let lab = Lab::plain(Script::default())?;
        let (id, _) = lab.client();
        Ok(lab.without(&["clientId"]).configured("oauth", json!({"clientId": id})))
    }),
    Case::connects("client: id in the entry and in the configuration", || {
        let lab = Lab::plain(Script::default())?;
        let (id, _) = lab.client();
        Ok(lab.configured("oauth", json!({"clientId": id})))
    }),
    Case::fails("client: no id anywhere", "client", || {
        Ok(Lab::plain(Script::default())?.without(&["clientId"]))
    }),
    Case::connects("client: id is a URL", || url_as_id(Script::default())),
    Case::better("client: id is a URL whose document fails once", || {
        let lab = url_as_id(Script::default())?;
        lab.server.answer_next(Answer::error(401, "invalid_client", "cannot fetch the client's document"));
        Ok(lab)
    }),
];

fn by(client_auth: ClientAuth) -> Fallible<Lab> {
    Lab::plain(Script { client_auth, ..Script::default() })
}

fn listing(client_auth: ClientAuth, methods: &[&str]) -> Fallible<Lab> {
    let methods = methods.iter().map(|&method| method.to_owned()).collect();
    Lab::plain(Script { client_auth, auth_methods: Some(methods), ..Script::default() })
}

/// As `claude mcp add --client-secret` leaves it.
fn secret_elsewhere() -> Fallible<Lab> {
    let mut lab = by(ClientAuth::Post)?;
    lab.client_config = Some(json!({"clientSecret": lab.client().1}));
    Ok(lab.without(&["clientSecret"]))
}

fn with_secret(client_auth: ClientAuth, secret: &str) -> Fallible<Lab> {
    Lab::plain(Script { client_auth, client_secret: Some(secret.to_owned()), ..Script::default() })
}

/// A client id metadata document: nobody fetches it here.
fn url_as_id(script: Script) -> Fallible<Lab> {
    let id = "https://claude.example.test/oauth/claude-code-client-metadata";
    let lab = Lab::plain(Script { client_id: Some(id.to_owned()), ..script })?;
    Ok(lab.entry("clientId", Value::from(id)))
}
