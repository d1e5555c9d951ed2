use crate::{
    Http, Metadata, RawAnswer, SendError, ServerHints, UnsentKind, body, date,
    document::Document,
    metadata::{Expectation, believe, resource_for},
    metadata_reader::MetadataReader,
    origin,
    origin::{shown, shown_text},
    origin_of, well_known,
};
use jiff::Timestamp;
use std::time::Duration;
use url::Url;

/// Redirect limit for a metadata request. It carries no secret, and the issuer is validated at the end.
const MOST_REDIRECTS: usize = 3;
/// How many authorization servers of one protected resource to query.
const MOST_SERVERS: usize = 3;

/// Why a server's token endpoint could not be found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// A transient failure: the network, or a server that is down. Retry later.
    #[error("cannot read the authorization server's metadata at the moment: {why}")]
    Transient {
        /// What happened, where.
        why: String,
        /// The delay that the server asks for, at most an hour.
        retry_after: Option<Duration>,
    },
    /// The metadata, or what the store says, cannot be trusted or used. Retrying does not help.
    #[error("cannot use the authorization server's metadata: {why}")]
    NeedsPerson {
        /// What is wrong, where, and what to do.
        why: String,
    },
}

/// Finds a server's token endpoint.
///
/// It tries, in this order: the metadata URL of the configuration or the store; the entry's authorization server and issuer; the
/// server's protected-resource metadata (RFC 9728); the server's own origin. Each issuer is queried as in RFC 8414, then by OpenID
/// Connect discovery. If none of these exist, the endpoint is `/token` at the authorization server's origin, by the convention of
/// MCP 2025-03-26; if the entry says that the client found no metadata at login, the convention applies right away. Finally, it
/// looks up the `resource` sent at login: see [`resource_of`](crate::resource_of).
///
/// Metadata is accepted only if its `issuer` is the requested one (RFC 8414, section 3.3) and matches the entry's `issuer`, if it has
/// one; otherwise a server could have another grant's refresh token sent to itself. (A configured metadata URL is trusted if the
/// entry has no issuer, because the user chose it.) An unreachable source ends the search, and a failing one rules out the
/// convention: an outage must not lead to a guess.
///
/// Takes at most twice the time limit of one request.
///
/// # Errors
/// [`DiscoveryError`], which tells whether a retry can help.
pub async fn discover(http: &Http, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
    let limit = http.whole_limit().saturating_mul(2);
    let found = async {
        let reader = MetadataReader::new(http);
        let search = discover_by(async |url: &Url| reader.get(url).await, hints);
        tokio::time::timeout(limit, search).await.unwrap_or_else(|_| {
            let why =
                format!("no metadata found for {} in {} s", shown_text(&hints.server_url), limit.as_secs());
            Err(DiscoveryError::Transient { why, retry_after: None })
        })
    };
    http.discoveries().answer(hints, found).await
}

/// [`discover`] with any function that fetches a URL, and no time limit. `get` must not follow redirects.
///
/// # Errors
/// Like [`discover`].
pub async fn discover_by<G: AsyncFn(&Url) -> Result<RawAnswer, SendError>>(
    get: G,
    hints: &ServerHints,
) -> Result<Metadata, DiscoveryError> {
    Search::new(get, hints)?.run(hints).await
}

/// The content of protected-resource metadata (RFC 9728, section 2).
struct Resource {
    /// The `resource` to send, if it covers this server.
    name: Option<String>,
    authorization_servers: Vec<String>,
}

/// A search and its problems so far.
struct Search<'a, G> {
    get: G,
    server: Url,
    server_is_loopback: bool,
    entry_issuer: Option<&'a str>,
    /// The issuers queried so far; several hints often name the same one.
    asked: Vec<Url>,
    /// The server's protected-resource metadata, once read.
    resource: Option<Resource>,
    /// The first transient failure: this source may respond later.
    passing: Option<DiscoveryError>,
    /// The first unusable response.
    unusable: Option<String>,
}

impl<'a, G: AsyncFn(&Url) -> Result<RawAnswer, SendError>> Search<'a, G> {
    fn new(get: G, hints: &'a ServerHints) -> Result<Self, DiscoveryError> {
        let server = Url::parse(&hints.server_url)
            .map_err(|error| needs_person(format!("the server's URL is invalid: {error}")))?;
        let server_is_loopback = origin::is_loopback(&server);
        origin::allowed(&server, server_is_loopback).map_err(needs_person)?;
        Ok(Self {
            get,
            server,
            server_is_loopback,
            entry_issuer: hints.issuer.as_deref().filter(|issuer| !issuer.is_empty()),
            asked: Vec::new(),
            resource: None,
            passing: None,
            unusable: None,
        })
    }

