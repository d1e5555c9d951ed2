//! A minimal HTTP client for the naive refresher, and for a browser that consents to everything.

use crate::Fallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// A single request on its own connection, only to `localhost` or IPv4 loopback addresses.
pub(crate) async fn request(method: &str, url: &str, user_agent: &str, form: &str) -> Fallible<Answer> {
    let rest = url.strip_prefix("http://").ok_or("not a plain HTTP URL")?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, target) = rest.split_at(slash);
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the response was cut off")?;
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut locations = headers.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    Ok(Answer { location: locations.next().map(|(_, value)| value.trim().to_owned()), body: body.to_owned() })
}

/// Opens a page and follows its redirects, like the browser of a user who is logged in everywhere.
pub(crate) async fn browse(url: &str) -> Fallible<()> {
    let mut next = Some(url.to_owned());
    for _ in 0..10 {
        let Some(url) = next else { return Ok(()) };
        next = request("GET", &url, "browser", "").await?.location;
    }
    Err("too many redirects".into())
}
