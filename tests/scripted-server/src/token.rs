//! The token endpoint: authorization codes answered honestly, refreshes as the script says.

use crate::authentication::authenticate;
use crate::form::Form;
use crate::http::{Request, Response};
use crate::ledger::{Pair, Verdict};
use crate::site::{Site, SiteState};
use crate::{
    Answer, ClientAuth, DeadStyle, Delivery, ExpiresIn, Outcome, RefreshTokenForm, ResourceRule, ScopeForm,
    Script, Shape,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::time::Instant;
use tokio::time::sleep;

/// The outcome of processing a grant, for the log, and the honest response to it.
struct Result {
    outcome: Outcome,
    detail: String,
    status: u16,
    body: Value,
}

impl Result {
    fn error(outcome: Outcome, status: u16, code: &str, description: &str) -> Self {
        let body = json!({"error": code, "error_description": description});
        Self { outcome, detail: description.to_owned(), status, body }
    }
}

pub(crate) async fn answer(site: &Site, request: &Request, number: usize) -> (Response, Delivery) {
    let form = request.form();
    let log = &site.shared.log;
    if let Some(redirect) = site.with(|state| state.script.token_redirect.clone())
        && request.path.ends_with("/token")
    {
        log.decide(number, Outcome::Untouched, "redirected");
        let response = Response::empty(redirect.status).header("Location", &redirect.location);
        return (response, Delivery::Whole);
    }
    if form.get("grant_type") != Some("refresh_token") {
        let (script, result) = site.with(|state| (state.script.clone(), exchange(state, request, &form)));
        log.decide(number, result.outcome, &result.detail);
        return (dress(&result, &Shape::default(), &script), Delivery::Whole);
    }
    let (answer, turned_away) = site.with(|state| {
        let script = &mut state.script;
        let agent = request.header("user-agent").unwrap_or_default();
        let turned_away = script.refused_user_agents.iter().any(|start| agent.starts_with(start.as_str()));
        (
            if turned_away {
                Answer::html(403)
            } else {
                script.next.pop_front().unwrap_or_else(|| script.answer.clone())
            },
            turned_away,
        )
    });
    sleep(answer.before).await;
    let result =
        answer.spends.then(|| site.with(|state| refresh(state, request, &form, site, &answer.shape)));
    match &result {
        Some(result) => log.decide(number, result.outcome, &result.detail),
        None if turned_away => log.decide(number, Outcome::Refused, "the edge does not like this User-Agent"),
        None => log.decide(number, Outcome::Untouched, "the grant was not touched"),
    }
    sleep(answer.after).await;
    let script = site.with(|state| state.script.clone());
    let response = match (&answer.reply, &result) {
        (Some(reply), _) => Response::from(reply),
        (None, Some(Result { outcome: Outcome::Refused, body, .. }))
            if body["error"] == "invalid_target" && script.resource_refusal.is_some() =>
        {
            script.resource_refusal.as_ref().map_or_else(|| Response::empty(400), Response::from)
        }
        (None, Some(result)) => dress(result, &answer.shape, &script),
        (None, None) => Response::empty(503),
    };
    (response, answer.delivery)
}

fn exchange(state: &mut SiteState, request: &Request, form: &Form) -> Result {
    if form.get("grant_type") != Some("authorization_code") {
        return Result::error(
            Outcome::BadRequest,
            400,
            "unsupported_grant_type",
            "grant_type is not supported",
        );
    }
    let client_id = match authenticate(state, request, form) {
        Ok(client_id) => client_id,
        Err(why) => return Result::error(Outcome::ClientDead, 401, "invalid_client", why),
    };
    let challenge =
        form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    let (code, redirect_uri) =
        (form.get("code").unwrap_or_default(), form.get("redirect_uri").unwrap_or_default());
    let SiteState { script, ledger } = state;
    match ledger.exchange(script, Instant::now(), code, &client_id, redirect_uri, challenge.as_deref()) {
        Ok(pair) => {
            let mut result = success(Outcome::Exchanged, &pair);
            if let (false, Some(members)) = (script.refresh_tokens, result.body.as_object_mut()) {
                members.remove("refresh_token");
            }
            result
        }
        Err(why) => Result::error(Outcome::BadRequest, 400, "invalid_grant", why),
    }
}

fn refresh(state: &mut SiteState, request: &Request, form: &Form, site: &Site, shape: &Shape) -> Result {
    let client_id = match authenticate(state, request, form) {
        Ok(client_id) => client_id,
        Err(why) => return Result::error(Outcome::ClientDead, 401, "invalid_client", why),
    };
    let SiteState { script, ledger } = state;
    if script.client_auth == ClientAuth::Either
        && request.header("authorization").is_some()
        && form.get("client_secret").is_some()
    {
        let why = "the client authenticated itself in two ways";
        return Result::error(Outcome::BadRequest, 400, "invalid_request", why);
    }
    if let Some(refusal) = demands(script, form, &site.mcp_url()) {
        return refusal;
    }
    let Some(refresh_token) = form.get("refresh_token") else {
        return Result::error(Outcome::BadRequest, 400, "invalid_request", "refresh_token is missing");
    };
    // An answer without a new refresh token tells the client to keep the old one: rotating would lie.
    let rotates = script.rotates && shape.refresh_token == RefreshTokenForm::Present;
    match ledger.refresh(script, rotates, Instant::now(), &client_id, refresh_token) {
        Verdict::Fresh(pair) => success(Outcome::Fresh, &pair),
        Verdict::Replayed(pair) => success(Outcome::Replayed, &pair),
        Verdict::Reuse => dead(script.dead_style, Outcome::Reuse, "a spent refresh token came again"),
        Verdict::Dead(why) => dead(script.dead_style, Outcome::Dead, why),
        Verdict::WrongClient => Result::error(
            Outcome::Dead,
            400,
            "invalid_grant",
            "the refresh token was issued to another client",
        ),
        Verdict::TooEarly(code) => {
            Result::error(Outcome::Refused, 400, &code, "it is too early for a refresh")
        }
    }
}

/// What the script demands of a refresh's other parameters.
fn demands(script: &Script, form: &Form, mcp_url: &str) -> Option<Result> {
    let refused = |code, why| Some(Result::error(Outcome::Refused, 400, code, why));
    match (script.resource, form.get("resource")) {
        (ResourceRule::Required, None) => {
            return refused("invalid_target", "the resource parameter is required");
        }
        (ResourceRule::Required, Some(resource))
            if resource != script.resource_wanted.as_deref().unwrap_or(mcp_url) =>
        {
            return refused("invalid_target", "the resource parameter names another server");
        }
        (ResourceRule::Refused, Some(_)) => {
            let why = "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.";
            return refused("invalid_target", why);
        }
        _ => {}
    }
    if script.scope_required && form.get("scope").is_none() {
        let why = "AADSTS900144: The request body must contain the following parameter: 'scope'.";
        return refused("invalid_request", why);
    }
    None
}

fn dead(style: DeadStyle, outcome: Outcome, why: &str) -> Result {
    let mut result = match style {
        DeadStyle::InvalidGrant => Result::error(outcome, 400, "invalid_grant", why),
        DeadStyle::Unauthorized => Result::error(outcome, 401, "invalid_grant", why),
        DeadStyle::Linear => Result::error(outcome, 400, "invalid_grant", "Grant not found"),
        DeadStyle::Slack => {
            let body = json!({"ok": false, "error": "invalid_refresh_token"});
            Result { outcome, detail: String::new(), status: 200, body }
        }
        DeadStyle::Atlassian => {
            Result::error(outcome, 403, "unauthorized_client", "refresh_token is invalid")
        }
        DeadStyle::Zitadel => {
            Result::error(outcome, 400, "invalid_request", "Errors.OIDCSession.RefreshTokenInvalid")
        }
    };
    why.clone_into(&mut result.detail);
    result
}

fn success(outcome: Outcome, pair: &Pair) -> Result {
    let body = json!({
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in.as_secs(),
        "refresh_token": pair.refresh_token,
        "scope": pair.scope
    });
    Result { outcome, detail: pair.refresh_token.clone(), status: 200, body }
}

/// The response in the form the shape demands.
fn dress(result: &Result, shape: &Shape, script: &Script) -> Response {
    let mut body = result.body.clone();
    let mut status = result.status;
    if let (Outcome::Exchanged | Outcome::Fresh | Outcome::Replayed, Some(members)) =
        (result.outcome, body.as_object_mut())
    {
        status = shape.status.unwrap_or(status);
        dress_members(members, shape, script);
    }
    let mut bytes = body.to_string().into_bytes();
    if shape.bom {
        bytes.splice(0..0, *b"\xEF\xBB\xBF");
    }
    let mut response = Response::empty(status).header("Cache-Control", "no-store");
    if shape.gzip {
        response = response.header("Content-Encoding", "gzip");
        bytes = gzip(&bytes);
    }
    if shape.deflate {
        response = response.header("Content-Encoding", "deflate");
        bytes = deflate(&bytes);
    }
    match shape.content_type.as_deref() {
        Some("") => {}
        Some(other) => response = response.header("Content-Type", other),
        None => response = response.header("Content-Type", "application/json"),
    }
    response.body(bytes)
}

fn dress_members(members: &mut Map<String, Value>, shape: &Shape, script: &Script) {
    let seconds = members.get("expires_in").and_then(Value::as_u64).unwrap_or_default();
    match &shape.expires_in {
        ExpiresIn::Number => {}
        ExpiresIn::Text => set(members, "expires_in", json!(seconds.to_string())),
        ExpiresIn::Float => set(members, "expires_in", json!(seconds as f64 + 0.5)),
        ExpiresIn::Absent => drop(members.shift_remove("expires_in")),
        ExpiresIn::Exactly(value) => set(members, "expires_in", value.clone()),
    }
    let scope = members.get("scope").and_then(Value::as_str).unwrap_or_default().to_owned();
    match shape.scope {
        ScopeForm::Text => {}
        ScopeForm::Array => set(members, "scope", json!(scope.split(' ').collect::<Vec<_>>())),
        ScopeForm::Empty => set(members, "scope", json!("")),
        ScopeForm::Absent => drop(members.shift_remove("scope")),
    }
    match shape.refresh_token {
        RefreshTokenForm::Present => {}
        RefreshTokenForm::Absent => drop(members.shift_remove("refresh_token")),
        RefreshTokenForm::Null => set(members, "refresh_token", Value::Null),
        RefreshTokenForm::Empty => set(members, "refresh_token", json!("")),
    }
    if !shape.token_type {
        members.shift_remove("token_type");
    }
    if let Some(life) = script.refresh_lifetime {
        set(members, "refresh_expires_in", json!(life.as_secs()));
    }
    for (name, value) in &shape.extra {
        set(members, name, value.clone());
    }
    if shape.padding > 0 {
        set(members, "padding", json!("x".repeat(shape.padding)));
    }
}

fn set(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // A Vec takes everything.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // A Vec takes everything.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