    async fn run(mut self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        let found = self.find(hints).await?;
        let resource = self.resource_name(hints).await?;
        Ok(Metadata { resource, ..found })
    }

    async fn find(&mut self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        if let Some(url) = present(&hints.auth_server_metadata_url) {
            let url = self.url("the configured metadata URL", url)?;
            if let Some(found) = self.document(&url).await?
                && let Some(metadata) = self.accept(&url, found, None, false)
            {
                return Ok(metadata);
            }
        }
        if hints.metadata_found == Some(false) && present(&hints.auth_server_metadata_url).is_none() {
            return self.by_convention(hints).await;
        }
        // The authorization server whose origin the convention falls back to.
        let mut authorization_server = None;
        for (what, hint, from_store) in [
            ("the entry's authorization server", &hints.authorization_server_url, true),
            ("the entry's issuer", &hints.issuer, false),
        ] {
            let Some(hint) = present(hint) else { continue };
            let issuer = self.url(what, hint)?;
            if let Some(metadata) = self.issuer(&issuer, hint, from_store).await? {
                return Ok(metadata);
            }
            authorization_server.get_or_insert(issuer);
        }
        for server in self.authorization_servers(hints).await? {
            let Ok(issuer) = self.url("the authorization server of the resource", &server) else { continue };
            if let Some(metadata) = self.issuer(&issuer, &server, false).await? {
                return Ok(metadata);
            }
            authorization_server.get_or_insert(issuer);
        }
        let own = well_known::root(&self.server);
        // Metadata at the root is not valid for an issuer with a path; the client does not look there and uses its convention (measured).
        let has_path = authorization_server.as_ref().is_some_and(|server: &Url| server.path() != "/");
        if !has_path && let Some(metadata) = self.issuer(&own, own.as_str(), false).await? {
            return Ok(metadata);
        }
        if let Some(passing) = self.passing.take() {
            return Err(passing);
        }
        if let Some(unusable) = self.unusable.take() {
            return Err(needs_person(unusable));
        }
        Ok(convention(&authorization_server.unwrap_or(own), hints))
    }

    /// The client found no metadata at login and has used the convention ever since. Metadata published since then counts; a web page
    /// in its place (from an application that serves every path) is what the client saw, too.
    async fn by_convention(&mut self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        let own = well_known::root(&self.server).to_string();
        let named = present(&hints.authorization_server_url).unwrap_or(&own);
        let place = self.url("the entry's authorization server", named)?;
        match self.issuer(&place, named, true).await? {
            Some(metadata) => Ok(metadata),
            None => Ok(convention(&place, hints)),
        }
    }

