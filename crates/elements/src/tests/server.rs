//! A test server that sends exactly the given bytes and records the requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

/// A received request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Path and query.
    pub(super) target: String,
    pub(super) method: String,
    /// By lower-case name.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
    /// The number of earlier requests for the same path (without the query).
    pub(super) before: usize,
    /// The number of its connection, from 0.
    pub(super) connection: usize,
}

impl Seen {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(super) fn query(&self, name: &str) -> u64 {
        let url = Url::parse("http://x").unwrap().join(&self.target).unwrap();
        url.query_pairs().find(|(key, _)| key == name).unwrap().1.parse().unwrap()
    }

    pub(super) fn token(&self) -> &str {
        self.headers.get("authorization").map_or("", |value| value.strip_prefix("Bearer ").unwrap())
    }
}

/// How to respond to a request.
pub(super) enum Say {
    /// Send these bytes and close the connection.
    Bytes(Vec<u8>),
    /// Send these bytes; the connection stays open for the next request.
    Keep(Vec<u8>),
    /// Send these bytes repeatedly, until the client closes the connection.
    Endless(&'static [u8]),
    /// Never respond.
    Nothing,
}

pub(super) fn say(status: u16, body: impl AsRef<[u8]>) -> Say {
    say_with(status, &[], body)
}

pub(super) fn say_with(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Say {
    let body = body.as_ref();
    let length = body.len();
    let headers: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    Say::Bytes([head.as_bytes(), body].concat())
}

/// The `number`-th token.
pub(super) fn token(number: usize) -> Say {
    say(200, format!(r#"{{"access_token": "token-{number}", "expires_in": 3600, "token_type": "Bearer"}}"#))
}

/// The same response on a connection that stays open.
pub(super) fn keep(status: u16, body: &str) -> Say {
    Say::Keep(format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

type Handler = dyn Fn(&Seen) -> Say + Send + Sync;

/// Listens until it is dropped.
pub(super) struct Server {
    pub(super) url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The number of open connections.
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler).await
    }

    pub(super) async fn start_with(
        tls: Option<tokio_rustls::TlsAcceptor>,
        handler: impl Fn(&Seen) -> Say + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls, handler)
    }

    pub(super) fn start_on(
        listener: TcpListener,
        tls: Option<tokio_rustls::TlsAcceptor>,
        handler: impl Fn(&Seen) -> Say + Send + Sync + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port())).unwrap();
        let handler: Arc<Handler> = Arc::new(handler);
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        let (count, open) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let Ok((socket, _)) = listener.accept().await else { break };
                let (handler, log, tls, count) = (Arc::clone(&handler), Arc::clone(&log), tls.clone(), count.clone());
                connections.spawn(async move {
                    count.send_modify(|open| *open += 1);
                    match tls {
                        None => serve(socket, number, &*handler, &log).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, number, &*handler, &log).await;
                            }
                        }
                    }
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { url, seen, open, task }
    }

    /// Waits until this many connections are open.
    pub(super) async fn until_open(&self, connections: usize) {
        self.open.clone().wait_for(|&open| open == connections).await.unwrap();
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests whose paths have this suffix.
    pub(super) fn seen_on(&self, end: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path().ends_with(end)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: impl AsyncReadExt + AsyncWriteExt + Unpin,
    connection: usize,
    handler: &Handler,
    log: &Mutex<Vec<Seen>>,
) {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            if let Some((request, length)) = parse(&bytes) {
                bytes.drain(..length);
                break request;
            }
            match socket.read_buf(&mut bytes).await {
                Ok(length) if length > 0 => {}
                _ => return,
            }
        };
        let request = {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|seen| seen.path() == request.path()).count();
            let request = Seen { before, connection, ..request };
            log.push(request.clone());
            request
        };
        match handler(&request) {
            Say::Bytes(bytes) => {
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
                return;
            }
            Say::Keep(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Say::Endless(bytes) => {
                while socket.write_all(bytes).await.is_ok() {
                    tokio::task::yield_now().await;
                }
                return;
            }
            Say::Nothing => std::future::pending().await,
        }
    }
}

/// The first request in the bytes, and its length.
fn parse(bytes: &[u8]) -> Option<(Seen, usize)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let body = body.get(..length)?.to_owned();
    Some((Seen { target, method, headers, body, before: 0, connection: 0 }, head.len() + 4 + length))
}
