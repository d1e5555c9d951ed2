//! What the servers themselves say, gathered by one request to each.

use super::store::StoreFacts;
use claude_store::Entry;
use compact::Map;
use compact::spawn_local;
use jiff::Timestamp;
use refresh_engine::{EntryReport, ObservedEntry};
use token_endpoint::{Http, Probe, RefreshOffer, SendError, ServerHints};

/// So many origins are asked; more of them would say no more.
const ORIGINS_AT_MOST: usize = 50;

/// An authorization server, and whether it answers.
pub(crate) struct OriginFacts {
    pub(crate) place: String,
    /// The servers that depend on it.
    pub(crate) servers: Vec<String>,
    pub(crate) answer: Result<Probe, SendError>,
    pub(crate) asked_at: Timestamp,
}

/// Asks each authorization server once, all at the same time.
pub(super) async fn ask_origins(
    http: &Http,
    stores: &[StoreFacts],
    asked: &dyn Fn(&Entry) -> bool,
) -> Vec<OriginFacts> {
    let mut origins = Map::new();
    let entries = stores.iter().flat_map(|store| &store.entries).map(|(seen, _)| &seen.entry);
    for entry in entries.filter(|entry| asked(entry)) {
        let Some(server_url) = entry.server_url.clone() else { continue };
        if entry.refresh_token.is_none() {
            continue;
        }
        let hints = [&entry.issuer, &entry.discovery.authorization_server_url, &entry.server_url];
        let place = hints.into_iter().flatten().find_map(|hint| url::Url::parse(hint).ok());
        if let Some(place) = place {
            let origin = token_endpoint::origin_of(&place);
            let (.., servers) = origins.entry(origin).or_insert((place, server_url, Vec::new()));
            if !servers.contains(&entry.server_name) {
                servers.push(entry.server_name.clone());
            }
        }
    }
    let tasks: Vec<_> = origins
        .into_iter()
        .take(ORIGINS_AT_MOST)
        .map(|(origin, (place, server_url, servers))| {
            let http = http.clone();
            spawn_local(async move {
                let answer = http.probe(place.as_str(), &server_url).await;
                OriginFacts { place: origin, servers, answer, asked_at: Timestamp::now() }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await);
    }
    all
}

/// Asks the authorization server of each login without refresh token whether it issues such tokens at all.
pub(super) async fn ask_offers(
    http: &Http,
    stores: &[StoreFacts],
    asked: &dyn Fn(&Entry) -> bool,
) -> Map<String, RefreshOffer> {
    let without = stores.iter().flat_map(|store| &store.entries).map(|(seen, _)| &seen.entry);
    let without = without.filter(|entry| asked(entry) && !entry.is_stub() && entry.refresh_token.is_none());
    let hints: Map<_, _> = without
        .filter_map(|entry| {
            let server_url = entry.server_url.clone()?;
            let hints = ServerHints {
                server_url: server_url.clone(),
                issuer: entry.issuer.clone(),
                authorization_server_url: entry.discovery.authorization_server_url.clone(),
                auth_server_metadata_url: entry.discovery.auth_server_metadata_url.clone(),
                metadata_found: entry.discovery.oauth_metadata_found,
                resource_metadata_url: entry.discovery.resource_metadata_url.clone(),
            };
            Some((server_url, hints))
        })
        .collect();
    let ask = |(server_url, hints): (String, ServerHints)| {
        let http = http.clone();
        spawn_local(async move { Some((server_url, http.refresh_offer(&hints).await?)) })
    };
    let tasks: Vec<_> = hints.into_iter().take(ORIGINS_AT_MOST).map(ask).collect();
    let mut offers = Map::new();
    for task in tasks {
        offers.extend(task.await.ok().flatten());
    }
    offers
}

/// Asks each server whose token should be good; returns the names of those that refuse it.
pub(super) async fn ask_servers(
    http: &Http,
    entries: &[(ObservedEntry, Option<EntryReport>)],
    asked: &dyn Fn(&Entry) -> bool,
) -> Vec<String> {
    let now = Timestamp::now();
    let asked = entries.iter().filter(|(seen, _)| asked(&seen.entry));
    let good = asked.filter(|(seen, _)| seen.expiry.moment().is_none_or(|end| end > now));
    let tasks: Vec<_> = good
        .map(|(seen, _)| {
            let (http, entry) = (http.clone(), seen.entry.clone());
            spawn_local(async move {
                let answer =
                    http.initialize(entry.server_url.as_deref()?, entry.access_token.as_ref()?).await;
                answer.is_ok_and(|probe| probe.status == 401).then_some(entry.server_name)
            })
        })
        .collect();
    let mut refused = Vec::new();
    for task in tasks {
        refused.extend(task.await.ok().flatten());
    }
    refused
}
