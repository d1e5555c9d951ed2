use crate::log::Log;
use crate::site::{Site, SiteState};
use crate::tls::{Certificates, Identity};
use crate::{Entry, Kind, Outcome, Script, wire};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc as commands;

/// A running server. Dropping it stops it and closes every connection.
///
/// It is also its root [`Site`] (`/mcp`, `/token` …): `server.grant(…)` and `server.set(…)` apply to that one.
#[must_use = "a server stops when it is dropped"]
pub struct Server {
    root: Site,
    address: SocketAddr,
    ca_pem: Option<String>,
    commands: Option<commands::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// A server's address and identity.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address; the server takes a free port.
    pub address: IpAddr,
    /// The host in the server's URLs; it must resolve to the address.
    pub host: String,
    /// Its TLS identity; plain HTTP without one.
    pub certificates: Option<Certificates>,
}

/// State shared by the server's thread and its handles.
pub(crate) struct Shared {
    pub(crate) base: String,
    pub(crate) log: Log,
    sites: Mutex<BTreeMap<String, SiteState>>,
}

impl Shared {
    pub(crate) fn sites(&self) -> MutexGuard<'_, BTreeMap<String, SiteState>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commands to the accept loop; each is acknowledged when it has been executed.
pub(crate) enum Command {
    StopListening(mpsc::Sender<io::Result<()>>),
    Listen(mpsc::Sender<io::Result<()>>),
}

impl Server {
    /// Starts on a free port of 127.0.0.1, over plain HTTP.
    ///
    /// # Errors
    /// No socket or thread is available.
    pub fn start(script: Script) -> io::Result<Self> {
        Self::start_on(0, script, false)
    }

    /// Starts over TLS, as `https://localhost:…`, with a new certificate: see [`ca_pem`](Self::ca_pem).
    ///
    /// # Errors
    /// No socket, thread or certificate is available.
    pub fn start_tls(script: Script) -> io::Result<Self> {
        Self::start_on(0, script, true)
    }

    /// Starts on this port of 127.0.0.1 (0: a free one).
    ///
    /// # Errors
    /// The port is taken, or no socket, thread or certificate is available.
    pub fn start_on(port: u16, script: Script, with_tls: bool) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let identity = if with_tls { Some(Identity::make()?) } else { None };
        let host = if with_tls { "localhost" } else { "127.0.0.1" };
        Self::serve(listener, host, identity, script)
    }

    /// Starts on a free port, as another host or with other certificates.
    ///
    /// # Errors
    /// No socket or thread is available, or the certificates are invalid.
    pub fn start_as(listen: &Listen, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((listen.address, 0))?;
        let identity = listen.certificates.as_ref().map(Identity::brought).transpose()?;
        Self::serve(listener, &listen.host, identity, script)
    }

    fn serve(
        listener: TcpListener,
        host: &str,
        identity: Option<Identity>,
        script: Script,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let scheme = if identity.is_some() { "https" } else { "http" };
        let base = format!("{scheme}://{host}:{}", address.port());
        let shared = Arc::new(Shared { base, log: Log::default(), sites: Mutex::default() });
        let root = Site { name: String::new(), shared: Arc::clone(&shared) };
        root.set(|current| *current = script);
        let (sender, receiver) = commands::unbounded_channel();
        let ca_pem = identity.as_ref().map(|identity| identity.ca_pem.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("scripted-server".to_owned()).spawn(move || {
            let acceptor = identity.map(|identity| identity.acceptor);
            runtime.block_on(wire::accept(listener, shared, acceptor, receiver));
        })?;
        Ok(Self { root, address, ca_pem, commands: Some(sender), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust, in PEM; none over plain HTTP.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Adds a site under `/name`, or gives an existing one another script.
    pub fn add(&self, name: &str, script: Script) -> Site {
        let site = Site { name: name.to_owned(), shared: Arc::clone(&self.root.shared) };
        site.set(|current| *current = script);
        site
    }

    /// Every request to every site, in the order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.root.shared.log.read()
    }

    /// How many requests satisfy a condition.
    #[must_use]
    pub fn count(&self, condition: impl Fn(&Entry) -> bool) -> usize {
        self.root.shared.log.count(condition)
    }

    /// How many token requests of any grant type came from a User-Agent with this prefix; `""` matches all.
    #[must_use]
    pub fn token_requests_by(&self, user_agent: &str) -> usize {
        self.count(|entry| entry.kind == Kind::Token && entry.user_agent.starts_with(user_agent))
    }

    /// How often a User-Agent with this prefix presented a spent refresh token and had its family revoked.
    #[must_use]
    pub fn reuses_by(&self, user_agent: &str) -> usize {
        self.count(|entry| entry.outcome == Outcome::Reuse && entry.user_agent.starts_with(user_agent))
    }

    /// How many 401s the MCP endpoints returned.
    #[must_use]
    pub fn unauthorized(&self) -> usize {
        self.count(|entry| entry.outcome == Outcome::Unauthorized)
    }

    /// How many families were revoked on all sites because a spent refresh token was reused.
    #[must_use]
    pub fn families_revoked(&self) -> usize {
        self.root.shared.sites().values().map(|site| site.ledger.families_revoked()).sum()
    }

    /// Blocks until the log satisfies the condition; returns whether it did in time. Woken by each change, without polling.
    #[must_use]
    pub fn wait_for(&self, patience: Duration, condition: impl Fn(&[Entry]) -> bool) -> bool {
        self.root.shared.log.wait_for(patience, condition)
    }

    /// Waits in a task until the log satisfies the condition. Set a limit with `tokio::time::timeout`.
    pub async fn reached(&self, condition: impl Fn(&[Entry]) -> bool) {
        self.root.shared.log.reached(condition).await;
    }

    /// Calls the observer with each request that is finished. It runs on the server's thread.
    pub fn observe(&self, observer: impl FnMut(&Entry) + Send + 'static) {
        self.root.shared.log.observe(observer);
    }

    /// Refuses new connections, like a machine that is down; open ones stay.
    ///
    /// # Errors
    /// The server's thread is gone.
    pub fn stop_listening(&self) -> io::Result<()> {
        self.order(Command::StopListening)
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// Another process has taken the port meanwhile.
    pub fn listen(&self) -> io::Result<()> {
        self.order(Command::Listen)
    }

    fn order(&self, command: impl FnOnce(mpsc::Sender<io::Result<()>>) -> Command) -> io::Result<()> {
        let gone = || io::Error::other("the server's thread has ended");
        let (acknowledge, acknowledged) = mpsc::channel();
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(command(acknowledge)).map_err(|_| gone())?;
        acknowledged.recv().map_err(|_| gone())?
    }
}

impl Deref for Server {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.root
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The closed channel ends the accept loop and with it the runtime and every connection.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
