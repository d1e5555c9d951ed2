use crate::settings::config;
use crate::settings::surroundings::{self, Seen, Surroundings};
use claude_store::StorageFolder;
use oauth_secret::AccessToken;
use refresh_engine::Endpoint;
use std::cell::RefCell;
use token_endpoint::{
    DiscoveryError, Http, HttpError, HttpOptions, Metadata, Probe, RawAnswer, RefreshRequest, SendError,
    ServerHints,
};
use tokio::sync::Mutex;

/// How to reach the token endpoints of one store's logins. It can be replaced at any time: requests in flight keep the old one.
#[derive(Debug)]
pub(crate) struct Network {
    folder: StorageFolder,
    way: RefCell<Way>,
    /// Held while the files are read again; others wait for it.
    reading: Mutex<()>,
    /// Who says whether a refresh token may be presented.
    #[cfg(feature = "cluster")]
    gate: Option<super::cluster::Gate>,
}

/// The current client, and what it was built from.
#[derive(Debug)]
struct Way {
    config: config::Network,
    surroundings: Surroundings,
    /// Its files and their state when they were read.
    seen: Seen,
    options: HttpOptions,
    http: Http,
    /// Problems that were skipped and reported.
    told: Vec<String>,
}

impl Network {
    /// Builds it from the configuration and from Claude Code's settings and environment.
    ///
    /// # Errors
    /// The configured proxy or a certificate file cannot be used.
    pub(crate) async fn new(config: &config::Network, folder: &StorageFolder) -> Result<Self, HttpError> {
        let way = Way::find(config, folder, read(folder).await)?;
        way.tell(&[]);
        Ok(Self {
            folder: folder.clone(),
            way: RefCell::new(way),
            reading: Mutex::new(()),
            #[cfg(feature = "cluster")]
            gate: None,
        })
    }

    /// Switches to this configuration, and to Claude Code's present settings.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the old settings then stay in effect.
    pub(crate) async fn replace(&self, config: &config::Network) -> Result<(), HttpError> {
        let _reading = self.reading.lock().await;
        let before = self.seen();
        let unchanged = before == self.way.borrow().seen;
        let surroundings = match unchanged {
            true => self.way.borrow().surroundings.clone(),
            false => read(&self.folder).await,
        };
        let old = self.way.replace(Way::find(config, &self.folder, surroundings)?.dated_by(&before));
        self.way.borrow().tell(&old.told);
        Ok(())
    }

    /// The same, for grants that this gate guards.
    #[cfg(feature = "cluster")]
    pub(crate) fn gated(self, gate: super::cluster::Gate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    fn seen(&self) -> Seen {
        surroundings::seen(&self.folder, &self.way.borrow().options)
    }

    /// Whether the MCP server refuses this token now (HTTP 401); false if it cannot be asked.
    pub(crate) async fn is_refused(&self, server_url: &str, token: &AccessToken) -> bool {
        let http = self.current();
        matches!(http.initialize(server_url, token).await, Ok(Probe { status: 401, .. }))
    }

    /// The current client.
    pub(crate) fn current(&self) -> Http {
        self.way.borrow().http.clone()
    }
}

/// Reads Claude Code's settings on another thread: the client keeps its histories in one of the files (reading 91 MiB takes seconds).
async fn read(folder: &StorageFolder) -> Surroundings {
    let folder = folder.clone();
    // The join fails only after a panic: then there are no settings.
    tokio::task::spawn_blocking(move || Surroundings::read(&folder)).await.unwrap_or_default()
}

impl Way {
    fn find(
        config: &config::Network,
        folder: &StorageFolder,
        surroundings: Surroundings,
    ) -> Result<Self, HttpError> {
        let (options, mut told) = options(config, &surroundings);
        let (options, http) = built(options, config, &mut told)?;
        let seen = surroundings::seen(folder, &options);
        Ok(Self { config: config.clone(), surroundings, seen, options, http, told })
    }

    /// The state is taken before reading, so that a file that changes meanwhile is read again.
    fn dated_by(mut self, before: &Seen) -> Self {
        for (path, stamp) in &mut self.seen {
            if let Some((_, earlier)) = before.iter().find(|(known, _)| known == path) {
                *stamp = *earlier;
            }
        }
        self
    }

