//! A peer that answers with whatever bytes a test wants, and remembers what it was sent.

use crate::support::Home;
use scripted_server::{Grant, credentials_json};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is sent back.
pub(crate) enum Reply {
    /// These bytes; then the connection is closed.
    Bytes(Vec<u8>),
    /// The first bytes, and then the others again and again with a pause before each, for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

/// An HTTP answer with a JSON body.
pub(crate) fn text(status: u16, body: &str) -> Reply {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    Reply::Bytes((head + body).into_bytes())
}

/// A server on this machine. Its threads end with the test's process.
pub(crate) struct Peer {
    base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Answers by its own base URL and the path that was asked for.
    pub(crate) fn start(answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, shared, own) = (Arc::new(answer), Arc::clone(&requests), base.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, requests, base) = (Arc::clone(&answer), Arc::clone(&shared), own.clone());
                std::thread::spawn(move || attend(stream, &base, &*answer, &requests));
            }
        });
        Self { base, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Every request, head and body, as it came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads one request and answers it. Whoever goes away in the middle is let go.
fn attend(
    stream: TcpStream,
    base: &str,
    answer: &dyn Fn(&str, &str) -> Reply,
    requests: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(&stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        if !matches!(reader.read_line(&mut head), Ok(1..)) {
            return;
        }
        let line = head[before..].to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(head + &String::from_utf8_lossy(&body));
    let mut stream = &stream;
    match answer(base, &path) {
        Reply::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Reply::Endless(first, again, pause) => {
            let mut sent = stream.write_all(&first);
            while sent.is_ok() {
                std::thread::sleep(pause);
                sent = stream.write_all(&again);
            }
        }
    }
}

/// An expired entry of a server at this address.
pub(crate) fn entry(name: &str, url: &str, more: Value) -> (String, Value) {
    let mut entry = json!({
        "serverName": name, "serverUrl": url, "accessToken": format!("at_{name}"), "refreshToken": format!("rt_of_{name}"),
        "expiresAt": 1, "clientId": "made-up", "scope": "mcp"
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (format!("{name}|00"), entry)
}

/// A home with these entries beside those of honest servers.
pub(crate) fn home_with(
    honest: &[(&str, &Grant)],
    others: impl IntoIterator<Item = (String, Value)>,
) -> Home {
    let mut document: Value = serde_json::from_str(&credentials_json(honest.iter().copied())).unwrap();
    document["mcpOAuth"].as_object_mut().unwrap().extend(others);
    let home = Home::new();
    home.store(&document.to_string());
    home
}
