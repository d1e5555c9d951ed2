use crate::clients::{Afterwards, ClientSettings, Clients, ProxySetting};
use crate::failure::Trust;
use crate::names::Names;
use crate::proxy::Exceptions;
use crate::single_flight::SingleFlight;
use crate::{
    ClientCertificate, DiscoveryError, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints, failure,
    interpretation, origin, platform, tls,
};
use http::header;
use oauth_secret::SecretBytes;
use reqwest::Proxy;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Options for requests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// The proxy's URL. `None` means the system's settings; empty means no proxy. Connections to this machine never use a proxy.
    pub proxy: Option<String>,
    /// Hosts that bypass the proxy, in the format of `NO_PROXY`.
    pub no_proxy: String,
    /// PEM or DER files with CAs to trust in addition to the system's.
    pub extra_ca: Vec<PathBuf>,
    /// The certificate for servers that require one.
    pub client_certificate: Option<ClientCertificate>,
    /// The environment asks to skip verification (`NODE_TLS_REJECT_UNAUTHORIZED=0`). We do not, and say so when verification fails.
    pub asked_not_to_verify: bool,
    /// Appended to `mcp-refreshd/<version>` in the `User-Agent`, after a space.
    pub user_agent_suffix: Option<String>,
    /// Time and size limits.
    pub limits: Limits,
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL may contain a password.
        let proxy = self.proxy.as_ref().map(|_| "…");
        f.debug_struct("HttpOptions")
            .field("proxy", &proxy)
            .field("no_proxy", &self.no_proxy)
            .field("extra_ca", &self.extra_ca)
            .field("client_certificate", &self.client_certificate)
            .field("asked_not_to_verify", &self.asked_not_to_verify)
            .field("user_agent_suffix", &self.user_agent_suffix)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Time and size limits of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the name lookup to the end of the TLS handshake.
    pub connect: Duration,
    /// From the start to the last byte of the response. Longer than `connect`.
    pub whole: Duration,
    /// Size limit of a body in bytes.
    pub body: usize,
}

impl Default for Limits {
    /// 5 s to connect; 30 s in total, like Claude Code (measured); 1 MiB, some hundred times a real response.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(30), body: 1024 * 1024 }
    }
}

/// The capacity for a body of unannounced length, in bytes.
const USUAL_BODY: usize = 8 * 1024;

/// Sends requests: HTTP/1.1, without redirects, retries or cookies. Only a search for metadata uses a connection twice.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Http {
    clients: Clients,
    settings: Arc<ClientSettings>,
    /// Host and port of the configured proxy.
    proxy: Option<String>,
    exceptions: Exceptions,
    trust: Trust,
    passed_over: Arc<[String]>,
    requests: SingleFlight<Url, Result<RawAnswer, SendError>>,
    discoveries: SingleFlight<ServerHints, Result<Metadata, DiscoveryError>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limits", &self.settings.limits).finish_non_exhaustive()
    }
}