    /// Applies changed settings. Unusable ones leave the old ones in effect until the next change.
    fn follow(&mut self, folder: &StorageFolder, seen: Seen, found: Surroundings) {
        match Self::find(&self.config, folder, found) {
            Ok(way) => {
                if way.options != self.options {
                    tracing::info!("Claude Code's settings have changed: requests now follow the new ones");
                }
                way.tell(&self.told);
                *self = way.dated_by(&seen);
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

/// The options for requests under this configuration for the client of this folder, and the problems that were skipped.
///
/// # Errors
/// The configured proxy or a certificate file cannot be used.
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
        .map(|(path, why)| format!("Claude Code's settings {} are ignored: {why}", path.display()))
        .collect();
    if surroundings.asks_not_to_verify() {
        let why = "$NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored on purpose: certificates are always verified; if a server needs it, name its CA in \
                   `extra_ca` or $NODE_EXTRA_CA_CERTS";
        told.push(why.to_owned());
    }
    let proxy = match &config.proxy {
        Some(proxy) => Some(proxy.as_str().to_owned()),
        None => {
            told.extend(named.unusable.clone());
            // A variable that is set but names no proxy overrides the system's.
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
        asked_not_to_verify: surroundings.asks_not_to_verify(),
        ..HttpOptions::default()
    };
    (options, told)
}

/// Like Claude Code, we go on if one of the files that its settings name is missing or holds something else.
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
                // Missing files are watched, too: they may appear.
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
    /// Reads the files again if one has changed.
    async fn make_ready(&self) {
        let _reading = self.reading.lock().await;
        let seen = self.seen();
        if seen == self.way.borrow().seen {
            return;
        }
        let found = read(&self.folder).await;
        self.way.borrow_mut().follow(&self.folder, seen, found);
    }

    async fn discover(&self, hints: &ServerHints) -> Result<Metadata, DiscoveryError> {
        token_endpoint::discover(&self.current(), hints).await
    }

    async fn send(&self, request: &RefreshRequest) -> Result<RawAnswer, SendError> {
        #[cfg(feature = "cluster")]
        if let Some(gate) = &self.gate {
            return gate.present(&request.refresh_token, async || self.current().send(request).await).await;
        }
        self.current().send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::client::ClaudeCode;
    use refresh_engine::Client;
    use std::fs;
    use std::future::poll_fn;
    use std::path::Path;
    use std::pin::pin;
    use std::task::Poll;

    /// Whether a future is still pending after one turn of the loop; runs it to its end.
    async fn waits(future: impl Future<Output = ()>) -> bool {
        let mut future = pin!(future);
        let waits = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await;
        if waits {
            future.await;
        }
        waits
    }

    /// The same settings in a file that is slow to read.
    fn large(settings: &str) -> String {
        format!("{settings}{}", " ".repeat(8 << 20))
    }

    fn home(configuration: &str) -> (tempfile::TempDir, StorageFolder) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".claude")).unwrap();
        fs::write(home.path().join(".claude.json"), configuration).unwrap();
        let folder = StorageFolder::from_env(&|_| None, home.path());
        (home, folder)
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_off_the_loops_thread() {
        let (home, folder) = home(&large("{}"));
        let config = config::Network::default();
        let mut network = pin!(Network::new(&config, &folder));
        assert!(poll_fn(|context| Poll::Ready(network.as_mut().poll(context).is_pending())).await);
        let network = network.await.unwrap();
        assert!(!waits(network.make_ready()).await, "nothing has changed");
        let settings = r#"{"env":{"https_proxy":"http://new.test:1"}}"#;
        fs::write(home.path().join(".claude.json"), large(settings)).unwrap();
        assert!(waits(network.make_ready()).await);
        assert_eq!(network.way.borrow().options.proxy.as_deref(), Some("http://new.test:1/"));
        assert!(!waits(network.make_ready()).await);
        fs::write(home.path().join(".claude.json"), large(&settings.replace("new", "newer"))).unwrap();
        assert!(waits(async { network.replace(&config).await.unwrap() }).await);
        assert_eq!(network.way.borrow().options.proxy.as_deref(), Some("http://newer.test:1/"));
    }

    #[tokio::test]
    async fn server_configurations_are_read_off_the_loops_thread() {
        let server = r#"{"type":"http","url":"https://lab.test/mcp","oauth":{"clientId":"cl_1"}}"#;
        let (_home, folder) = home(&format!(r#"{{"mcpServers":{{"lab":{server}}}}}"#));
        let client = ClaudeCode::new(&folder);
        assert!(waits(client.make_ready()).await);
        assert_eq!(client.client_id("lab", "https://lab.test/mcp").as_deref(), Some("cl_1"));
        assert!(!waits(client.make_ready()).await, "a recent read is good enough");
    }

    #[tokio::test]
    async fn a_file_that_changes_while_being_read_is_read_again() {
        let (home, folder) = home("{}");
        let network = Network::new(&config::Network::default(), &folder).await.unwrap();
        let before = network.seen();
        let way = Way::find(&config::Network::default(), &folder, Surroundings::default()).unwrap();
        let path = home.path().join(".claude.json");
        fs::write(&path, r#"{"env":{"https_proxy":"http://new.test:1"}}"#).unwrap();
        let of = |seen: &Seen, path: &Path| seen.iter().find(|(known, _)| known == path).cloned();
        assert_eq!(of(&way.dated_by(&before).seen, &path), of(&before, &path));
        assert_ne!(of(&network.seen(), &path), of(&before, &path));
    }
}
