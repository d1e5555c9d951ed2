//! Step 1 of a transaction: where the refresh token goes.

use crate::decide::apply_answer::back_off_record;
use crate::decide::backoff::Failure;
use crate::records::outcome::Outcome;
use crate::records::record::{CachedMetadata, Pin, Record, Retry};
use crate::store_access::shared::Shared;
use crate::{Client, Endpoint, Event, ObservedEntry, Partners, Verdict};
use oauth_secret::TokenDigest;
use std::time::Duration;
use token_endpoint::{DiscoveryError, Metadata, ServerHints, origin_of, same_issuer};

/// Metadata is looked up again after this.
const CACHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon to look again where only a person seems able to help: looking costs no token.
const RECHECK_PAUSE: Duration = Duration::from_secs(60 * 60);

/// There is no token endpoint to send to, and why; the record is already noted.
pub(crate) struct NoMetadata {
    pub(crate) outcome: Outcome,
    pub(crate) why: String,
}

/// The metadata for what is presented: cached, or looked up. The origin of its token endpoint is pinned to the grant at first use.
pub(crate) async fn of<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
) -> Result<Metadata, NoMetadata> {
    let (key, now) = (&seen.entry.key, shared.now());
    let cached =
        shared.read_record(key, |record| record.metadata.clone().filter(|_| is_of_grant(record, seen)));
    let is_new = |cached: &CachedMetadata| {
        cached.fetched_at <= now.wall && now.elapsed_since(cached.fetched_at) < CACHED_FOR
    };
    shared.endpoint.make_ready().await;
    if !cached.as_ref().is_some_and(is_new) || seen.entry.client_id.as_ref().is_none_or(String::is_empty) {
        shared.client.make_ready().await;
    }
    let (metadata, looked_up) = match cached {
        Some(cached) if is_new(&cached) => (cached.metadata, false),
        stale => match shared.endpoint.discover(&hints(shared, seen)).await {
            Ok(metadata) => (metadata, true),
            // An outage of the metadata must not keep a token from being refreshed where it always was.
            Err(error @ DiscoveryError::Transient { .. }) => match stale {
                Some(stale) => (stale.metadata, false),
                None => return Err(failed(shared, seen, &error)),
            },
            Err(error) => return Err(failed(shared, seen, &error)),
        },
    };
    let origin = origin_of(&metadata.token_endpoint);
    let pinned = shared.read_record(key, |record| record.pin.clone());
    match pinned {
        Some(pin) if pin.client_id == seen.entry.client_id && pin.origin != origin => {
            Err(moved(shared, seen, pin.origin, origin))
        }
        _ => {
            let pin = Pin { client_id: seen.entry.client_id.clone(), origin };
            shared.change_record(key, |record| {
                record.pin = Some(pin);
                if looked_up {
                    record.metadata =
                        Some(CachedMetadata { metadata: metadata.clone(), fetched_at: now.wall });
                }
                if matches!(record.verdict, Verdict::NoEndpoint { .. } | Verdict::EndpointMoved { .. }) {
                    record.verdict = Verdict::Good;
                }
            });
            Ok(metadata)
        }
    }
}

/// Whether the metadata that is remembered was looked up for this login. A later one may be with another authorization server.
fn is_of_grant(record: &Record, seen: &ObservedEntry) -> bool {
    let known = record.metadata.as_ref().and_then(|cached| cached.metadata.issuer.as_deref());
    let issuers = known.zip(seen.entry.issuer.as_deref());
    issuers.is_none_or(|(known, named)| same_issuer(known, named))
        && record.pin.as_ref().is_none_or(|pin| pin.client_id == seen.entry.client_id)
}

fn hints<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) -> ServerHints {
    let entry = &seen.entry;
    let server_url = entry.server_url.clone().unwrap_or_default();
    ServerHints {
        auth_server_metadata_url: shared
            .client
            .metadata_url(&entry.server_name, &server_url)
            .or_else(|| entry.discovery.auth_server_metadata_url.clone()),
        server_url,
        issuer: entry.issuer.clone(),
        metadata_found: entry.discovery.oauth_metadata_found,
        authorization_server_url: entry.discovery.authorization_server_url.clone(),
        resource_metadata_url: entry.discovery.resource_metadata_url.clone(),
    }
}

fn failed<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, error: &DiscoveryError) -> NoMetadata {
    let now = shared.now();
    let why = error.to_string();
    let (outcome, retry_in) = shared.change_record(&seen.entry.key, |record| {
        let outcome = if let DiscoveryError::Transient { retry_after, .. } = error {
            let left =
                seen.left(now, record).and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
            let seed = seen.refresh.unwrap_or_else(|| TokenDigest::of(""));
            back_off_record(record, now, seed, left, failure(*retry_after));
            Outcome::Unsent
        } else {
            record.verdict = Verdict::NoEndpoint { why: why.clone() };
            record.retry = Some(Retry::after(now, RECHECK_PAUSE));
            Outcome::Refused
        };
        record.note(now.wall, outcome, why.clone());
        (outcome, record.retry.map(|retry| retry.left(now)))
    });
    tell_failed(shared, seen, outcome, &why, retry_in);
    NoMetadata { outcome, why }
}

/// Nothing was sent to the token endpoint; where the metadata's server asked for a pause, it gets it.
fn failure(retry_after: Option<Duration>) -> Failure {
    if retry_after.is_some() { Failure::Transient { retry_after } } else { Failure::Unsent }
}

fn moved<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry, from: String, to: String) -> NoMetadata {
    let now = shared.now();
    let why = format!(
        "the server now names a token endpoint at {to}, this login's was at {from}; nothing was sent. \
         If the move is genuine, log in again"
    );
    shared.change_record(&seen.entry.key, |record| {
        record.verdict = Verdict::EndpointMoved { from, to };
        record.retry = Some(Retry::after(now, RECHECK_PAUSE));
        record.metadata = None;
        record.note(now.wall, Outcome::Refused, why.clone());
    });
    tell_failed(shared, seen, Outcome::Refused, &why, Some(RECHECK_PAUSE));
    NoMetadata { outcome: Outcome::Refused, why }
}

fn tell_failed<P: Partners>(
    shared: &Shared<P>,
    seen: &ObservedEntry,
    outcome: Outcome,
    why: &str,
    retry_in: Option<Duration>,
) {
    let before = seen.refresh.map(|refresh| refresh.fingerprint());
    let detail = why.to_owned();
    let (lifetime, expires_at) = (None, None);
    shared.tell(seen, Event::Ended { outcome, detail, before, now: before, lifetime, expires_at, retry_in });
}
