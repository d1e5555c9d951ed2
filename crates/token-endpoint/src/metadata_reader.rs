use crate::clients::{Afterwards, Clients};
use crate::{Http, RawAnswer, SendError};
use std::sync::atomic::{AtomicBool, Ordering};
use url::Url;

/// Requests the documents of one search. Those of one server share a connection, which ends with the search.
pub(crate) struct MetadataReader<'a> {
    http: &'a Http,
    clients: Clients,
    has_asked: AtomicBool,
}

impl<'a> MetadataReader<'a> {
    pub(crate) fn new(http: &'a Http) -> Self {
        Self { http, clients: http.clients(Afterwards::Keep), has_asked: AtomicBool::new(false) }
    }

    /// The response to a GET, whatever its status.
    pub(crate) async fn get(&self, url: &Url) -> Result<RawAnswer, SendError> {
        let has_asked = self.has_asked.swap(true, Ordering::Relaxed);
        match self.http.get_with(&self.clients, url).await {
            // Servers end connections that were kept, and may do so as the next request comes. This one carries no secret.
            Err(SendError::Lost { .. }) if has_asked => self.http.get(url).await,
            answer => answer,
        }
    }
}
