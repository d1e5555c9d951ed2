pub(crate) mod event;

use crate::{Activity, Clock, Observer};
use claude_store::{FileSystem, Store};
use std::future::Future;
use token_endpoint::{DiscoveryError, Http, Metadata, RawAnswer, RefreshRequest, SendError, ServerHints};

/// The engine's outside world. In the agent this is the machine and the network; in tests a scripted
/// world in virtual time.
pub trait Partners: 'static {
    /// Where locks, journal and records live.
    type Files: FileSystem;
    /// Where the document lives.
    type Store: Store<Files = Self::Files>;
    /// The token endpoints.
    type Endpoint: Endpoint;
    /// Wall clock and boot-time clock.
    type Clock: Clock;
    /// The source of Claude Code's activity and settings.
    type Client: Client;
    /// The observer of events.
    type Observer: Observer;
}

/// Token endpoints, as far as the engine uses them.
pub trait Endpoint: 'static {
    /// Picks up changed network settings. Called before a transaction takes a lock, because it may take a while.
    fn make_ready(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Finds the authorization server's metadata.
    fn discover(&self, hints: &ServerHints) -> impl Future<Output = Result<Metadata, DiscoveryError>>;

    /// Sends one refresh request, once.
    fn send(&self, request: &RefreshRequest) -> impl Future<Output = Result<RawAnswer, SendError>>;
}

impl Endpoint for Http {
    fn discover(&self, hints: &ServerHints) -> impl Future<Output = Result<Metadata, DiscoveryError>> {
        token_endpoint::discover(self, hints)
    }

    fn send(&self, request: &RefreshRequest) -> impl Future<Output = Result<RawAnswer, SendError>> {
        Http::send(self, request)
    }
}

/// What is known about Claude Code besides its store.
pub trait Client: 'static {
    /// When sessions of this store were active.
    fn activity(&self) -> Activity;

    /// Reads what the methods below need. Called before a transaction takes a lock, because it may take a while.
    fn make_ready(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// A session has started: the last answer of [`activity`](Self::activity) is out of date.
    fn session_began(&self) {}

    /// `oauth.authServerMetadataUrl` of the server's configuration.
    fn metadata_url(&self, server_name: &str, server_url: &str) -> Option<String>;

    /// `oauth.clientId` of the server's configuration: the client of entries that name none.
    fn client_id(&self, server_name: &str, server_url: &str) -> Option<String> {
        let _ = (server_name, server_url);
        None
    }
}
