use serde::Serialize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// One request, from its arrival to the last byte of its answer.
///
/// It is logged once it has been read, as [`Outcome::Pending`] until it is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Position in the log, from 0.
    pub number: usize,
    /// The connection, from 0: requests with the same number shared one.
    pub connection: usize,
    /// The site; the root site's name is empty.
    pub site: String,
    /// Its purpose.
    pub kind: Kind,
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// `User-Agent`; empty if there is none.
    pub user_agent: String,
    /// `Authorization`, verbatim.
    pub authorization: Option<String>,
    /// The parameters of query and form, in order.
    pub form: Vec<(String, String)>,
    /// When it had been read, in microseconds since the epoch.
    pub received_us: u64,
    /// When it was decided: for a refresh, the time of the rotation. Microseconds since the epoch.
    pub decided_us: Option<u64>,
    /// When the answer was sent or abandoned. Microseconds since the epoch.
    pub finished_us: Option<u64>,
    /// The decision.
    pub outcome: Outcome,
    /// Details about the outcome.
    pub detail: String,
    /// The status sent; none if no head was sent.
    pub status: Option<u16>,
}

impl Entry {
    /// A form or query parameter.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The bearer token.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.authorization.as_deref()?.strip_prefix("Bearer ")
    }
}

/// A request's purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Metadata of the authorization server or the protected resource.
    Metadata,
    /// Dynamic client registration.
    Register,
    /// The authorization endpoint.
    Authorize,
    /// The token endpoint, any grant type.
    Token,
    /// The revocation endpoint.
    Revoke,
    /// The MCP endpoint.
    Mcp,
    /// The control endpoints and everything else.
    Other,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// A normal answer: metadata, a registration, an authorization, a control request, a JSON-RPC message.
    Answered,
    /// Unknown path or method.
    NotFound,
    /// A malformed request.
    BadRequest,
    /// A code was exchanged for a first pair.
    Exchanged,
    /// The refresh token was spent (or not rotated) and a pair issued. Whether the client received it is shown by [`Entry::status`].
    Fresh,
    /// A spent refresh token was presented again within its grace period.
    Replayed,
    /// A spent refresh token was presented again; its family is now revoked.
    Reuse,
    /// The refresh token is dead: unknown, revoked, expired, or spent if that does not revoke.
    Dead,
    /// The client is unknown or not authenticated.
    ClientDead,
    /// Refused without touching the grant (too early, `resource`, `scope`, User-Agent).
    Refused,
    /// A token was revoked by its holder.
    Revoked,
    /// A scripted fault; the grant was not touched.
    Untouched,
    /// The MCP endpoint accepted the access token.
    Accepted,
    /// The MCP endpoint answered 401.
    Unauthorized,
}

/// Called for each finished request.
type Observer = Box<dyn FnMut(&Entry) + Send>;

/// All requests, and a signal for each change.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<Entry>>,
    changed: Condvar,
    /// The same signal for tasks.
    bell: watch::Sender<()>,
    observer: Mutex<Option<Observer>>,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn observe(&self, observer: impl FnMut(&Entry) + Send + 'static) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(observer));
    }

    pub(crate) fn read(&self) -> Vec<Entry> {
        self.entries().clone()
    }

    pub(crate) fn count(&self, predicate: impl Fn(&Entry) -> bool) -> usize {
        self.entries().iter().filter(|entry| predicate(entry)).count()
    }

    /// Adds an entry and gives it its number.
    pub(crate) fn push(&self, mut entry: Entry) -> usize {
        let mut entries = self.entries();
        let number = entries.len();
        entry.number = number;
        entries.push(entry);
        self.ring();
        number
    }

    fn ring(&self) {
        self.changed.notify_all();
        self.bell.send_replace(());
    }

    pub(crate) fn decide(&self, number: usize, outcome: Outcome, detail: &str) {
        self.edit(number, |entry| {
            entry.decided_us = Some(now_us());
            entry.outcome = outcome;
            detail.clone_into(&mut entry.detail);
        });
    }

    pub(crate) fn finish(&self, number: usize, status: Option<u16>) {
        let finished = self.edit(number, |entry| {
            entry.finished_us = Some(now_us());
            entry.status = status;
        });
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(entry), Some(observer)) = (finished, observer.as_mut()) {
            observer(&entry);
        }
    }

    fn edit(&self, number: usize, change: impl FnOnce(&mut Entry)) -> Option<Entry> {
        let mut entries = self.entries();
        let entry = entries.get_mut(number)?;
        change(entry);
        self.ring();
        Some(entry.clone())
    }

    /// Waits until the log satisfies the condition.
    pub(crate) fn wait_for(&self, patience: Duration, condition: impl Fn(&[Entry]) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut entries = self.entries();
        while !condition(&entries) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            entries = self.changed.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The same for a task, which waits as long as it is polled.
    pub(crate) async fn reached(&self, condition: impl Fn(&[Entry]) -> bool) {
        let mut bell = self.bell.subscribe();
        while !condition(&self.entries()) {
            if bell.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Wall clock in microseconds since the epoch.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
