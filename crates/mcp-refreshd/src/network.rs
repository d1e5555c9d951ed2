use crate::config;
use refresh_engine::Endpoint;
use std::cell::RefCell;
use std::path::PathBuf;
use token_endpoint::{
    DiscoveryError, Http, HttpError, HttpOptions, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints,
};

/// The way to the token endpoints. It can be replaced while requests are under way: those go on by the old one.
#[derive(Debug)]
pub(crate) struct Network(RefCell<Http>);

impl Network {
    /// The way that the configuration describes.
    ///
    /// # Errors
    /// A certificate file or the proxy cannot be used.
    pub(crate) fn new(config: &config::Network) -> Result<Self, HttpError> {
        Ok(Self(RefCell::new(http(config)?)))
    }

    /// From now on by this configuration.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the old way stays then.
    pub(crate) fn replace(&self, config: &config::Network) -> Result<(), HttpError> {
        self.0.replace(http(config)?);
        Ok(())
    }

    fn current(&self) -> Http {
        self.0.borrow().clone()
    }
}

/// What requests are made with under this configuration.
///
/// # Errors
/// A certificate file of the configuration or the proxy cannot be used.
pub(crate) fn http(config: &config::Network) -> Result<Http, HttpError> {
    let with = |claude_codes: Option<&PathBuf>| {
        Http::new(&HttpOptions {
            proxy: config.proxy.as_ref().map(|proxy| proxy.as_str().to_owned()),
            extra_ca: config.extra_ca.iter().chain(claude_codes).cloned().collect(),
            ..HttpOptions::default()
        })
    };
    let Some(claude_codes) = claude_codes_ca() else { return with(None) };
    match with(Some(&claude_codes)) {
        // Like Claude Code, we go on without a file that is not there or holds something else.
        Err(HttpError::ExtraCa { path, why }) if path == claude_codes => {
            tracing::warn!("$NODE_EXTRA_CA_CERTS is ignored: {}: {why}", path.display());
            with(None)
        }
        built => built,
    }
}

/// The file with the authorities that Claude Code itself trusts besides its own.
fn claude_codes_ca() -> Option<PathBuf> {
    std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl Endpoint for Network {
    async fn discover(&self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        token_endpoint::discover(&self.current(), hints).await
    }

    async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        self.current().send(request).await
    }
}
