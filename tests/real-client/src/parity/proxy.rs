//! An HTTP proxy on loopback for CONNECT: whatever host it is asked for, it leads to 127.0.0.1.

use crate::Fallible;
use std::net::TcpListener as StdListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running proxy. Dropping it ends it.
pub(super) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(super) authority: String,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one; with `password`, as in a URL, it serves nobody who does not send it.
    pub(super) fn start(password: Option<&'static str>) -> Fallible<Self> {
        let listener = StdListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let authority = listener.local_addr()?.to_string();
        let listener = TcpListener::from_std(listener)?;
        let task = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection's errors are its client's business.
                tokio::task::spawn_local(async move { drop(serve(stream, password).await) });
            }
        });
        Ok(Self { authority, task })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, password: Option<&str>) -> Fallible<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let authorized = password.is_none_or(|password| {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == format!("Basic {password}")
        })
    });
    if !authorized {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"parity\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return Ok(stream.write_all(refusal.as_bytes()).await?);
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let port = target.and_then(|target| target.rsplit_once(':')?.1.parse::<u16>().ok());
    let Some(port) = port else {
        return Ok(stream.write_all(b"HTTP/1.1 405 CONNECT only\r\nConnection: close\r\n\r\n").await?);
    };
    let mut upstream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut upstream).await?;
    Ok(())
}
