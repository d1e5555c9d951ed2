//! Requests and replies of etcd's JSON gateway: keys and values in base64, 64-bit numbers as texts, what is zero left out (protobuf's JSON
//! mapping). Measured with 3.4.23.

use crate::{Event, KeyValue, KvError, LeaseId, Snapshot, Txn, Written};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn range(prefix: &str) -> Value {
    json!({"key": STANDARD.encode(prefix), "range_end": STANDARD.encode(after(prefix))})
}

pub(super) fn watch(prefix: &str, from: i64) -> Value {
    let mut request = range(prefix);
    if let Some(request) = request.as_object_mut() {
        request.insert("start_revision".to_owned(), json!(from.to_string()));
    }
    json!({ "create_request": request })
}

pub(super) fn lease_grant(ttl: Duration) -> Value {
    json!({"TTL": ttl.as_secs().max(1).to_string()})
}

pub(super) fn lease(id: LeaseId) -> Value {
    json!({"ID": id.to_string()})
}

pub(super) fn txn(txn: &Txn) -> Value {
    let compare = txn.compare.iter().map(|one| {
        json!({"key": STANDARD.encode(&one.key), "target": "MOD", "result": "EQUAL", "mod_revision": one.revision.to_string()})
    });
    let put = txn.put.iter().map(|one| {
        let lease = one.lease.unwrap_or(0).to_string();
        json!({"request_put": {"key": STANDARD.encode(&one.key), "value": STANDARD.encode(&one.value), "lease": lease}})
    });
    let delete = txn.delete.iter().map(|key| json!({"request_delete_range": {"key": STANDARD.encode(key)}}));
    json!({"compare": compare.collect::<Vec<_>>(), "success": put.chain(delete).collect::<Vec<_>>()})
}

/// The first key after all with this prefix; the prefixes used end with an ASCII character.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

#[derive(Deserialize, Default)]
struct Header {
    #[serde(default, deserialize_with = "number")]
    revision: i64,
}

#[derive(Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default, deserialize_with = "number")]
    mod_revision: i64,
}

impl Pair {
    fn into_key_value(self) -> Option<KeyValue> {
        let text = |encoded: &str| String::from_utf8(STANDARD.decode(encoded).ok()?).ok();
        Some(KeyValue { key: text(&self.key)?, value: text(&self.value)?, revision: self.mod_revision })
    }
}

#[derive(Deserialize)]
pub(super) struct RangeReply {
    header: Header,
    #[serde(default)]
    kvs: Vec<Pair>,
}

impl RangeReply {
    pub(super) fn into_snapshot(self) -> Snapshot {
        // Bytes that are no text are not ours.
        let keys = self.kvs.into_iter().filter_map(Pair::into_key_value).collect();
        Snapshot { keys, revision: self.header.revision }
    }
}

#[derive(Deserialize)]
pub(super) struct TxnReply {
    header: Header,
    #[serde(default)]
    succeeded: bool,
}

impl TxnReply {
    pub(super) fn written(&self) -> Written {
        Written { succeeded: self.succeeded, revision: self.header.revision }
    }
}

#[derive(Deserialize)]
pub(super) struct LeaseReply {
    #[serde(rename = "ID", deserialize_with = "number")]
    id: i64,
}

impl LeaseReply {
    pub(super) fn id(&self) -> LeaseId {
        self.id
    }
}

#[derive(Deserialize)]
pub(super) struct KeepAliveReply {
    result: KeptAlive,
}

#[derive(Deserialize)]
struct KeptAlive {
    #[serde(default, rename = "TTL", deserialize_with = "number")]
    ttl: i64,
}

impl KeepAliveReply {
    /// A lease that has ended has no time left.
    pub(super) fn is_alive(&self) -> bool {
        self.result.ttl > 0
    }
}

