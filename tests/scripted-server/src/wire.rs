//! Sockets: accepting connections, one task per connection, and sending an answer's bytes.

use crate::http::{Request, Response};
use crate::server::{Command, Shared};
use crate::{Delivery, route};
use std::io::{self, ErrorKind};
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A plain or a TLS connection.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Accepts until the handle is dropped.
pub(crate) async fn accept(
    listener: StdListener,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    mut commands: UnboundedReceiver<Command>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut listener = Some(listener);
    let tls = Rc::new(tls);
    let mut connections = 0;
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let incoming = async {
                    match &listener {
                        Some(listener) => listener.accept().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    command = commands.recv() => match command {
                        None => return,
                        Some(Command::StopListening(done)) => {
                            listener = None;
                            let _ = done.send(Ok(()));
                        }
                        Some(Command::Listen(done)) => {
                            let again = if listener.is_some() { Ok(None) } else { TcpListener::bind(address).await.map(Some) };
                            let _ = done.send(again.map(|again| listener = again.or(listener.take())));
                        }
                    },
                    accepted = incoming => {
                        let Ok((socket, _)) = accepted else { continue };
                        let (shared, tls, number) = (Arc::clone(&shared), Rc::clone(&tls), connections);
                        connections += 1;
                        tokio::task::spawn_local(async move {
                            let _ = socket.set_nodelay(true);
                            // A connection's errors are its client's business: it left, or never spoke HTTP.
                            let _ = match tls.as_ref() {
                                Some(tls) => match tls.accept(socket).await {
                                    Ok(stream) => serve(shared, stream, number).await,
                                    Err(error) => Err(error),
                                },
                                None => serve(shared, socket, number).await,
                            };
                        });
                    }
                }
            }
        })
        .await;
}

/// Answers a connection's requests one after the other.
async fn serve(shared: Arc<Shared>, mut stream: impl Stream, connection: usize) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = Request::read(&mut stream, &mut buffer).await? {
        let number = shared.log.push(route::entry(&shared, &request, connection));
        let (response, delivery) = route::answer(&shared, &request, number).await;
        let keep_alive = delivery == Delivery::Whole && request.keeps_alive();
        let sent = deliver(&mut stream, &response, delivery, keep_alive).await;
        let head_sent = !matches!(delivery, Delivery::Close | Delivery::Reset | Delivery::Hang);
        shared.log.finish(number, head_sent.then_some(response.status));
        sent?;
        if !keep_alive {
            return stream.shutdown().await;
        }
    }
    Ok(())
}

async fn deliver(
    stream: &mut impl Stream,
    response: &Response,
    delivery: Delivery,
    keep_alive: bool,
) -> io::Result<()> {
    let mut head = response.head(&format!("Content-Length: {}", response.body.len()), keep_alive);
    match delivery {
        Delivery::Whole => {
            head.extend_from_slice(&response.body);
            stream.write_all(&head).await?;
        }
        Delivery::Close => {}
        Delivery::Reset => {
            stream.socket().set_zero_linger()?;
            return Err(ErrorKind::ConnectionReset.into());
        }
        Delivery::Hang => {
            // Ends when the client closes; input is discarded meanwhile.
            let mut scrap = [0; 1024];
            while stream.read(&mut scrap).await? > 0 {}
        }
        Delivery::Cut { bytes } => {
            head.extend_from_slice(&response.body);
            head.truncate(bytes);
            stream.write_all(&head).await?;
        }
        Delivery::CutBody { bytes } => {
            head.extend(response.body.iter().take(bytes));
            stream.write_all(&head).await?;
        }
        Delivery::Drip { every } => {
            stream.write_all(&head).await?;
            for byte in &response.body {
                sleep(every).await;
                stream.write_all(&[*byte]).await?;
            }
        }
        Delivery::Endless => {
            stream.write_all(&response.head("Transfer-Encoding: chunked", false)).await?;
            let first = format!("{:x}\r\n", response.body.len());
            stream.write_all(&[first.as_bytes(), &response.body, b"\r\n"].concat()).await?;
            let blanks = [b"1000\r\n".as_slice(), &[b' '; 0x1000], b"\r\n"].concat();
            loop {
                stream.write_all(&blanks).await?;
                // Slow enough to spare the processor, fast enough to pass 1 MiB in a moment.
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
    stream.flush().await
}
