//! Step 1 of a transaction: where to send the refresh token.

use crate::decide::apply_answer::back_off_record;
use crate::decide::backoff::Failure;
use crate::records::outcome::Outcome;
use crate::records::record::{CachedMetadata, Pin, Record, Retry};
use crate::store_access::shared::Shared;
use crate::transaction::presented::Presented;
use crate::{Client, Endpoint, Event, ObservedEntry, Partners, Verdict};
use std::time::Duration;
use token_endpoint::{DiscoveryError, Metadata, ServerHints, origin_of, same_issuer};

/// Metadata is looked up again after this.
const CACHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon to retry if only the user seems able to help: a lookup costs no token.
const RECHECK_PAUSE: Duration = Duration::from_secs(60 * 60);

/// There is no usable token endpoint; the record is already updated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoMetadata {
    /// The metadata could not be found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// It names another origin than the one this grant's refresh token was sent to.
    #[error(
        "the server now names a token endpoint at {to}, this login's was at {from}; nothing was sent. \
         If the move is genuine, log in again"
    )]
    Moved { from: String, to: String },
}

impl NoMetadata {
    /// How `status` names it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Discovery(DiscoveryError::Transient { .. }) => Outcome::Unsent,
            Self::Discovery(_) | Self::Moved { .. } => Outcome::Refused,
        }
    }
}

/// The metadata for the presented entry: cached, or looked up. The origin of its token endpoint is pinned to the grant at first use.
pub(crate) async fn of<P: Partners>(
    shared: &Shared<P>,
    presented: &Presented,
) -> Result<Metadata, NoMetadata> {
    let found = find(shared, &presented.seen).await;
    found.inspect_err(|error| note_failed(shared, presented, error))
}

async fn find<P: Partners>(shared: &Shared<P>, seen: &ObservedEntry) -> Result<Metadata, NoMetadata> {
    let (key, now) = (&seen.entry.key, shared.now());
    let cached =
        shared.read_record(key, |record| record.metadata.clone().filter(|_| is_of_grant(record, seen)));
    let is_new = |cached: &CachedMetadata| {
        cached.fetched_at <= now.wall && now.elapsed_since(cached.fetched_at) < CACHED_FOR
    };
    // Once for all that begin together.
    let ready = shared.endpoint_ready.ask((), async |asked| {
        tokio::task::yield_now().await;
        let asked = asked.waiting().len();
        shared.endpoint.make_ready().await;
        vec![(); asked]
    });
    ready.await;
    if !cached.as_ref().is_some_and(is_new) || seen.entry.client_id.as_ref().is_none_or(String::is_empty) {
        shared.client.make_ready().await;
    }
    let (metadata, looked_up) = match cached {
        Some(cached) if is_new(&cached) => (cached.metadata, false),
        stale => match shared.endpoint.discover(&hints(shared, seen)).await {
            Ok(metadata) => (metadata, true),
            // A metadata outage must not keep a token from being refreshed at its usual endpoint.
            Err(error @ DiscoveryError::Transient { .. }) => match stale {
                Some(stale) => (stale.metadata, false),
                None => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        },
    };
    let origin = origin_of(&metadata.token_endpoint);
    let pinned = shared.read_record(key, |record| record.pin.clone());
    match pinned {
        Some(pin) if pin.client_id == seen.entry.client_id && pin.origin != origin => {
            Err(NoMetadata::Moved { from: pin.origin, to: origin })
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

/// Whether the remembered metadata was looked up for this login. A later login may use another authorization server.
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

fn note_failed<P: Partners>(shared: &Shared<P>, presented: &Presented, error: &NoMetadata) {
    let (now, seen, outcome, detail) = (shared.now(), &presented.seen, error.outcome(), error.to_string());
    let retry_in = shared.change_record(&seen.entry.key, |record| {
        match error {
            NoMetadata::Discovery(DiscoveryError::Transient { retry_after, .. }) => {
                let left = seen.left(now, record).and_then(|left| Duration::try_from(left).ok());
                let left = left.unwrap_or_default();
                back_off_record(record, now, presented.digest, left, failure(*retry_after));
            }
            NoMetadata::Discovery(_) => {
                record.verdict = Verdict::NoEndpoint { why: detail.clone() };
                record.retry = Some(Retry::after(now, RECHECK_PAUSE));
            }
            NoMetadata::Moved { from, to } => {
                record.verdict = Verdict::EndpointMoved { from: from.clone(), to: to.clone() };
                record.retry = Some(Retry::after(now, RECHECK_PAUSE));
                record.metadata = None;
            }
        }
        record.note(now.wall, outcome, detail.clone());
        record.retry.map(|retry| retry.left(now))
    });
    shared.tell(seen, Event::failed(outcome, detail, presented.digest, retry_in));
}

/// Nothing was sent to the token endpoint. If the metadata's server asked for a pause, it gets one.
fn failure(retry_after: Option<Duration>) -> Failure {
    if retry_after.is_some() { Failure::Transient { retry_after } } else { Failure::Unsent }
}