#[derive(Deserialize)]
pub(super) struct WatchReply {
    #[serde(default)]
    result: WatchResult,
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
struct WatchResult {
    #[serde(default)]
    canceled: bool,
    #[serde(default, deserialize_with = "number")]
    compact_revision: i64,
    #[serde(default)]
    events: Vec<WatchEvent>,
}

#[derive(Deserialize)]
struct WatchEvent {
    #[serde(default, rename = "type")]
    kind: String,
    kv: Pair,
}

impl WatchReply {
    pub(super) fn events(self) -> Result<Vec<Event>, KvError> {
        if self.result.compact_revision > 0 {
            return Err(KvError::Compacted);
        }
        if self.result.canceled || self.error.is_some() {
            return Err(KvError::Unknown { why: "etcd ended the watch".to_owned() });
        }
        let event = |one: WatchEvent| {
            let deleted = one.kind == "DELETE";
            let pair = one.kv.into_key_value()?;
            Some(match deleted {
                true => Event::Deleted { key: pair.key, revision: pair.revision },
                false => Event::Put(pair),
            })
        };
        Ok(self.result.events.into_iter().filter_map(event).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) message: String,
}

/// 64-bit numbers are texts.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Text(String),
        Number(i64),
    }
    match Number::deserialize(deserializer)? {
        Number::Text(text) => text.parse().map_err(serde::de::Error::custom),
        Number::Number(number) => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compare, Put};

    fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> T {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_transaction_compares_the_revisions_that_wrote_the_keys() {
        let request = txn(&Txn {
            compare: vec![Compare { key: "a/x".into(), revision: 0 }],
            put: vec![Put { key: "a/x".into(), value: "hello".into(), lease: Some(7) }],
            delete: vec!["a/y".into()],
        });
        assert_eq!(
            request,
            json!({"compare": [{"key": "YS94", "target": "MOD", "result": "EQUAL", "mod_revision": "0"}],
                   "success": [{"request_put": {"key": "YS94", "value": "aGVsbG8=", "lease": "7"}},
                               {"request_delete_range": {"key": "YS95"}}]})
        );
    }

    // Replies as etcd 3.4.23 gives them.
    #[test]
    fn what_is_zero_is_left_out_of_replies() {
        let refused: TxnReply = parsed(r#"{"header":{"cluster_id":"15","revision":"2","raft_term":"2"}}"#);
        assert_eq!(refused.written(), Written { succeeded: false, revision: 2 });
        let ended: KeepAliveReply = parsed(r#"{"result":{"header":{"revision":"1"},"ID":"1234"}}"#);
        assert!(!ended.is_alive());
        let alive: KeepAliveReply = parsed(r#"{"result":{"header":{"revision":"1"},"ID":"1234","TTL":"5"}}"#);
        assert!(alive.is_alive());
        let none: RangeReply = parsed(r#"{"header":{"revision":"9"}}"#);
        assert_eq!(none.into_snapshot(), Snapshot { keys: Vec::new(), revision: 9 });
    }

    #[test]
    fn a_watch_reports_writes_and_deletions_and_a_forgotten_revision() {
        let put: WatchReply = parsed(
            r#"{"result":{"header":{"revision":"2"},"events":[{"kv":{"key":"YS94","create_revision":"2","mod_revision":"2","version":"1","value":"aGVsbG8=","lease":"41"}}]}}"#,
        );
        let written = KeyValue { key: "a/x".into(), value: "hello".into(), revision: 2 };
        assert_eq!(put.events(), Ok(vec![Event::Put(written)]));
        let gone: WatchReply = parsed(
            r#"{"result":{"header":{"revision":"3"},"events":[{"type":"DELETE","kv":{"key":"YS94","mod_revision":"3"}}]}}"#,
        );
        assert_eq!(gone.events(), Ok(vec![Event::Deleted { key: "a/x".into(), revision: 3 }]));
        let created: WatchReply = parsed(r#"{"result":{"header":{"revision":"1"},"created":true}}"#);
        assert_eq!(created.events(), Ok(Vec::new()));
        let compacted: WatchReply = parsed(r#"{"result":{"canceled":true,"compact_revision":"77"}}"#);
        assert_eq!(compacted.events(), Err(KvError::Compacted));
    }
}
