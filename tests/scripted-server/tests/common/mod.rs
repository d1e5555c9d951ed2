//! A client that shows every byte: one request per connection, blocking, with a limit on its patience.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use scripted_server::Grant;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back until the connection ended.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Every byte.
    pub(crate) raw: Vec<u8>,
    /// How the connection ended: in order, or with this error.
    pub(crate) end: Result<(), io::ErrorKind>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    pub(crate) fn status(&self) -> u16 {
        self.text().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next()?;
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }

    pub(crate) fn body(&self) -> &[u8] {
        let at = self.raw.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        &self.raw[at + 4..]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.text())).to_owned()
    }
}

/// Opens a connection and sends a request on it.
pub(crate) fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads to the connection's end.
pub(crate) fn receive(mut stream: impl Read) -> Reply {
    let mut raw = Vec::new();
    let end = stream.read_to_end(&mut raw).map(drop).map_err(|error| error.kind());
    Reply { raw, end }
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    receive(send(address, &text(method, path, headers, body)))
}

pub(crate) fn text(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: test/1\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path, &[], "")
}

pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The text of a refresh as Claude Code sends it.
pub(crate) fn refresh_text(path: &str, grant: &Grant, refresh_token: &str) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh_token)
        .append_pair("resource", &grant.server_url)
        .append_pair("client_id", &grant.client_id)
        .finish();
    text("POST", path, &[FORM], &body)
}

pub(crate) fn refresh(address: SocketAddr, grant: &Grant, refresh_token: &str) -> Reply {
    receive(send(address, &refresh_text("/token", grant, refresh_token)))
}

pub(crate) fn call(address: SocketAddr, access_token: &str, message: &str) -> Reply {
    let bearer = format!("Bearer {access_token}");
    request(
        address,
        "POST",
        "/mcp",
        &[("Authorization", &bearer), ("Content-Type", "application/json")],
        message,
    )
}

pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
