use crate::settings::config;
use crate::settings::surroundings::{self, Seen, Surroundings};
use claude_store::StorageFolder;
use refresh_engine::Endpoint;
use std::cell::RefCell;
use token_endpoint::{
    DiscoveryError, Http, HttpError, HttpOptions, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints,
};

/// The way to the token endpoints of one store's logins. It can be replaced while requests are under way: those go on by the old one.
#[derive(Debug)]
pub(crate) struct Network {
    folder: StorageFolder,
    way: RefCell<Way>,
}

/// The way as it is now, and what it was made from.
#[derive(Debug)]
struct Way {
    config: config::Network,
    /// Its files, each as it was.
    seen: Seen,
    options: HttpOptions,
    http: Http,
    /// What was passed over and told.
    told: Vec<String>,
}

impl Network {
    /// The way that the configuration describes, and what Claude Code has around it.
    ///
    /// # Errors
    /// A certificate file or the proxy of the configuration cannot be used.
    pub(crate) fn new(config: &config::Network, folder: &StorageFolder) -> Result<Self, HttpError> {
        let way = Way::find(config, folder)?;
        way.tell(&[]);
        Ok(Self { folder: folder.clone(), way: RefCell::new(way) })
    }

    /// From now on by this configuration, and by what Claude Code has around it now.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the old way stays then.
    pub(crate) fn replace(&self, config: &config::Network) -> Result<(), HttpError> {
        let way = Way::find(config, &self.folder)?;
        let old = self.way.replace(way);
        self.way.borrow().tell(&old.told);
        Ok(())
    }

    /// The way as it is now. What it was made from is read again where a file has changed.
    fn current(&self) -> Http {
        let mut way = self.way.borrow_mut();
        let seen = surroundings::seen(&self.folder, &way.options);
        if seen != way.seen {
            way.follow(&self.folder, seen);
        }
        way.http.clone()
    }
}

impl Way {
    fn find(config: &config::Network, folder: &StorageFolder) -> Result<Self, HttpError> {
        let (options, mut told) = options(config, &Surroundings::read(folder));
        let (options, http) = built(options, config, &mut told)?;
        let seen = surroundings::seen(folder, &options);
        Ok(Self { config: config.clone(), seen, options, http, told })
    }

    /// Goes by what has changed; what cannot be used leaves everything as it is until the next change.
    fn follow(&mut self, folder: &StorageFolder, seen: Seen) {
        match Self::find(&self.config, folder) {
            Ok(way) => {
                if way.options != self.options {
                    tracing::info!("Claude Code's settings have changed: requests go by the new ones");
                }
                way.tell(&self.told);
                *self = way;
            }
            Err(error) => {
                tracing::error!("the old network settings stay in effect: {error}");
                self.seen = seen;
            }
        }
    }

    fn tell(&self, before: &[String]) {
        self.told.iter().filter(|told| !before.contains(told)).for_each(|told| tracing::warn!("{told}"));
    }
}

/// What requests are made with under this configuration by the client of this folder, and what of it was passed over.
///
/// # Errors
/// A certificate file of the configuration or the proxy cannot be used.
pub(crate) fn http(
    config: &config::Network,
    surroundings: &Surroundings,
) -> Result<(Http, Vec<String>), HttpError> {
    let (options, mut told) = options(config, surroundings);
    let (_, http) = built(options, config, &mut told)?;
    Ok((http, told))
}

fn options(config: &config::Network, surroundings: &Surroundings) -> (HttpOptions, Vec<String>) {
    let named = surroundings.proxy();
    let mut told: Vec<_> = surroundings
        .unreadable
        .iter()
        .map(|(path, why)| format!("Claude Code's settings {} are passed over: {why}", path.display()))
        .collect();
    let proxy = match &config.proxy {
        Some(proxy) => Some(proxy.as_str().to_owned()),
        None => {
            told.extend(named.unusable.clone());
            // What is set and names none stands against the system's.
            named
                .url
                .as_ref()
                .map(|url| url.as_str().to_owned())
                .or_else(|| surroundings.names_proxies().then(String::new))
        }
    };
    let options = HttpOptions {
        proxy,
        no_proxy: named.exceptions,
        extra_ca: config.extra_ca.iter().cloned().chain(surroundings.extra_ca()).collect(),
        client_certificate: surroundings.client_certificate(),
        ..HttpOptions::default()
    };
    (options, told)
}

/// Like Claude Code, we go on without a file of its settings that is not there or holds something else.
fn built(
    mut options: HttpOptions,
    config: &config::Network,
    told: &mut Vec<String>,
) -> Result<(HttpOptions, Http), HttpError> {
    let named = options.clone();
    loop {
        match Http::new(&options) {
            Ok(http) => {
                told.extend(http.passed_over().iter().cloned());
                // The files are watched all the same: they may come.
                return Ok((named, http));
            }
            Err(HttpError::ExtraCa { path, why }) if !config.extra_ca.contains(&path) => {
                told.push(format!("$NODE_EXTRA_CA_CERTS is ignored: {}: {why}", path.display()));
                options.extra_ca.retain(|other| *other != path);
            }
            Err(error @ HttpError::ClientCertificate { .. }) => {
                told.push(format!("$CLAUDE_CODE_CLIENT_CERT is ignored: {error}"));
                options.client_certificate = None;
            }
            Err(error) => return Err(error),
        }
    }
}

impl Endpoint for Network {
    async fn discover(&self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        token_endpoint::discover(&self.current(), hints).await
    }

    async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        self.current().send(request).await
    }
}
