//! Builds a refresh request from the entry, the metadata and the record.

use crate::decide::attempts::Attempts;
use crate::decide::authentication::ways_to_authenticate;
use crate::decide::narrowing;
use crate::store_access::shared::Shared;
use crate::transaction::presented::Presented;
use crate::{Client, ObservedEntry, Partners, Record};
use claude_store::Entry;
use token_endpoint::{ClientAuth, Metadata, RefreshRequest, RequestShape, resource_of};

/// The request for the presented entry.
pub(crate) fn request(
    presented: &Presented,
    metadata: &Metadata,
    client_id: Option<String>,
    shape: RequestShape,
    auth: ClientAuth,
) -> RefreshRequest {
    let entry = &presented.seen.entry;
    RefreshRequest {
        token_endpoint: metadata.token_endpoint.clone(),
        refresh_token: presented.token.clone(),
        client_id,
        client_secret: entry.client_secret.clone(),
        auth,
        shape,
        resource: resource(metadata, entry, shape.own_url),
        scope: entry.scope.clone(),
    }
}

/// The entry's client; if it names none, the one configured for the server, as the client itself does.
pub(crate) fn client_id<P: Partners>(shared: &Shared<P>, presented: &Presented) -> Option<String> {
    let entry = &presented.seen.entry;
    entry.client_id.clone().filter(|id| !id.is_empty()).or_else(|| {
        shared.client.client_id(&entry.server_name, entry.server_url.as_deref().unwrap_or_default())
    })
}

/// The first request, and whether it names the login's scope because an earlier answer granted less.
pub(crate) fn first_attempt<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    presented: &Presented,
    metadata: &Metadata,
) -> (Attempts, bool) {
    let entry = &presented.seen.entry;
    shared.read_record(&seen.entry.key, |record| {
        let shape = first_shape(record, &presented.seen, metadata);
        let attempts = Attempts {
            shape,
            other: None,
            ways: ways_to_authenticate(metadata, entry, record.auth),
            has_scope: entry.scope.as_ref().is_some_and(|scope| !scope.trim().is_empty()),
            names_another: names_another(metadata, entry),
            has_client_id: client_id(shared, presented).is_some(),
            refused: Vec::new(),
            lost: None,
        };
        (attempts, shape.scope && narrowing::asks(record))
    })
}

/// The metadata with the `resource` that the server accepted from this login before: a newly published one is for later logins, and
/// a server that binds tokens to a resource would refuse it, or spend the token on it (oidc-provider 9.13.3).
pub(crate) fn for_login(metadata: Metadata, record: &Record) -> Metadata {
    match &record.resource {
        Some(taken) => Metadata { resource: Some(taken.clone()), ..metadata },
        None => metadata,
    }
}

/// The first shape: what the last refusal asked for, else what worked last. If the access token of a login's first refresh says that
/// it is for the server's own URL and not for the metadata's `resource`, the login predates that metadata. If the last answer granted less
/// than the login, the login's scope is requested.
fn first_shape(record: &Record, presented: &ObservedEntry, metadata: &Metadata) -> RequestShape {
    if let Some(trying) = record.trying {
        return trying;
    }
    let entry = &presented.entry;
    let is_for = |own_url| presented.is_for(&resource(metadata, entry, own_url));
    let first = record.resource.is_none() && names_another(metadata, entry);
    let own_url = first && is_for(true) && !is_for(false);
    RequestShape {
        own_url: record.shape.own_url || own_url,
        scope: record.shape.scope || narrowing::asks(record),
        ..record.shape
    }
}

/// Whether the metadata names a `resource` other than the server's own URL.
fn names_another(metadata: &Metadata, entry: &Entry) -> bool {
    resource(metadata, entry, false) != resource(metadata, entry, true)
}

/// The `resource` to send: the login's, or the server's own URL.
pub(crate) fn resource(metadata: &Metadata, entry: &Entry, own_url: bool) -> String {
    let server_url = entry.server_url.as_deref().unwrap_or_default();
    if own_url {
        return resource_of(&Metadata { resource: None, ..metadata.clone() }, server_url);
    }
    resource_of(metadata, server_url)
}
