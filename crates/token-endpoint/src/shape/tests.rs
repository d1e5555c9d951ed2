use super::*;
use crate::{RawAnswer, interpret};
use jiff::Timestamp;

const PLAIN: RequestShape = RequestShape { resource: true, own_url: false, scope: false };

fn refused(code: &str, description: &str) -> Answer {
    let body = serde_json::json!({ "error": code, "error_description": description }).to_string();
    interpret(&RawAnswer::new(400, body), Timestamp::UNIX_EPOCH)
}

#[test]
fn the_resource_is_left_out_where_a_server_objects_to_it() {
    for (code, description) in [
        ("invalid_target", ""),
        (
            "invalid_target",
            "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.",
        ),
        (
            "invalid_grant",
            "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.",
        ),
        (
            "invalid_request",
            "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.",
        ),
        ("invalid_request", "AADSTS90009: Application is requesting a token for itself."),
        ("invalid_request", "AADSTS901002: The 'resource' request parameter isn't supported."),
        ("invalid_request", "The parameter 'resource' is not supported"),
        ("invalid_request", "Unknown parameter: resource"),
    ] {
        let answer = refused(code, description);
        assert_eq!(
            next_shape(PLAIN, &answer, false, false),
            Some(RequestShape { resource: false, own_url: false, scope: false }),
            "{code} {description}: {answer:?}"
        );
    }
}

#[test]
fn the_scope_is_sent_where_a_server_asks_for_it() {
    for (code, description) in [
        ("invalid_request", "AADSTS90014: The required field 'scope' is missing from the credential."),
        ("invalid_request", "AADSTS900144: The request body must contain the following parameter: 'scope'."),
        ("invalid_request", "scope is required"),
        ("invalid_scope", "Missing scope"),
    ] {
        let answer = refused(code, description);
        let with_scope = RequestShape { resource: true, own_url: false, scope: true };
        assert_eq!(
            next_shape(PLAIN, &answer, true, false),
            Some(with_scope),
            "{code} {description}: {answer:?}"
        );
        assert_eq!(next_shape(PLAIN, &answer, false, false), None, "there is none to send");
    }
}

#[test]
fn a_resource_that_is_missed_is_sent_again_and_a_scope_that_is_refused_is_not() {
    let without = RequestShape { resource: false, own_url: false, scope: false };
    for description in ["resource is required", "Field required: resource", "missing resource parameter"] {
        let answer = refused("invalid_request", description);
        assert_eq!(next_shape(without, &answer, false, false), Some(PLAIN), "{answer:?}");
        assert_eq!(next_shape(PLAIN, &answer, false, false), None, "it was sent");
    }
    let with_scope = RequestShape { resource: true, own_url: false, scope: true };
    assert_eq!(next_shape(with_scope, &refused("invalid_scope", ""), true, false), Some(PLAIN));
    // RFC 8707's own words name both; what was sent is what is wrong.
    let both =
        refused("invalid_request", "The requested resource is invalid, unknown, missing, or malformed.");
    assert_eq!(next_shape(PLAIN, &both, false, false), Some(without));
}

#[test]
fn a_refusal_that_is_about_the_shape_does_not_prove_the_token_unspent() {
    for answer in [
        refused("invalid_target", ""),
        refused("invalid_scope", ""),
        refused("invalid_request", "unknown parameter: resource"),
    ] {
        assert!(may_have_spent(&answer), "{answer:?}");
    }
    for answer in [refused("invalid_request", "token is still valid"), refused("unauthorized_client", "")] {
        assert!(!may_have_spent(&answer), "{answer:?}");
    }
}

#[test]
fn only_a_refusal_that_names_nothing_is_guessed_at() {
    let without = RequestShape { resource: false, own_url: false, scope: false };
    for answer in [refused("invalid_request", ""), refused("Bad Request", "nope")] {
        assert_eq!(guessed_shape(PLAIN, &answer), Some(without), "{answer:?}");
        assert_eq!(guessed_shape(without, &answer), Some(PLAIN), "and back: it was a guess");
    }
    for answer in [
        refused("invalid_target", ""),
        refused("unauthorized_client", ""),
        refused("invalid_client", ""),
        Answer::Transient { why: String::new(), retry_after: None },
    ] {
        assert_eq!(guessed_shape(PLAIN, &answer), None, "{answer:?}");
    }
}

#[test]
fn other_answers_change_nothing() {
    for answer in [
        refused("invalid_grant", "the resource owner revoked the scope"),
        refused("invalid_request", "AADSTS90014: The required field 'client_id' is missing."),
        refused("invalid_request", "malformed"),
        refused("invalid_client", ""),
        refused("unauthorized_client", "resource not allowed"),
        Answer::Transient { why: "invalid_target".to_owned(), retry_after: None },
        Answer::Unsent { why: "scope is required".to_owned() },
    ] {
        assert_eq!(next_shape(PLAIN, &answer, true, false), None, "{answer:?}");
    }
}

#[test]
fn the_sequence_of_shapes_ends() {
    let answers = [refused("invalid_target", ""), refused("invalid_scope", "scope is required")];
    for first in &answers {
        for second in &answers {
            let mut shape = PLAIN;
            let mut changes = 0;
            while let Some(next) = next_shape(shape, if changes == 0 { first } else { second }, true, false) {
                assert_ne!(next, shape);
                shape = next;
                changes += 1;
                assert!(changes <= 2);
            }
        }
    }
}

#[test]
fn a_remembered_shape_is_read_back_and_an_empty_one_is_the_default() {
    let shape = RequestShape { resource: false, own_url: false, scope: true };
    let json = serde_json::to_string(&shape).unwrap();
    assert_eq!(serde_json::from_str::<RequestShape>(&json).unwrap(), shape);
    assert_eq!(serde_json::from_str::<RequestShape>("{}").unwrap(), PLAIN);
}
