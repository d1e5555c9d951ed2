//! What the token endpoint answers.

use crate::Fallible;
use crate::parity::case::Case;
use crate::parity::lab::Lab;
use scripted_server::{
    Answer, Delivery, ExpiresIn, HttpReply, RefreshTokenForm, Reuse, ScopeForm, Script, Shape,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::connects("answer: after 9 s", || first(Answer::default().before(Duration::from_secs(9)))),
    Case::connects("answer: after 9 s, rotated at once", || {
        first(Answer::default().after(Duration::from_secs(9)))
    }),
    Case::connects("answer: 503, then good", || first(Answer::status(503))),
    Case::connects("answer: 503 with Retry-After, then good", || {
        first(Answer::status(503).retry_after(Duration::from_secs(2)))
    }),
    Case::connects("answer: 429, then good", || first(Answer::status(429))),
    Case::connects("answer: 429 with Retry-After, then good", || {
        first(Answer::status(429).retry_after(Duration::from_secs(2)))
    }),
    Case::connects("answer: 500, then good", || first(Answer::status(500))),
    Case::connects("answer: 502 page, then good", || first(Answer::html(502))),
    Case::connects("answer: connection closed, then good", || first(Answer::dropped())),
    Case::connects("answer: connection reset, then good", || {
        first(Answer { spends: false, ..Answer::default() }.delivered(Delivery::Reset))
    }),
    Case::connects("answer: lost after the rotation, grace of 30 s", || forgiving(Answer::lost())),
    Case::connects("answer: cut after the rotation, grace of 30 s", || forgiving(Answer::cut(40))),
    Case::connects("answer: 500 after the rotation, grace of 30 s", || {
        forgiving(Answer::status(500).spending())
    }),
    Case::fails("answer: lost after the rotation, no grace", "invalid_grant", || first(Answer::lost())),
    Case::fails("answer: 503 for ever", "503", || {
        let lab = Lab::plain(Script::default())?;
        lab.server.answer_always(Answer::status(503));
        Ok(lab)
    }),
    Case::fails("answer: 500 for ever", "500", || always(Answer::status(500))),
    Case::fails("answer: 500 that hides an upstream's refusal", "Token refresh failed: 400", || {
        always(Answer::error(500, "server_error", "Token refresh failed: 400"))
    }),
    Case::connects("answer: page with 200, then good", || first(Answer::html(200))),
    Case::fails("answer: page with 200 (captive portal)", "web page", || always(Answer::html(200))),
    Case::fails("answer: page with 403 (firewall)", "403", || always(Answer::html(403))),
    Case::fails("answer: page with 404 (deploy)", "404", || always(Answer::html(404))),
    Case::connects("answer: page with 403, then good", || first(Answer::html(403))),
    Case::connects("answer: page with 404, then good", || first(Answer::html(404))),
    Case::connects("answer: 201", || shaped(Shape { status: Some(201), ..Shape::default() })),
    Case::connects("answer: text/plain", || {
        shaped(Shape { content_type: Some("text/plain".to_owned()), ..Shape::default() })
    }),
    Case::connects("answer: no content type", || {
        shaped(Shape { content_type: Some(String::new()), ..Shape::default() })
    }),
    Case::better("answer: no token_type", || shaped(Shape { token_type: false, ..Shape::default() })),
    Case::connects("answer: token_type of another name", || {
        extra("token_type", json!("urn:ietf:params:oauth:token-type:access_token"))
    }),
    Case::connects("answer: expires_in as text", || expires_in(ExpiresIn::Text)),
    Case::connects("answer: expires_in with a fraction", || expires_in(ExpiresIn::Float)),
    Case::connects("answer: expires_in absent", || expires_in(ExpiresIn::Absent)),
    Case::connects("answer: expires_in null", || expires_in(ExpiresIn::Exactly(Value::Null))),
    Case::connects("answer: expires_in 0", || expires_in(ExpiresIn::Exactly(json!(0)))),
    Case::connects("answer: expires_in negative", || expires_in(ExpiresIn::Exactly(json!(-1)))),
    Case::connects("answer: expires_in beyond all measure", || expires_in(ExpiresIn::Exactly(json!(1e15)))),
    Case::better("answer: expires_in is a word", || expires_in(ExpiresIn::Exactly(json!("soon")))),
    Case::better("answer: scope as an array", || {
        shaped(Shape { scope: ScopeForm::Array, ..Shape::default() })
    }),
    Case::better("answer: scope null", || extra("scope", Value::Null)),
    Case::connects("answer: another scope", || extra("scope", json!("mcp"))),
    Case::connects("answer: less scope than the login has", || {
        Ok(extra("scope", json!("mcp"))?.entry("scope", json!("mcp write offline_access")))
    }),
    Case::connects("answer: endless, then good", || {
        first(Answer { spends: false, ..Answer::default() }.delivered(Delivery::Endless))
    }),
    Case::fails("answer: endless, always", "exceeds", || {
        always(Answer::reply(HttpReply::json(200, "{")).delivered(Delivery::Endless))
    }),
    Case::fails("answer: endless refusal", "invalid_request", || {
        always(Answer::error(400, "invalid_request", "").delivered(Delivery::Endless))
    }),
    Case::connects("answer: no refresh_token", || refresh_token(RefreshTokenForm::Absent)),
    Case::better("answer: refresh_token null", || refresh_token(RefreshTokenForm::Null)),
    Case::connects("answer: refresh_token empty", || refresh_token(RefreshTokenForm::Empty)),
    Case::connects("answer: byte-order mark", || shaped(Shape { bom: true, ..Shape::default() })),
    Case::connects("answer: gzip", || shaped(Shape { gzip: true, ..Shape::default() })),
    Case::connects("answer: deflate", || shaped(Shape { deflate: true, ..Shape::default() })),
    Case::connects("answer: expires_at besides", || extra("expires_at", json!(1_900_000_000_u64))),
    Case::connects("answer: id_token besides", || {
        extra("id_token", json!("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYWRlLXVwIn0."))
    }),
    Case::better("answer: id_token null besides", || extra("id_token", Value::Null)),
    Case::fails("answer: 200 with an error", "invalid_grant", || {
        always(Answer::reply(HttpReply::json(200, r#"{"error":"invalid_grant","error_description":"gone"}"#)))
    }),
    Case::fails("answer: 200 with success false", "no longer valid", || {
        always(Answer::reply(HttpReply::json(200, r#"{"success":false,"message":"no longer valid"}"#)))
    }),
];

fn first(answer: Answer) -> Fallible<Lab> {
    let lab = Lab::plain(Script::default())?;
    lab.server.answer_next(answer);
    Ok(lab)
}

/// The first answer is this; a spent refresh token may come again within 30 s.
fn forgiving(answer: Answer) -> Fallible<Lab> {
    let reuse = Reuse::Revoke { grace: Duration::from_secs(30) };
    let lab = Lab::plain(Script { reuse, ..Script::default() })?;
    lab.server.answer_next(answer);
    Ok(lab)
}

fn always(answer: Answer) -> Fallible<Lab> {
    Lab::plain(Script { answer, ..Script::default() })
}

fn shaped(shape: Shape) -> Fallible<Lab> {
    always(Answer::shaped(shape))
}

fn expires_in(expires_in: ExpiresIn) -> Fallible<Lab> {
    shaped(Shape { expires_in, ..Shape::default() })
}

fn refresh_token(refresh_token: RefreshTokenForm) -> Fallible<Lab> {
    shaped(Shape { refresh_token, ..Shape::default() })
}

fn extra(name: &str, value: Value) -> Fallible<Lab> {
    shaped(Shape { extra: Map::from_iter([(name.to_owned(), value)]), ..Shape::default() })
}
