//! Which site and which endpoint a request is for.

use crate::http::{Request, Response};
use crate::server::Shared;
use crate::site::Site;
use crate::{Delivery, Entry, Kind, Outcome, authorize, control, log, mcp, metadata, revoke, token};
use std::sync::Arc;

/// The kinds of `/.well-known/` documents.
const WELL_KNOWN: &str = "/.well-known/";

/// The site a path belongs to, and the path within it. The well-known documents with path insertion
/// (`/.well-known/NAME/SITE…`) belong to the site they are about and are given back as `/.well-known/NAME/…`.
fn locate(shared: &Arc<Shared>, path: &str) -> (Site, Place) {
    let (inserted, about) = match path.strip_prefix(WELL_KNOWN) {
        Some(rest) => {
            let (name, about) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (Some(name.to_owned()), about)
        }
        None => (None, path),
    };
    let first = about.trim_start_matches('/').split('/').next().unwrap_or_default();
    let known = !first.is_empty() && shared.sites().contains_key(first);
    let (name, rest) = if known {
        (first.to_owned(), about.trim_start_matches('/').get(first.len()..).unwrap_or_default())
    } else {
        (String::new(), about)
    };
    let place = Place { inserted, rest: rest.to_owned() };
    (Site { name, shared: Arc::clone(shared) }, place)
}

/// A path within a site.
struct Place {
    /// The well-known document that stood before the site's name.
    inserted: Option<String>,
    /// What follows the site's name.
    rest: String,
}

impl Place {
    fn kind(&self) -> Kind {
        match (&self.inserted, self.rest.as_str()) {
            (Some(_), _) => Kind::Metadata,
            (None, rest) if rest.starts_with(WELL_KNOWN) => Kind::Metadata,
            (None, "/register") => Kind::Register,
            (None, "/authorize") => Kind::Authorize,
            (None, "/token" | "/token/") => Kind::Token,
            (None, "/revoke") => Kind::Revoke,
            // A server without a path has its MCP endpoint there.
            (None, "/mcp" | "" | "/") => Kind::Mcp,
            _ => Kind::Other,
        }
    }
}

/// The log entry of a request that has just been read.
pub(crate) fn entry(shared: &Arc<Shared>, request: &Request, connection: usize) -> Entry {
    let (site, place) = locate(shared, &request.path);
    Entry {
        number: 0,
        connection,
        kind: place.kind(),
        site: site.name,
        method: request.method.clone(),
        path: request.path.clone(),
        user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        authorization: request.header("authorization").map(str::to_owned),
        form: request.form().pairs().to_vec(),
        received_us: log::now_us(),
        decided_us: None,
        finished_us: None,
        outcome: Outcome::Pending,
        detail: String::new(),
        status: None,
    }
}

/// Answers a request and notes in the log what was decided.
pub(crate) async fn answer(shared: &Arc<Shared>, request: &Request, number: usize) -> (Response, Delivery) {
    let (site, place) = locate(shared, &request.path);
    let decision = match (place.kind(), request.method.as_str()) {
        (Kind::Token, "POST") => return token::answer(&site, request, number).await,
        (Kind::Metadata, "GET") => match &place.inserted {
            Some(document) => metadata::inserted(&site, document, &place.rest),
            None => metadata::appended(&site, &place.rest),
        },
        (Kind::Register, "POST") => authorize::register(&site, request),
        (Kind::Authorize, "GET") => authorize::authorize(&site, request),
        (Kind::Revoke, "POST") => revoke::answer(&site, request),
        (Kind::Mcp, method) => mcp::answer(&site, request, method),
        (Kind::Other, _) => control::answer(&site, request),
        _ => Decision::not_found(405),
    };
    shared.log.decide(number, decision.outcome, &decision.detail);
    let endless = place.kind() == Kind::Metadata && site.with(|state| state.script.endless_metadata);
    (decision.response, if endless { Delivery::Endless } else { Delivery::Whole })
}

/// A response and what to note about it.
pub(crate) struct Decision {
    pub(crate) response: Response,
    pub(crate) outcome: Outcome,
    pub(crate) detail: String,
}

impl Decision {
    pub(crate) fn new(response: Response, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { response, outcome, detail: detail.into() }
    }

    pub(crate) fn answered(response: Response) -> Self {
        Self::new(response, Outcome::Answered, "")
    }

    pub(crate) fn not_found(status: u16) -> Self {
        Self::new(Response::empty(status), Outcome::NotFound, "")
    }

    pub(crate) fn bad_request(error: &str, why: &str) -> Self {
        let body = serde_json::json!({"error": error, "error_description": why});
        Self::new(Response::json(400, &body), Outcome::BadRequest, why)
    }
}
