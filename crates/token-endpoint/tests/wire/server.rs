//! A server that does what a test says, byte by byte, and counts what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the server does next on a connection; after the last step it closes it.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// The same bytes again and again, with a pause between them.
    Repeat(Vec<u8>, Duration),
    Hang,
    Pause(Duration),
    /// Waits for another request on the same connection.
    Keep,
}

#[derive(Default)]
struct Log {
    connections: usize,
    ended: usize,
    requests: Vec<Seen>,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// Over TLS where there is an acceptor.
    pub(crate) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Log::default()));
        let script = Arc::new(script);
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().connections += 1;
                let (tls, script, log) = (tls.clone(), Arc::clone(&script), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*script, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &*script, &log).await;
                            }
                        }
                    }
                    log.lock().unwrap().ended += 1;
                });
            }
        });
        Self { port, log, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.lock().unwrap().connections
    }

    /// How many connections either side has ended.
    pub(crate) fn ended(&self) -> usize {
        self.log.lock().unwrap().ended
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.log.lock().unwrap().requests.clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|seen| seen.path).collect()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &(dyn Fn(&Seen) -> Vec<Step> + Send + Sync),
    log: &Mutex<Log>,
) {
    while let Some(seen) = read(&mut stream).await {
        log.lock().unwrap().requests.push(seen.clone());
        let mut keeps = false;
        for step in script(&seen) {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Repeat(bytes, pause) => loop {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                },
                Step::Hang => std::future::pending().await,
                Step::Pause(time) => tokio::time::sleep(time).await,
                Step::Keep => keeps = true,
            }
        }
        if !keeps {
            break;
        }
    }
    drop(stream.shutdown().await);
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
        })
        .unwrap_or(0);
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    Some(Seen {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        body: String::from_utf8(bytes[end..].to_vec()).ok()?,
        head,
    })
}

/// A whole answer with its length.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    vec![Step::Send([head.as_bytes(), body].concat())]
}

/// A whole JSON answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<Step> {
    answer(status, "content-type: application/json\r\n", body)
}
