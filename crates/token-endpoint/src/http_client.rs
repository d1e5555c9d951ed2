use crate::failure::Trust;
use crate::proxy::Exceptions;
use crate::single_flight::SingleFlight;
use crate::{
    ClientCertificate, RawAnswer, RefreshRequest, SendError, failure, interpretation, origin, platform, tls,
};
use http::header;
use oauth_secret::SecretBytes;
use reqwest::{Proxy, redirect, retry};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How requests are made.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// The proxy's URL. `None`: the system's, where its settings name one. Empty: none at all.
    /// Connections to this machine never go through a proxy.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, in the form of `NO_PROXY`.
    pub no_proxy: String,
    /// PEM or DER files with CAs to trust besides the system's.
    pub extra_ca: Vec<PathBuf>,
    /// What is shown to servers that ask who this is.
    pub client_certificate: Option<ClientCertificate>,
    /// Somebody wants certificates not to be verified (`NODE_TLS_REJECT_UNAUTHORIZED=0`), which is not obeyed: said where one does not verify.
    pub asked_not_to_verify: bool,
    /// Put behind `mcp-refreshd/<version>` in the `User-Agent`, after a space.
    pub user_agent_suffix: Option<String>,
    /// How long and how much.
    pub limits: Limits,
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL may hold a password.
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

/// How long a request may take and how much an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the name look-up to the end of the TLS handshake.
    pub connect: Duration,
    /// From the start to the last byte of the answer. Longer than `connect`.
    pub whole: Duration,
    /// The most bytes in a body.
    pub body: usize,
}

impl Default for Limits {
    /// 5 s to connect; 30 s in all, as Claude Code waits (measured); 1 MiB, some hundred times a real answer.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(30), body: 1024 * 1024 }
    }
}

