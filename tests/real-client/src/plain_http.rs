//! A minimal HTTP client: enough for the naive stand-in and for a browser that consents to everything.

use crate::Fallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// One request on a connection of its own. `localhost` and IPv4 addresses of the loopback interface only.
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
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer was cut")?;
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut locations = headers.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    Ok(Answer { location: locations.next().map(|(_, value)| value.trim().to_owned()), body: body.to_owned() })
}

/// Opens a page and follows its redirects, as a browser of somebody who is logged in everywhere does.
pub(crate) async fn browse(url: &str) -> Fallible<()> {
    let mut next = Some(url.to_owned());
    for _ in 0..10 {
        let Some(url) = next else { return Ok(()) };
        next = request("GET", &url, "browser", "").await?.location;
    }
    Err("too many redirects".into())
}
