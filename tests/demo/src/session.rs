//! A session of Claude Code as it was measured (2.1.330 to 2.1.332): how it connects to a server whose token is no longer good enough.

use harness::{Fallible, Home};
use scripted_server::Site;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A token with less left is refreshed before it is used.
const ENOUGH: Duration = Duration::from_secs(300);
/// Tries to take the refresh lock; afterwards the session goes on without it.
const TRIES: u32 = 5;
/// How long a session waits for the storage lock at most.
const STORAGE_TRIES: u32 = 30;

/// What a session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Waiting,
    Refreshing,
    RefreshingWithoutLock,
    Connected,
    Failed,
}

/// One server in one storage folder.
pub(crate) struct Session<'a> {
    pub(crate) home: &'a Home,
    pub(crate) site: &'a Site,
    pub(crate) key: &'a str,
    /// Between two tries to take the refresh lock: 1 to 2 s.
    pub(crate) pause: Duration,
}

impl Session<'_> {
    /// Connects as a session does when it starts.
    pub(crate) fn connect(&self, mut show: impl FnMut(Step)) -> Fallible<()> {
        if self.is_good()? {
            return self.call(&mut show);
        }
        let name: String =
            self.key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let path = self.home.claude().join(format!("mcp-refresh-{name}.lock.lock"));
        let mut lock = Lock::take(&path);
        for _ in 0..TRIES {
            if lock.is_some() {
                break;
            }
            show(Step::Waiting);
            sleep(self.pause);
            lock = Lock::take(&path);
        }
        // Under the lock the store is read again: another session may have been faster.
        if self.is_good()? {
            return self.call(&mut show);
        }
        show(if lock.is_some() { Step::Refreshing } else { Step::RefreshingWithoutLock });
        let answer = self.refresh()?;
        self.save(&answer)?;
        drop(lock);
        self.call(&mut show)
    }

    fn entry(&self) -> Fallible<Value> {
        let document: Value = serde_json::from_str(&self.home.stored()?)?;
        Ok(document
            .pointer("/mcpOAuth")
            .and_then(|entries| entries.get(self.key))
            .cloned()
            .unwrap_or_default())
    }

    fn is_good(&self) -> Fallible<bool> {
        let expires_at = self.entry()?.get("expiresAt").and_then(Value::as_u64).unwrap_or(0);
        Ok(u128::from(expires_at) > now_ms() + ENOUGH.as_millis())
    }

    /// The tools are listed; only then the session says that it is connected.
    fn call(&self, show: &mut impl FnMut(Step)) -> Fallible<()> {
        let entry = self.entry()?;
        let token = entry.get("accessToken").and_then(Value::as_str).unwrap_or_default();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
        let (status, _) = post(&self.site.mcp_url(), "application/json", Some(token), &body)?;
        show(if status == 200 { Step::Connected } else { Step::Failed });
        Ok(())
    }

    fn refresh(&self) -> Fallible<Option<Value>> {
        let entry = self.entry()?;
        let member = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", member("refreshToken")),
            ("client_id", member("clientId")),
            ("resource", member("serverUrl")),
        ];
        let form: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let (status, body) =
            post(&self.site.token_url(), "application/x-www-form-urlencoded", None, &form.join("&"))?;
        Ok(if status == 200 { Some(serde_json::from_slice(&body)?) } else { None })
    }

    /// The new pair, or what a session leaves of an entry whose refresh token was refused.
    fn save(&self, answer: &Option<Value>) -> Fallible<()> {
        let path = self.home.claude().join(".storage-write.lock");
        let mut lock = Lock::take(&path);
        for _ in 0..STORAGE_TRIES {
            if lock.is_some() {
                break;
            }
            sleep(Duration::from_millis(250));
            lock = Lock::take(&path);
        }
        let mut document: Value = serde_json::from_str(&self.home.stored()?)?;
        let entry = document.pointer_mut("/mcpOAuth").and_then(|entries| entries.get_mut(self.key));
        let Some(entry) = entry.and_then(Value::as_object_mut) else { return Ok(()) };
        match answer {
            Some(answer) => {
                let lifetime = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(0);
                let expires_at = now_ms() + u128::from(lifetime) * 1000;
                entry.insert("accessToken".into(), answer.get("access_token").cloned().unwrap_or_default());
                entry.insert("refreshToken".into(), answer.get("refresh_token").cloned().unwrap_or_default());
                entry.insert("expiresAt".into(), u64::try_from(expires_at)?.into());
            }
            None => {
                entry.insert("accessToken".into(), "".into());
                entry.insert("expiresAt".into(), 0.into());
                entry.remove("refreshToken");
            }
        }
        self.home.store(&document.to_string())
    }
}

/// A folder that is there while its holder lives.
struct Lock<'a>(&'a Path);

impl<'a> Lock<'a> {
    fn take(path: &'a PathBuf) -> Option<Self> {
        fs::create_dir(path).ok().map(|()| Self(path))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.0);
    }
}

/// Wall clock in milliseconds since the epoch, as `expiresAt` counts.
pub(crate) fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// One request over plain HTTP to this machine; status and body.
fn post(url: &str, content_type: &str, bearer: Option<&str>, body: &str) -> Fallible<(u16, Vec<u8>)> {
    let rest = url.strip_prefix("http://").ok_or("no plain HTTP")?;
    let (host, path) = rest.split_once('/').ok_or("no path")?;
    let mut stream = TcpStream::connect(host)?;
    let bearer = bearer.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: session\r\nAccept: application/json\r\n{bearer}\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("an answer without an end")?;
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("an answer without a status")?;
    Ok((status, body.as_bytes().to_vec()))
}

/// As `application/x-www-form-urlencoded` wants it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