impl Http {
    /// Loads the CA certificates of the system and of the options; create a new client to reload them.
    ///
    /// # Errors
    /// A CA file or the proxy cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let tls = tls::config(&options.extra_ca, options.client_certificate.as_ref())?;
        let suffix =
            options.user_agent_suffix.as_deref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        let user_agent = format!("mcp-refreshd/{}{suffix}", env!("CARGO_PKG_VERSION"));
        let proxy = match options.proxy.as_deref() {
            // From this process's variables, which the caller has already read.
            None if platform::HAS_SYSTEM_PROXY => ProxySetting::System,
            None | Some("") => ProxySetting::Absent,
            // The URL may contain a password, so no message includes it.
            Some(url) => ProxySetting::Named(Box::new(Proxy::all(url).map_err(|_| HttpError::Proxy)?)),
        };
        let (names, limits) = (Names::default(), options.limits);
        let settings = ClientSettings { tls: tls.config, user_agent, names, limits, proxy };
        Ok(Self {
            clients: settings.clients(Afterwards::End)?,
            settings: Arc::new(settings),
            proxy: options
                .proxy
                .as_deref()
                .and_then(|url| Url::parse(url).ok())
                .map(|url| origin::host_of(&url)),
            exceptions: Exceptions::parse(&options.no_proxy),
            trust: Trust { has_roots: tls.has_roots, asked_not_to_verify: options.asked_not_to_verify },
            passed_over: tls.passed_over.into(),
            requests: SingleFlight::default(),
            discoveries: SingleFlight::default(),
        })
    }

    /// Unusable parts of the options' files that were skipped, for messages.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Clients of the same configuration.
    pub(crate) fn clients(&self, afterwards: Afterwards) -> Clients {
        self.settings.clients(afterwards).unwrap_or_else(|_| self.clients.clone())
    }

    fn client_for<'a>(&self, clients: &'a Clients, url: &Url) -> &'a reqwest::Client {
        if self.goes_direct(url) { &clients.direct } else { &clients.proxied }
    }

    fn goes_direct(&self, url: &Url) -> bool {
        origin::is_loopback(url) || self.exceptions.has(url)
    }

    /// The request's destination and its proxy: where to look if the connection fails.
    fn way_to(&self, url: &Url) -> String {
        let host = origin::host_of(url);
        match &self.proxy {
            Some(proxy) if !self.goes_direct(url) => format!("{host} through the proxy {proxy}"),
            _ => host,
        }
    }

    /// Sends the request once and returns the complete response, whatever its status. A redirect that preserves method and body (307, 308)
    /// is followed once if it stays at the same origin (a slash added or removed), like the client does. A server that redirects has not
    /// processed the token.
    ///
    /// # Errors
    /// There is no complete response. [`SendError::Unsent`] is returned only if no connection was established; in doubt, the request
    /// counts as sent.
    pub async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        let answer = self.send_there(request).await?;
        let Some(token_endpoint) = redirected_to(&request.token_endpoint, &answer) else { return Ok(answer) };
        self.send_there(&RefreshRequest { token_endpoint, ..request.clone() }).await
    }

    async fn send_there(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        self.execute(request.to_http()?).await
    }

    /// A GET for metadata, shared by concurrent callers.
    pub(crate) async fn get(&self, url: &Url) -> Result<RawAnswer, SendError> {
        self.get_with(&self.clients, url).await
    }

    /// [`get`](Self::get) with these clients.
    pub(crate) async fn get_with(&self, clients: &Clients, url: &Url) -> Result<RawAnswer, SendError> {
        let mut request = reqwest::Request::new(http::Method::GET, url.clone());
        request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static("application/json"));
        self.requests.answer(url, self.execute_with(clients, request)).await
    }

    /// Searches for metadata, shared by concurrent callers.
    pub(crate) fn discoveries(&self) -> &SingleFlight<ServerHints, Result<Metadata, DiscoveryError>> {
        &self.discoveries
    }

    /// The time limit of one request.
    pub(crate) fn whole_limit(&self) -> Duration {
        self.settings.limits.whole
    }

    /// Sends a request and waits for the response head.
    pub(crate) async fn begin(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        let host = self.way_to(request.url());
        let client = self.client_for(&self.clients, request.url());
        let sent = client.execute(request).await;
        sent.map_err(|error| failure::of_reqwest(&error, &host, self.trust))
    }

    pub(crate) async fn execute(&self, request: reqwest::Request) -> Result<RawAnswer, SendError> {
        self.execute_with(&self.clients, request).await
    }

    async fn execute_with(
        &self,
        clients: &Clients,
        request: reqwest::Request,
    ) -> Result<RawAnswer, SendError> {
        let host = self.way_to(request.url());
        let client = self.client_for(clients, request.url());
        let failed = |error: reqwest::Error| failure::of_reqwest(&error, &host, self.trust);
        let mut response = client.execute(request).await.map_err(failed)?;

        let header = |name: header::HeaderName| {
            response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let expected =
            response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(USUAL_BODY);
        let mut answer = RawAnswer {
            status: response.status().as_u16(),
            content_type: header(header::CONTENT_TYPE),
            content_encoding: header(header::CONTENT_ENCODING),
            retry_after: header(header::RETRY_AFTER),
            date: header(header::DATE),
            location: header(header::LOCATION),
            body: SecretBytes::with_capacity(expected.min(self.settings.limits.body)),
        };
        let cut = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.body.len() + chunk.len() > self.settings.limits.body => {
                    let limit = self.settings.limits.body;
                    break SendError::TooBig { why: format!("the response of {host} exceeds {limit} bytes") };
                }
                Ok(Some(chunk)) => {
                    // One that is longer than usual moves once: by doubling, a hundred endless ones would cost half as much again.
                    if answer.body.len() + chunk.len() > answer.body.capacity() {
                        answer.body.move_to(self.settings.limits.body);
                    }
                    answer.body.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(answer),
                Err(error) => break failed(error),
            }
        };
        if interpretation::status_says_all(answer.status) {
            answer.body.clear();
            return Ok(answer);
        }
        // Even in a complete response, whatever follows a whole object is ignored, and the object may contain a new pair.
        if interpretation::is_whole(&answer) {
            return Ok(answer);
        }
        Err(cut.with_status(answer.status))
    }
}

/// The target of a redirect that may be followed with a refresh token.
fn redirected_to(asked: &Url, answer: &RawAnswer) -> Option<Url> {
    if !matches!(answer.status, 307 | 308) {
        return None;
    }
    let mut target = asked.join(answer.location.as_deref()?).ok()?;
    target.set_fragment(None);
    let without_credentials = target.username().is_empty() && target.password().is_none();
    // Scheme, host and port: a downgrade to http is another origin.
    (target.origin() == asked.origin() && target != *asked && without_credentials).then_some(target)
}

/// Why no client can be created with these options. The user has to change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file of `extra_ca` cannot be used.
    #[error("cannot use the CA file {path}: {why}", path = path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The client certificate or its key cannot be used.
    #[error("cannot use the client certificate file {path}: {why}", path = path.display())]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The proxy's URL is invalid.
    #[error("the proxy's URL is invalid; write it as http://host:port or https://host:port")]
    Proxy,
    /// TLS setup failed.
    #[error("cannot set up TLS: {why}")]
    Tls {
        /// The reason.
        why: String,
    },
    /// HTTP client setup failed.
    #[error("cannot set up the HTTP client: {why}")]
    Client {
        /// The reason.
        why: String,
    },
}
