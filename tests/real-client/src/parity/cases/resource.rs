//! The `resource` parameter (RFC 8707): refused, demanded, named otherwise.

use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::lab::Lab;
use scripted_server::{HttpReply, ResourceRule, Script};
use serde_json::json;

pub(super) const CASES: &[Case] = &[
    Case::better("resource refused: 400 invalid_target", || {
        refused(400, json!({"error": "invalid_target", "error_description": "AADSTS9010010: resource"}))
    }),
    Case::better("resource refused: 400 invalid_request", || {
        refused(400, json!({"error": "invalid_request", "error_description": "unknown parameter: resource"}))
    }),
    Case::fails("resource refused: 400 without words", "invalid_request", || {
        refused(400, json!({"error": "invalid_request"}))
    }),
    Case::better("resource refused: 400 invalid_scope", || {
        refused(400, json!({"error": "invalid_scope", "error_description": "AADSTS90009: resource"}))
    }),
    Case::better("resource refused: array of messages", || {
        let messages = ["property resource should not exist"];
        refused(400, json!({"statusCode": 400, "message": messages, "error": "Bad Request"}))
    }),
    Case::better("resource refused: 422 detail", || {
        let detail = json!([{"type": "extra_forbidden", "loc": ["body", "resource"], "msg": "Extra inputs are not permitted"}]);
        refused(422, json!({"detail": detail}))
    }),
    Case::better("resource refused: errors", || {
        refused(400, json!({"errors": [{"message": "resource is not allowed", "path": "resource"}]}))
    }),
    Case::better("resource refused: plain text", || {
        let content_type = "text/plain".to_owned();
        let body = "Unknown parameter: resource".to_owned();
        answering(HttpReply { status: 400, content_type, body, ..HttpReply::default() })
    }),
    Case::fails("resource refused: page of HTML", "400", || {
        let content_type = "text/html".to_owned();
        let body = "<html><body><h1>Bad Request</h1></body></html>".to_owned();
        answering(HttpReply { status: 400, content_type, body, ..HttpReply::default() })
    }),
    Case::connects("resource demanded", || {
        Lab::plain(Script { resource: ResourceRule::Required, ..Script::default() })
    }),
    // A URL without a path goes out with a slash.
    Case::connects("resource demanded, as the metadata names it: origin", || {
        let lab = demanded_and_named(|base| format!("{base}/"))?;
        let base = lab.server.url();
        lab.server.set(|script| script.resource_named = Some(base));
        Ok(lab)
    }),
    Case::connects("resource demanded, as the metadata names it: origin and slash", || {
        demanded_and_named(|base| format!("{base}/"))
    }),
    Case::fails("resource demanded, as the metadata names it: slash added", "resource", || {
        demanded_and_named(|base| format!("{base}/mcp/"))
    }),
    Case::fails("resource demanded, as the metadata names it: an identifier", "resource", || {
        demanded_and_named(|_| "https://api.example.test/mcp".to_owned())
    }),
    // The token says for which of the two the login was. Where it says nothing the agent begins with what the metadata names, as the login
    // of 2.1.332 does: a server that binds the token to that may spend it on another (oidc-provider 9.13.3).
    Case::connects("resource demanded: MCP URL, metadata names the origin since the login", || {
        let lab = Lab::plain(Script { resource: ResourceRule::Required, jwt: true, ..Script::default() })?;
        let (base, own) = (lab.server.url(), lab.server.mcp_url());
        lab.server.set(|script| {
            script.audience = Some(own);
            script.resource_named = Some(base);
        });
        Ok(lab.granted_anew())
    }),
    Case::connects("resource demanded, no metadata of the resource", || {
        let rule = ResourceRule::Required;
        Lab::plain(Script { resource: rule, resource_metadata: false, ..Script::default() })
    }),
    Case::connects("resource demanded, server at a bare host", || {
        let lab = Lab::plain(Script { resource: ResourceRule::Required, ..Script::default() })?;
        let base = lab.server.url();
        lab.server.set(|script| {
            script.resource_named = Some(format!("{base}/"));
            script.resource_wanted = Some(format!("{base}/"));
        });
        Ok(lab.known_as(&base))
    }),
    Case::connects("resource demanded, MCP URL with a scheme in capitals", || {
        let lab = Lab::plain(Script { resource: ResourceRule::Required, ..Script::default() })?;
        let url = lab.server.mcp_url().replace("http://", "HTTP://");
        Ok(lab.known_as(&url))
    }),
    Case::better("scope demanded", || Lab::plain(Script { scope_required: true, ..Script::default() })),
];

fn refused(status: u16, body: serde_json::Value) -> Fallible<Lab> {
    answering(HttpReply::json(status, &body.to_string()))
}

/// `resource` is refused so.
fn answering(refusal: HttpReply) -> Fallible<Lab> {
    let resource = ResourceRule::Refused;
    Lab::plain(Script { resource, resource_refusal: Some(refusal), ..Script::default() })
}

/// The token endpoint demands what the protected-resource metadata names.
fn demanded_and_named(name: fn(&str) -> String) -> Fallible<Lab> {
    let lab = Lab::plain(Script { resource: ResourceRule::Required, ..Script::default() })?;
    let named = name(&lab.server.url());
    lab.server.set(|script| {
        script.resource_named = Some(named.clone());
        script.resource_wanted = Some(named);
    });
    Ok(lab)
}
