//! The revocation endpoint (RFC 7009).

use crate::Outcome;
use crate::authentication::authenticate;
use crate::http::{Request, Response};
use crate::route::Decision;
use crate::site::Site;
use serde_json::json;

pub(crate) fn answer(site: &Site, request: &Request) -> Decision {
    let form = request.form();
    site.with(|state| {
        if !state.script.revocation {
            return Decision::not_found(404);
        }
        let client_id = match authenticate(state, request, &form) {
            Ok(client_id) => client_id,
            Err(why) => {
                let body = json!({"error": "invalid_client", "error_description": why});
                return Decision::new(Response::json(401, &body), Outcome::ClientDead, why);
            }
        };
        let Some(token) = form.get("token") else {
            return Decision::bad_request("invalid_request", "token is missing");
        };
        // A token that is unknown is as good as revoked (section 2.2).
        let outcome =
            if state.ledger.revoke(token, &client_id) { Outcome::Revoked } else { Outcome::Answered };
        Decision::new(Response::empty(200), outcome, "")
    })
}
