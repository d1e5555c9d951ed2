use crate::single_flight::SingleFlight;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Looks up host names by the system's resolver, once for all connections that need a name at the same time: a look-up is a thread, several
/// files and perhaps a round trip.
#[derive(Clone, Default)]
pub(crate) struct Names {
    look_ups: SingleFlight<Arc<str>, Found>,
}

type Found = Result<Vec<SocketAddr>, Failure>;

/// An error of the resolver, told to each of those who asked.
#[derive(Clone)]
struct Failure {
    kind: io::ErrorKind,
    why: String,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), why: error.to_string() }
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let look_ups = self.look_ups.clone();
        Box::pin(async move {
            let host: Arc<str> = name.as_str().into();
            let found = look_ups.answer(&host, look_up(Arc::clone(&host))).await;
            let addresses = found.map_err(|Failure { kind, why }| io::Error::new(kind, why))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Given up when dropped: while the resolver hangs, what nobody waits for any longer must not wait for a thread.
async fn look_up(host: Arc<str>) -> Found {
    let mut look_up = JoinSet::new();
    // The port is the connector's business.
    look_up.spawn_blocking(move || (&*host, 0).to_socket_addrs().map(Iterator::collect));
    match look_up.join_next().await {
        Some(Ok(found)) => found.map_err(Failure::from),
        // Only after a panic.
        Some(Err(_)) | None => Err(io::Error::from(io::ErrorKind::Interrupted).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn addresses(names: &Names, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = names.resolve(name.parse().unwrap()).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn all_who_ask_at_the_same_time_get_the_addresses() {
        let names = Names::default();
        let (one, other) = tokio::join!(addresses(&names, "localhost"), addresses(&names, "localhost"));
        let found = one.unwrap();
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        assert_eq!(Ok(found), other);
    }

    #[tokio::test]
    async fn all_who_ask_at_the_same_time_get_the_resolvers_error() {
        let names = Names::default();
        let (one, other) = tokio::join!(addresses(&names, "a\0b"), addresses(&names, "a\0b"));
        let why = ("a\0b", 0).to_socket_addrs().unwrap_err().to_string();
        assert_eq!((one, other), (Err(why.clone()), Err(why)));
    }
}
