//! Words for a refresh token that is dead and for a client that is gone.

use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::lab::Lab;
use scripted_server::{Answer, DeadStyle, HttpReply, Script};

pub(super) const CASES: &[Case] = &[
    Case::better("dead: invalid_grant once, as while a server is redeployed", || {
        let lab = Lab::plain(Script::default())?;
        lab.server.answer_next(Answer::error(400, "invalid_grant", "unknown refresh token"));
        Ok(lab)
    }),
    Case::fails("dead: invalid_grant", "invalid_grant", || dead(DeadStyle::InvalidGrant)),
    Case::fails("dead: 401 invalid_grant (FastMCP)", "invalid_grant", || dead(DeadStyle::Unauthorized)),
    Case::fails("dead: Grant not found (Linear)", "invalid_grant", || dead(DeadStyle::Linear)),
    Case::fails("dead: 200 invalid_refresh_token (Slack)", "invalid_refresh_token", || {
        dead(DeadStyle::Slack)
    }),
    Case::fails("dead: 403 unauthorized_client (Atlassian)", "unauthorized_client", || {
        dead(DeadStyle::Atlassian)
    }),
    Case::fails("dead: 400 invalid_request (Zitadel)", "invalid_request", || dead(DeadStyle::Zitadel)),
    Case::fails("dead: invalid_token", "invalid_token", || says(400, r#"{"error":"invalid_token"}"#)),
    Case::fails("dead: token_inactive", "token_inactive", || says(400, r#"{"error":"token_inactive"}"#)),
    Case::fails("dead: session not found", "session not found", || {
        says(400, r#"{"error":"invalid_request","error_description":"session not found"}"#)
    }),
    Case::fails("dead: no longer valid", "no longer valid", || {
        says(400, r#"{"error":"invalid_request","error_description":"The session is no longer valid"}"#)
    }),
    Case::fails("dead: an error inside an array", "invalid_grant", || {
        says(400, r#"[{"error":"invalid_grant"}]"#)
    }),
    Case::fails("dead: under errors", "expired", || {
        says(401, r#"{"errors":[{"message":"refresh token expired"}]}"#)
    }),
    Case::fails("gone: 401 invalid_client", "invalid_client", || {
        says(401, r#"{"error":"invalid_client","error_description":"client not found"}"#)
    }),
    Case::fails("gone: 422 Unrecognized client_id (Supabase)", "client_id", || {
        says(422, r#"{"message":"Unrecognized client_id"}"#)
    }),
    Case::fails("gone: Missing client credentials", "Missing client credentials", || {
        says(400, r#"{"error":"invalid_request","error_description":"Missing client credentials"}"#)
    }),
    Case::fails("gone: unauthorized_client", "unauthorized_client", || {
        says(400, r#"{"error":"unauthorized_client","error_description":"Client authentication failed"}"#)
    }),
];

fn dead(dead_style: DeadStyle) -> Fallible<Lab> {
    Ok(Lab::plain(Script { dead_style, ..Script::default() })?.killed())
}

fn says(status: u16, body: &str) -> Fallible<Lab> {
    Lab::plain(Script { answer: Answer::reply(HttpReply::json(status, body)), ..Script::default() })
}
