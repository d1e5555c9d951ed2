//! The loopback redirect (RFC 8252, section 7.3): a listener that takes one authorization response and ignores everything else.

use crate::terminal::exit::Exit;
use crate::terminal::failure::Failure;
use std::io;
use std::time::Duration;
use token_endpoint::{AuthorizationRequest, CallbackError, Code};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

/// The path of the redirect URI, as in Claude Code's own.
const PATH: &str = "/callback";
/// Size limit of a request's head: codes are long, headers few.
const LONGEST_HEAD: usize = 32 * 1024;
/// A connection that sends nothing must not keep the browser's waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the browser is redirected to.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens on 127.0.0.1, on this port or a free one.
    pub(super) async fn listen(port: Option<u16>) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            let cure = match port {
                Some(port) if error.kind() == io::ErrorKind::AddrInUse => {
                    format!(
                        "port {port} is in use; close the program that uses it, or choose another --callback-port"
                    )
                }
                _ => format!("cannot listen on 127.0.0.1: {error}"),
            };
            Failure::new(Exit::Person, cure)
        };
        let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// The redirect URI. `localhost`, because clients that were registered for Claude Code have that.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}{PATH}", self.port)
    }

    /// Waits for the response to this request. Everything else gets 404 and changes nothing: favicons, other logins' responses, requests
    /// for another host (DNS rebinding).
    pub(super) async fn response(&self, request: &AuthorizationRequest) -> Result<Code, CallbackError> {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, for one.
                tokio::time::sleep(PATIENCE).await;
                continue;
            };
            let head = tokio::time::timeout(PATIENCE, head(&mut stream)).await.ok().flatten();
            let judged =
                head.as_ref().and_then(|head| query(head, self.port)).map(|query| request.judge(query));
            let (status, text) = match &judged {
                None | Some(Err(CallbackError::State)) => ("404 Not Found", "Not found."),
                Some(Ok(_)) => ("200 OK", "Authorized. Close this page and go back to the terminal."),
                Some(Err(_)) => ("400 Bad Request", "Not authorized. The terminal says why."),
            };
            let answer = tokio::time::timeout(PATIENCE, answer(&mut stream, status, text));
            // What counts was received.
            let _ = answer.await;
            match judged {
                None | Some(Err(CallbackError::State)) => {}
                Some(judged) => return judged,
            }
        }
    }
}

/// The head of a request.
async fn head(stream: &mut TcpStream) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_HEAD));
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read_buf(&mut *bytes).await.ok()?;
        if read == 0 || bytes.len() >= LONGEST_HEAD {
            return None;
        }
    }
    std::str::from_utf8(&bytes).ok().map(|head| Zeroizing::new(head.to_owned()))
}

/// The query of a GET for the redirect URI.
fn query(head: &str, port: u16) -> Option<&str> {
    let mut lines = head.split("\r\n");
    let target = lines.next()?.strip_prefix("GET ")?.split(' ').next()?;
    let hosts: Vec<&str> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, host)| host.trim())
        .collect();
    let [host] = hosts.as_slice() else { return None };
    let ours = [format!("localhost:{port}"), format!("127.0.0.1:{port}")];
    if !ours.iter().any(|ours| ours.eq_ignore_ascii_case(host)) {
        return None;
    }
    let (path, query) = target.split_once('?')?;
    (path == PATH).then_some(query)
}

async fn answer(stream: &mut TcpStream, status: &str, text: &str) -> io::Result<()> {
    let page = format!("<!doctype html><meta charset=utf-8><title>mcp-refreshd</title><p>{text}</p>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_the_redirect_uri_at_this_host_is_a_response() {
        let head = |line: &str, host: &str| format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for host in ["localhost:7", "127.0.0.1:7", "LOCALHOST:7"] {
            assert_eq!(query(&head("GET /callback?code=c", host), 7), Some("code=c"));
        }
        for (line, host) in [
            ("GET /callback?code=c", "evil.example:7"),
            ("GET /callback?code=c", "localhost:8"),
            ("GET /callback?code=c", "localhost"),
            ("POST /callback?code=c", "localhost:7"),
            ("GET /favicon.ico", "localhost:7"),
            ("GET /callback", "localhost:7"),
            ("GET /other?code=c", "localhost:7"),
        ] {
            assert_eq!(query(&head(line, host), 7), None, "{line} {host}");
        }
        assert_eq!(query("GET /callback?code=c HTTP/1.1\r\n\r\n", 7), None);
        assert_eq!(query("GET /callback?c HTTP/1.1\r\nHost: localhost:7\r\nHost: evil\r\n\r\n", 7), None);
    }
}
