use crate::names::Names;
use crate::{HttpError, Limits};
use reqwest::{Proxy, redirect, retry};
use rustls::ClientConfig;

/// The clients of one configuration.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) proxied: reqwest::Client,
    pub(crate) direct: reqwest::Client,
}

/// What all clients of one configuration have in common.
pub(crate) struct ClientSettings {
    pub(crate) tls: ClientConfig,
    pub(crate) user_agent: String,
    pub(crate) names: Names,
    pub(crate) limits: Limits,
    pub(crate) proxy: ProxySetting,
}

/// How a client that may use a proxy finds it.
pub(crate) enum ProxySetting {
    /// From the system's settings.
    System,
    Absent,
    Named(Box<Proxy>),
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It ends. A kept one may die between two requests, and it would be unclear whether the second was sent.
    End,
    /// It is kept for the next request to the same server, and ends with its client.
    Keep,
}

impl ClientSettings {
    pub(crate) fn clients(&self, afterwards: Afterwards) -> Result<Clients, HttpError> {
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| HttpError::Client { why: error.without_url().to_string() })
        };
        let direct = build(self.builder(afterwards).no_proxy())?;
        let proxied = match &self.proxy {
            ProxySetting::System => build(self.builder(afterwards))?,
            ProxySetting::Absent => direct.clone(),
            ProxySetting::Named(proxy) => build(self.builder(afterwards).proxy(Proxy::clone(proxy)))?,
        };
        Ok(Clients { proxied, direct })
    }

    /// HTTP/1.1, without redirects, retries or cookies.
    fn builder(&self, afterwards: Afterwards) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            .user_agent(&self.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            // A retry by the library would present a refresh token twice.
            .retry(retry::never())
            .pool_max_idle_per_host(usize::from(afterwards == Afterwards::Keep))
            // Nothing wakes up for a connection that ends with its client.
            .pool_idle_timeout(None)
            .dns_resolver(self.names.clone())
            // The limit of the whole request comes before the verdict of probes.
            .tcp_keepalive(None)
            .tcp_keepalive_interval(None)
            .tcp_keepalive_retries(None)
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.whole)
    }
}
