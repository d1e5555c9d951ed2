//! Requests and responses as values. HTTP/1.1 by hand: this server must control every byte.

use crate::form::Form;
use crate::{HttpReply, RetryAfter};
use jiff::{SignedDuration, Timestamp};
use std::io::{self, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Larger than any head sent here.
const HEAD_LIMIT: usize = 64 * 1024;
/// Larger than any body sent here.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Form,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The form of a POST, else the query.
    pub(crate) fn form(&self) -> Form {
        match self.header("content-type") {
            Some(kind) if kind.starts_with("application/x-www-form-urlencoded") => Form::parse(&self.body),
            _ => self.query.clone(),
        }
    }

    pub(crate) fn keeps_alive(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// Reads the next request; `None` if the client has closed the connection between requests.
    pub(crate) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if buffer.len() > HEAD_LIMIT {
                return Err(ErrorKind::InvalidData.into());
            }
            if stream.read_buf(buffer).await? == 0 {
                return if buffer.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        };
        let rest = buffer.split_off(head_end + 4);
        let head = std::mem::replace(buffer, rest);
        let mut request = Self::parse_head(&String::from_utf8_lossy(&head)).ok_or(ErrorKind::InvalidData)?;
        let length = match request.header("content-length") {
            Some(length) => length.parse::<usize>().map_err(|_| ErrorKind::InvalidData)?,
            // Nobody here sends chunked requests; refuse them rather than guess.
            None if request.header("transfer-encoding").is_some() => {
                return Err(ErrorKind::Unsupported.into());
            }
            None => 0,
        };
        if length > BODY_LIMIT {
            return Err(ErrorKind::InvalidData.into());
        }
        while buffer.len() < length {
            if stream.read_buf(buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = buffer.split_off(length);
        request.body = std::mem::replace(buffer, rest);
        Ok(Some(request))
    }

    fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        Some(Self {
            method,
            path: path.to_owned(),
            query: Form::parse(query.as_bytes()),
            headers,
            body: Vec::new(),
        })
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::empty(status).header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Status line and headers; `length` is what frames the body.
    pub(crate) fn head(&self, framing: &str, keep_alive: bool) -> Vec<u8> {
        let mut head =
            format!("HTTP/1.1 {} {}\r\nDate: {}\r\n", self.status, reason(self.status), http_date(0));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(framing);
        head.push_str(if keep_alive { "\r\n\r\n" } else { "\r\nConnection: close\r\n\r\n" });
        head.into_bytes()
    }
}

impl From<&HttpReply> for Response {
    fn from(reply: &HttpReply) -> Self {
        let mut response = Self::empty(reply.status).body(reply.body.as_bytes());
        if !reply.content_type.is_empty() {
            response = response.header("Content-Type", &reply.content_type);
        }
        for (name, value) in &reply.headers {
            response = response.header(name, value);
        }
        match reply.retry_after {
            Some(RetryAfter::Seconds(seconds)) => response.header("Retry-After", &seconds.to_string()),
            Some(RetryAfter::Date(seconds)) => response.header("Retry-After", &http_date(seconds)),
            None => response,
        }
    }
}

/// An IMF-fixdate (RFC 9110, section 5.6.7) this many seconds from now.
fn http_date(ahead: u64) -> String {
    let ahead = SignedDuration::from_secs(i64::try_from(ahead).unwrap_or(i64::MAX));
    let date = Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX);
    date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn reason(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        300..=399 => "Elsewhere",
        400..=499 => "Refused",
        _ => "Failed",
    }
}