/// Makes requests: HTTP/1.1, no redirect followed, nothing repeated, no connection kept, no cookie.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Http {
    proxied: reqwest::Client,
    /// Host and port of the proxy that the options name.
    proxy: Option<String>,
    direct: reqwest::Client,
    exceptions: Exceptions,
    limits: Limits,
    trust: Trust,
    passed_over: Arc<[String]>,
    single_flight: SingleFlight,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Http {
    /// Reads the CA certificates of the system and of the options; make a new one to see changes in them.
    ///
    /// # Errors
    /// If a CA file or the proxy cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let tls = tls::config(&options.extra_ca, options.client_certificate.as_ref())?;
        let suffix =
            options.user_agent_suffix.as_deref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        let user_agent = format!("mcp-refreshd/{}{suffix}", env!("CARGO_PKG_VERSION"));
        let client = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.config.clone())
                .http1_only()
                .user_agent(&user_agent)
                .redirect(redirect::Policy::none())
                .referer(false)
                // A request repeated by a library would present a refresh token twice.
                .retry(retry::never())
                // A pooled connection may die between two requests, and nobody could tell whether the second was sent.
                .pool_max_idle_per_host(0)
                .connect_timeout(options.limits.connect)
                .timeout(options.limits.whole)
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| HttpError::Client { why: error.without_url().to_string() })
        };
        let direct = built(client().no_proxy())?;
        let proxied = match options.proxy.as_deref() {
            // By the variables of this process: the caller has read those already.
            None if platform::HAS_SYSTEM_PROXY => built(client())?,
            None | Some("") => direct.clone(),
            Some(url) => {
                // The URL may hold a password, so no message repeats it.
                built(client().proxy(Proxy::all(url).map_err(|_| HttpError::Proxy)?))?
            }
        };
        Ok(Self {
            proxied,
            direct,
            proxy: options
                .proxy
                .as_deref()
                .and_then(|url| Url::parse(url).ok())
                .map(|url| origin::host_of(&url)),
            exceptions: Exceptions::parse(&options.no_proxy),
            limits: options.limits,
            trust: Trust { has_roots: tls.has_roots, asked_not_to_verify: options.asked_not_to_verify },
            passed_over: tls.passed_over.into(),
            single_flight: SingleFlight::default(),
        })
    }

    /// What of the options' files cannot be used and was passed over, for people.
    #[must_use]
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    fn client_for(&self, url: &Url) -> &reqwest::Client {
        if self.goes_direct(url) { &self.direct } else { &self.proxied }
    }

    fn goes_direct(&self, url: &Url) -> bool {
        origin::is_loopback(url) || self.exceptions.has(url)
    }

    /// The host a request goes to, and by which proxy: where the connection fails, that is where to look.
    fn way_to(&self, url: &Url) -> String {
        let host = origin::host_of(url);
        match &self.proxy {
            Some(proxy) if !self.goes_direct(url) => format!("{host} through the proxy {proxy}"),
            _ => host,
        }
    }

    /// Sends the request once and hands the whole answer back as it came, whatever its status. A redirect that keeps method and body (307, 308)
    /// is followed once, as the client follows it, where it stays at the same origin: a slash added or taken away. A server that
    /// redirects has not looked at the token.
    ///
    /// # Errors
    /// If there is no whole answer. [`SendError::Unsent`] is returned only if no connection was made; where that is not
    /// certain, the request counts as sent.
    pub async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        let answer = self.send_there(request).await?;
        let Some(token_endpoint) = redirected_to(&request.token_endpoint, &answer) else { return Ok(answer) };
        self.send_there(&RefreshRequest { token_endpoint, ..request.clone() }).await
    }

    async fn send_there(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        let host = origin::host_of(&request.token_endpoint);
        let request = reqwest::Request::try_from(request.to_http()?)
            .map_err(|error| failure::of_reqwest(&error, &host, self.trust))?;
        self.execute(request).await
    }

    /// One GET for metadata, shared with others that ask for the same at the same time.
    pub(crate) async fn get(&self, url: &Url) -> Result<RawAnswer, SendError> {
        let mut request = reqwest::Request::new(http::Method::GET, url.clone());
        request.headers_mut().insert(header::ACCEPT, http::HeaderValue::from_static("application/json"));
        self.single_flight.answer(url, self.execute(request)).await
    }

    /// The time one request may take.
    pub(crate) fn whole_limit(&self) -> Duration {
        self.limits.whole
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn begin(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        let host = self.way_to(request.url());
        let client = self.client_for(request.url());
        let sent = client.execute(request).await;
        sent.map_err(|error| failure::of_reqwest(&error, &host, self.trust))
    }

    async fn execute(&self, request: reqwest::Request) -> Result<RawAnswer, SendError> {
        let host = self.way_to(request.url());
        let client = self.client_for(request.url());
        let failed = |error: reqwest::Error| failure::of_reqwest(&error, &host, self.trust);
        let mut response = client.execute(request).await.map_err(failed)?;

        let header = |name: header::HeaderName| {
            response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let expected =
            response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(8 * 1024);
        let mut answer = RawAnswer {
            status: response.status().as_u16(),
            content_type: header(header::CONTENT_TYPE),
            content_encoding: header(header::CONTENT_ENCODING),
            retry_after: header(header::RETRY_AFTER),
            date: header(header::DATE),
            location: header(header::LOCATION),
            body: SecretBytes::with_capacity(expected.min(self.limits.body)),
        };
        let cut = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.body.len() + chunk.len() > self.limits.body => {
                    let limit = self.limits.body;
                    break SendError::TooBig {
                        why: format!("the answer of {host} is bigger than {limit} bytes"),
                    };
                }
                Ok(Some(chunk)) => answer.body.extend_from_slice(&chunk),
                Ok(None) => return Ok(answer),
                Err(error) => break failed(error),
            }
        };
        if interpretation::status_says_all(answer.status) {
            answer.body.clear();
            return Ok(answer);
        }
        // What follows a whole object is not looked at in an answer that ends either, and a new pair may stand in it.
        if interpretation::is_whole(&answer) {
            return Ok(answer);
        }
        Err(cut.with_status(answer.status))
    }
}

/// Where a redirect leads that may be followed with a refresh token in hand.
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

/// Why no requests can be made with these options. A person has to change the configuration.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file of `extra_ca` cannot be used.
    #[error("the CA file {path} cannot be used: {why}", path = path.display())]
    ExtraCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate that is shown to servers, or its key, cannot be used.
    #[error("the client certificate's file {path} cannot be used: {why}", path = path.display())]
    ClientCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The proxy's URL cannot be used.
    #[error("the proxy's URL cannot be used; write it as http://host:port or https://host:port")]
    Proxy,
    /// TLS could not be set up.
    #[error("TLS could not be set up: {why}")]
    Tls {
        /// The reason.
        why: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {why}")]
    Client {
        /// The reason.
        why: String,
    },
}
