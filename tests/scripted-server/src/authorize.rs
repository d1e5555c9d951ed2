//! Dynamic client registration (RFC 7591) and the authorization endpoint, which approves everything at once.

use crate::http::{Request, Response};
use crate::route::Decision;
use crate::site::{SCOPE, Site};
use crate::{Outcome, Registration};
use serde_json::{Value, json};

pub(crate) fn register(site: &Site, request: &Request) -> Decision {
    if site.with(|state| state.script.registration != Registration::Open) {
        let body = json!({"error": "access_denied", "error_description": "clients are registered by hand"});
        return Decision::new(Response::json(403, &body), Outcome::BadRequest, "registration is closed");
    }
    let Ok(Value::Object(mut client)) = serde_json::from_slice(&request.body) else {
        return Decision::bad_request("invalid_client_metadata", "the body is not a JSON object");
    };
    let auth = site.client_auth();
    let (client_id, secret) = site.with(|state| state.ledger.register(&state.script));
    client.insert("client_id".to_owned(), json!(client_id));
    client.insert("token_endpoint_auth_method".to_owned(), json!(auth.method()));
    if let Some(secret) = secret {
        client.insert("client_secret".to_owned(), json!(secret));
        client.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    Decision::new(Response::json(201, &Value::Object(client)), Outcome::Answered, client_id)
}

pub(crate) fn authorize(site: &Site, request: &Request) -> Decision {
    let query = &request.query;
    let (Some(client_id), Some(redirect_uri)) = (query.get("client_id"), query.get("redirect_uri")) else {
        return Decision::bad_request("invalid_request", "client_id or redirect_uri is missing");
    };
    if site.with(|state| state.ledger.client_secret(client_id).is_none()) {
        return Decision::bad_request("invalid_request", "the client is unknown");
    }
    let challenge = query.get("code_challenge");
    if challenge.is_some() && query.get("code_challenge_method") != Some("S256") {
        return Decision::bad_request("invalid_request", "only S256 is offered as code_challenge_method");
    }
    let scope = query.get("scope").unwrap_or(SCOPE);
    let code = site.with(|state| state.ledger.issue_code(client_id, redirect_uri, challenge, scope));
    let Ok(mut location) = url::Url::parse(redirect_uri) else {
        return Decision::bad_request("invalid_request", "redirect_uri is not a URL");
    };
    location.query_pairs_mut().append_pair("code", &code).append_pair("iss", &site.url());
    if let Some(state) = query.get("state") {
        location.query_pairs_mut().append_pair("state", state);
    }
    Decision::answered(Response::empty(302).header("Location", location.as_str()))
}