    /// The `resource` sent at login. If the entry says that metadata names it, an outage does not change what is sent.
    async fn resource_name(&mut self, hints: &ServerHints) -> Result<Option<String>, DiscoveryError> {
        if self.resource.is_none() {
            self.passing = None;
            let failed = self.protected_resource(hints).await.err().or(self.passing.take());
            match failed {
                Some(error @ DiscoveryError::Transient { .. })
                    if present(&hints.resource_metadata_url).is_some() && self.resource.is_none() =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(self.resource.as_ref().and_then(|resource| resource.name.clone()))
    }

    /// Queries every possible metadata location of one issuer.
    async fn issuer(
        &mut self,
        issuer: &Url,
        written: &str,
        from_store: bool,
    ) -> Result<Option<Metadata>, DiscoveryError> {
        if self.asked.contains(issuer) {
            return Ok(None);
        }
        self.asked.push(issuer.clone());
        for url in well_known::of_issuer(issuer) {
            let Some(found) = self.document(&url).await? else { continue };
            if let Some(metadata) = self.accept(&url, found, Some(written), from_store) {
                return Ok(Some(metadata));
            }
        }
        Ok(None)
    }

    fn expectation<'b>(&self, asked: Option<&'b str>, from_store: bool) -> Expectation<'b>
    where
        'a: 'b,
    {
        Expectation {
            asked,
            entry_issuer: self.entry_issuer,
            from_store,
            server_is_loopback: self.server_is_loopback,
        }
    }

    /// The metadata in a document, if it can be trusted; otherwise records why not.
    fn accept(
        &mut self,
        url: &Url,
        found: Document,
        asked: Option<&str>,
        from_store: bool,
    ) -> Option<Metadata> {
        let expectation = self.expectation(asked, from_store);
        match believe(url, found, &expectation) {
            Ok(metadata) => Some(metadata),
            Err(why) => {
                self.unusable.get_or_insert(why);
                None
            }
        }
    }

    /// The authorization servers named by the server's protected-resource metadata.
    async fn authorization_servers(&mut self, hints: &ServerHints) -> Result<Vec<String>, DiscoveryError> {
        self.protected_resource(hints).await?;
        let resource = self.resource.as_ref();
        Ok(resource.map(|resource| resource.authorization_servers.clone()).unwrap_or_default())
    }

    /// Reads the server's protected-resource metadata: the first that names authorization servers, else the first that covers this server.
    async fn protected_resource(&mut self, hints: &ServerHints) -> Result<(), DiscoveryError> {
        let mut urls = Vec::new();
        if let Some(hint) = present(&hints.resource_metadata_url) {
            urls.push(self.url("the entry's resource metadata URL", hint)?);
        }
        for url in well_known::of_resource(&self.server) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        for url in urls {
            let Some(found) = self.document(&url).await? else { continue };
            // RFC 9728, section 3.3: ignore metadata of another resource. Its path may be shorter.
            let of_another = found.resource.as_deref().is_some_and(|resource| {
                Url::parse(resource).is_ok_and(|other| other.origin() != self.server.origin())
            });
            let named = found.authorization_servers.unwrap_or_default();
            if of_another || named.is_empty() && found.resource.is_none() {
                continue;
            }
            let name = found.resource.and_then(|named| resource_for(&self.server, &named));
            let complete = !named.is_empty();
            let authorization_servers = named.into_iter().take(MOST_SERVERS).collect();
            let resource = Resource { name, authorization_servers };
            if complete {
                self.resource = Some(resource);
                return Ok(());
            }
            self.resource.get_or_insert(resource);
        }
        Ok(())
    }

    /// The document at a URL. `None` if there is no readable one; records what that means.
    async fn document(&mut self, url: &Url) -> Result<Option<Document>, DiscoveryError> {
        let answer = match self.get(url).await {
            Ok(answer) => answer,
            Err(Unreachable::NotAllowed(why)) => {
                self.unusable.get_or_insert(why);
                return Ok(None);
            }
            Err(Unreachable::Failed(why)) => {
                return Err(DiscoveryError::Transient { why, retry_after: None });
            }
        };
        let text = body::text(&answer);
        match answer.status {
            200..=299 => {
                if let Ok(document) = serde_json::from_str::<Document>(&text) {
                    return Ok(Some(document));
                }
                // Do not treat it as missing: a network's login page would make us guess an endpoint.
                let what = if body::is_page(&answer, &text) {
                    "a web page"
                } else {
                    "something other than metadata"
                };
                self.note_passing(format!("{} returned {what}", shown(url)), None);
            }
            429 | 500..=599 => {
                let pause = date::retry_after(&answer, Timestamp::now());
                self.note_passing(format!("{} answered HTTP {}", shown(url), answer.status), pause);
            }
            // Any other status: 404, and 401 or 403 from servers that protect every path.
            _ => {}
        }
        Ok(None)
    }

    async fn get(&self, url: &Url) -> Result<RawAnswer, Unreachable> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            origin::allowed(&url, self.server_is_loopback).map_err(Unreachable::NotAllowed)?;
            let answer = (self.get)(&url).await.map_err(|error| match error {
                SendError::Unsent { why, kind: UnsentKind::NotAllowed } => Unreachable::NotAllowed(why),
                other => Unreachable::Failed(other.to_string()),
            })?;
            let target =
                answer.location.as_deref().filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308));
            match target.and_then(|target| url.join(target).ok()) {
                Some(target) => url = target,
                None => return Ok(answer),
            }
        }
        Err(Unreachable::NotAllowed(format!("{} is a redirect loop", shown(&url))))
    }

    /// A URL that may be requested.
    fn url(&self, what: &str, text: &str) -> Result<Url, DiscoveryError> {
        let url =
            Url::parse(text).map_err(|error| needs_person(format!("{what} is not a valid URL: {error}")))?;
        origin::allowed(&url, self.server_is_loopback)
            .map_err(|why| needs_person(format!("{what}: {why}")))?;
        Ok(url)
    }

    fn note_passing(&mut self, why: String, retry_after: Option<Duration>) {
        self.passing.get_or_insert(DiscoveryError::Transient { why, retry_after });
    }
}

/// MCP 2025-03-26: without metadata, the endpoint is `/token` at the authorization server's origin.
fn convention(place: &Url, hints: &ServerHints) -> Metadata {
    Metadata {
        issuer: hints.issuer.clone().filter(|issuer| !issuer.is_empty()),
        token_endpoint: well_known::at(place, "/token"),
        auth_methods: Vec::new(),
        resource: None,
        source: format!("no metadata at {}; the MCP convention /token", origin_of(place)),
    }
}

enum Unreachable {
    NotAllowed(String),
    Failed(String),
}

fn present(hint: &Option<String>) -> Option<&str> {
    hint.as_deref().filter(|hint| !hint.is_empty())
}

fn needs_person(why: String) -> DiscoveryError {
    DiscoveryError::NeedsPerson { why }
}
