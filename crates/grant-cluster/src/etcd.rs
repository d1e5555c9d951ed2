//! etcd by its JSON gateway (`/v3/…`), over the HTTP client that is there already.

mod wire;

use crate::{Event, KeyValues, KvError, LeaseId, Snapshot, Txn, Written};
use reqwest::{Client, Response, redirect, retry};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;
use token_endpoint::{ClientCertificate, HttpError, tls_config};
use wire::{KeepAliveReply, LeaseReply, RangeReply, TxnReply, WatchReply};

/// Connecting within a data center takes milliseconds.
const CONNECT: Duration = Duration::from_secs(2);
/// A whole request. A leader that was lost is replaced within about a second.
const WHOLE: Duration = Duration::from_secs(4);
/// All grants of a fleet are a few megabytes.
const LARGEST: usize = 64 << 20;

/// How to reach etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdOptions {
    /// The members' client URLs.
    pub endpoints: Vec<String>,
    /// Certificate authorities to trust besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// The certificate to show.
    pub certificate: Option<ClientCertificate>,
}

/// An etcd cluster. Requests go to one member, and to the next one after a failure.
#[derive(Debug)]
pub struct Etcd {
    client: Client,
    endpoints: Vec<String>,
    current: Cell<usize>,
}

/// A watch: a response that does not end.
pub struct EtcdWatch {
    response: Response,
    /// The bytes of a line that has not ended.
    line: Vec<u8>,
    place: String,
}

impl Etcd {
    /// A client for this cluster. Nothing is sent yet.
    ///
    /// # Errors
    /// A certificate file cannot be used.
    pub fn new(options: &EtcdOptions) -> Result<Self, HttpError> {
        let tls = tls_config(&options.ca_files, options.certificate.as_ref())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // Whether a transaction may be repeated is for the caller to decide.
            .retry(retry::never())
            .connect_timeout(CONNECT)
            .build()
            .map_err(|error| HttpError::Client { why: error.without_url().to_string() })?;
        let endpoints: Vec<_> =
            options.endpoints.iter().map(|endpoint| endpoint.trim_end_matches('/').to_owned()).collect();
        // Members of a fleet begin with different members of etcd.
        let current = Cell::new(fastrand::usize(..endpoints.len().max(1)));
        Ok(Self { client, endpoints, current })
    }

    fn endpoint(&self) -> &str {
        self.endpoints.get(self.current.get() % self.endpoints.len().max(1)).map_or("", String::as_str)
    }

    async fn begin(&self, path: &str, body: &Value) -> Result<(Response, String), KvError> {
        let place = self.endpoint().to_owned();
        let request = self.client.post(format!("{place}/v3/{path}")).body(body.to_string());
        match request.send().await {
            Ok(response) => Ok((response, place)),
            Err(error) => Err(self.failed(&place, &error)),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, KvError> {
        let whole = async {
            let (mut response, place) = self.begin(path, body).await?;
            let status = response.status().as_u16();
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&place, &error))? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > LARGEST {
                    return Err(self.unknown(&place, "its answer is too large"));
                }
            }
            match status {
                200 => serde_json::from_slice(&bytes)
                    .map_err(|_| self.unknown(&place, "its answer is not etcd's")),
                status => Err(self.refusal(&place, status, &bytes)),
            }
        };
        match tokio::time::timeout(WHOLE, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unknown(self.endpoint(), "it does not answer")),
        }
    }

    /// The next request goes to another member.
    fn unknown(&self, place: &str, why: &str) -> KvError {
        if place == self.endpoint() {
            self.current.set((self.current.get() + 1) % self.endpoints.len().max(1));
        }
        KvError::Unknown { why: format!("{place}: {why}") }
    }

    fn failed(&self, place: &str, error: &reqwest::Error) -> KvError {
        let innermost =
            std::iter::successors(std::error::Error::source(error), |source| source.source()).last();
        let why = innermost.map_or_else(|| "the request failed".to_owned(), ToString::to_string);
        self.unknown(place, &why)
    }

    fn refusal(&self, place: &str, status: u16, body: &[u8]) -> KvError {
        let said =
            serde_json::from_slice::<wire::Refusal>(body).map(|refusal| refusal.message).unwrap_or_default();
        let why = if said.is_empty() { format!("HTTP {status}") } else { said };
        match status {
            // Said before anything was proposed: bad request, not found (a lease), forbidden.
            400 | 401 | 403 | 404 => KvError::Refused { why: format!("{place}: {why}") },
            // "no leader", "request timed out": it may still happen.
            _ => self.unknown(place, &why),
        }
    }
}

impl KeyValues for Etcd {
    type Watch = EtcdWatch;

    async fn range(&self, prefix: &str) -> Result<Snapshot, KvError> {
        let reply: RangeReply = self.ask("kv/range", &wire::range(prefix)).await?;
        Ok(reply.into_snapshot())
    }

    async fn txn(&self, txn: &Txn) -> Result<Written, KvError> {
        let reply: TxnReply = self.ask("kv/txn", &wire::txn(txn)).await?;
        Ok(reply.written())
    }

    async fn grant_lease(&self, ttl: Duration) -> Result<LeaseId, KvError> {
        let reply: LeaseReply = self.ask("lease/grant", &wire::lease_grant(ttl)).await?;
        Ok(reply.id())
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<bool, KvError> {
        let reply: KeepAliveReply = self.ask("lease/keepalive", &wire::lease(lease)).await?;
        Ok(reply.is_alive())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), KvError> {
        let _: Value = self.ask("lease/revoke", &wire::lease(lease)).await?;
        Ok(())
    }

    async fn watch(&self, prefix: &str, from: i64) -> Result<EtcdWatch, KvError> {
        let begun = tokio::time::timeout(WHOLE, self.begin("watch", &wire::watch(prefix, from))).await;
        let (response, place) = begun.map_err(|_| self.unknown(self.endpoint(), "it does not answer"))??;
        match response.status().as_u16() {
            200 => Ok(EtcdWatch { response, line: Vec::new(), place }),
            status => Err(self.refusal(&place, status, b"")),
        }
    }

    async fn next(watch: &mut EtcdWatch) -> Result<Vec<Event>, KvError> {
        let ended = |why: &str| KvError::Unknown { why: format!("{}: the watch ended ({why})", watch.place) };
        loop {
            if let Some(end) = watch.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = watch.line.drain(..=end).collect();
                let reply: WatchReply =
                    serde_json::from_slice(&line).map_err(|_| ended("its answer is not etcd's"))?;
                match reply.events()? {
                    events if events.is_empty() => continue,
                    events => return Ok(events),
                }
            }
            match watch.response.chunk().await {
                Ok(Some(chunk)) => watch.line.extend_from_slice(&chunk),
                Ok(None) => return Err(ended("by etcd")),
                Err(_) => return Err(ended("the connection was lost")),
            }
            if watch.line.len() > LARGEST {
                return Err(ended("its answer is too large"));
            }
        }
    }
}

impl std::fmt::Debug for EtcdWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdWatch").field("place", &self.place).finish_non_exhaustive()
    }
}
