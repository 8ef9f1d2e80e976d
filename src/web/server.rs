//! Listening, and connections that cannot harm the daemon.
//!
//! HTTP/1.1 and HTTP/2 (with prior knowledge, or as TLS negotiates it) on one port, in TLS if [`Access`] says so. Every
//! wait on a peer has an end: a TLS handshake and a request's head must be there within [`Limits::head`] of their first
//! byte (of the connection, for the first one), an answer that nobody takes is given up after [`Limits::write`], one
//! that is taken too slowly after [`Limits::answer`], and a connection without requests is closed after
//! [`Limits::idle`]. When hardly any of [`Limits::connections`] is free, one that is not missed is closed for each new
//! one: see [`super::connections`]. Request bodies are not read beyond what came with the head. An accept that fails, for
//! want of file descriptors say, is tried again.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::access::Access;
use super::answers::Answers;
use super::connections::{Activity, Connections, Told};
use super::head_deadline::{Head, HeadDeadline};
use crate::panics::{self, Task};

/// The largest head of a request, in bytes.
const HEAD_SIZE: u32 = 16 * 1024;
/// Header fields in a request.
const HEADERS: usize = 64;
/// Requests under way at the same time on one HTTP/2 connection: a browser needs two. The answers of those that a peer
/// does not take are kept for it.
const STREAMS: u32 = 8;
/// What a peer may send of a body on a stream of HTTP/2 before somebody reads it, which nobody does.
const STREAM_WINDOW: u32 = 1024;
/// What a peer may send of bodies on all streams together; HTTP/2 knows no less.
const CONNECTION_WINDOW: u32 = 65_535;
/// Connections that the kernel keeps for us while we do not accept. With few, a crowd makes it drop those of others, who
/// try again seconds later; with many, they wait for their turn.
const BACKLOG: i32 = 2048;
/// What the kernel takes of answers beyond what it may send at once, in bytes. Without it, it keeps megabytes for a peer
/// that reads nothing, and many whole answers for one that asks for many in a row.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// How long peers are waited for, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Without a byte of an answer taken by the peer.
    pub write: Duration,
    /// From a request to the end of its answer.
    pub answer: Duration,
    /// Between two requests on a connection. Longer than Prometheus keeps one open (5 minutes), so that it is never
    /// this end that closes a connection just as a scrape is sent on it.
    pub idle: Duration,
    /// For requests under way at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            write: Duration::from_secs(30),
            answer: Duration::from_mins(5),
            idle: Duration::from_mins(6),
            drain: Duration::from_secs(2),
        }
    }
}

/// Listens on an address as the command line writes it: `:10120` is every address, IPv6 and IPv4; `host:port` and
/// `[::1]:0` are the one named. Must be called in a tokio runtime; a host name is resolved, which blocks.
pub fn bind(address: &str) -> io::Result<TcpListener> {
    let explained = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    listen(address).map_err(explained)
}

fn listen(address: &str) -> io::Result<TcpListener> {
    if let Some(port) = address.strip_prefix(':') {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "the port is not a number from 0 to 65535");
        let port: u16 = port.parse().map_err(invalid)?;
        return listen_on((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| match error.kind() {
            // The port is taken or not ours to take: on IPv4 too, and this error says it best.
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            // IPv6 is off.
            _ => listen_on((Ipv4Addr::UNSPECIFIED, port).into()),
        });
    }
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in address.to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `shutdown` completes, then stops to listen, lets requests under way finish for at most
/// [`Limits::drain`], closes what is left, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    access: Access,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let builder = Arc::new(connection_builder(&limits));
    let (stop, stopping) = watch::channel(false);
    let room = Connections::new(limits.connections);
    // Dropping it ends the connections that are left.
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let admitted = tokio::select! {
            () = &mut shutdown => break,
            admitted = room.admit(peer.ip()) => admitted,
        };
        let connection = Connection { activity: Arc::clone(&admitted.activity), access: access.clone(), limits };
        let served = connection.serve(stream, Arc::clone(&builder), router.clone(), stopping.clone());
        connections.spawn(panics::scope(Task::Connection, async move {
            tokio::select! {
                biased;
                () = served => {}
                () = admitted.unwanted() => tracing::debug!(%peer, "connection closed to make room"),
            }
        }));
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::info!("closing connections whose requests did not finish in time");
    }
    Ok(())
}

/// The next connection. Fails never: whatever is wrong is waited out.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn connection_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper starts this timer when a connection falls idle, not at the first byte of a head: it is the limit on
        // idling, and HeadDeadline sees to heads.
        .header_read_timeout(limits.idle)
        // A peer that will not ask again, as tools in a pipe are, gets its answer nevertheless.
        .half_close(true)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_SIZE as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        // A peer that is gone is noticed, one that is silent is not disturbed.
        .keep_alive_interval(limits.write)
        .keep_alive_timeout(limits.write)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_SIZE);
    builder
}

/// The answer to HEAD: what GET would have been answered, but for the body. HTTP/2 has nobody else who takes it off.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|&length| length > 0) {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(head, Body::empty())
}

/// What a connection is made of, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// What must live as long as a connection does, and what it goes by.
struct Connection {
    activity: Arc<Activity>,
    access: Access,
    limits: Limits,
}

impl Connection {
    async fn serve(
        self,
        stream: TcpStream,
        builder: Arc<auto::Builder<TokioExecutor>>,
        router: Router,
        mut stopping: watch::Receiver<bool>,
    ) {
        let (tls, http2) = self.access.connection().await;
        let opening = open(stream, tls.clone(), self.limits.write, &self.activity);
        let opened = tokio::select! {
            opened = timeout(self.limits.head, opening) => opened,
            // No request can be under way yet.
            _ = stopping.wait_for(|&stopping| stopping) => return,
        };
        let stream = match opened.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"))) {
            Ok(Some(stream)) => stream,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "TLS handshake");
                return;
            }
        };
        let Self { activity, access, limits } = self;
        activity.awaited();
        let head = Head::awaited();
        let stream = Told::new(stream, Arc::clone(&activity));
        let stream = HeadDeadline::new(stream, head.clone(), limits.head);
        let router = TowerToHyperService::new(router);
        let answers = Arc::new(Answers::new(limits));
        let begin = Arc::clone(&answers);
        let outdated = Arc::new(Notify::new());
        let outdate = Arc::clone(&outdated);
        let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            head.complete(request.version());
            activity.asked();
            let multiplexed = request.version() == hyper::Version::HTTP_2;
            let is_head = request.method() == Method::HEAD;
            let (answer, access, router) = (begin.begin(), access.clone(), router.clone());
            let (tls, outdate) = (tls.clone(), Arc::clone(&outdate));
            async move {
                let mut response = access.answer(request, router).await;
                if is_head {
                    response = without_body(response);
                }
                if !access.goes_by(tls.as_ref()) {
                    // Said, so that nobody asks again on a connection that is closed. HTTP/2 has its own word for it.
                    if !multiplexed {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    outdate.notify_one();
                }
                Ok::<_, Infallible>(response.map(|body| answer.with_body(body, multiplexed)))
            }
        });
        let builder = if http2 { (*builder).clone() } else { (*builder).clone().http1_only() };
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        let mut is_last = false;
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "connection");
                    }
                    break;
                }
                why = answers.overdue() => {
                    tracing::debug!(why, "connection closed");
                    break;
                }
                _ = stopping.wait_for(|&stopping| stopping), if !is_last => {}
                // Who was let in by other certificates or CAs than those of now has to come in again.
                () = outdated.notified(), if !is_last => {}
            }
            // What is under way is answered; then it ends.
            is_last = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The stream that requests come on: after the handshake, with TLS. `None` if it was answered already.
async fn open(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    write: Duration,
    activity: &Activity,
) -> io::Result<Option<Pin<Box<dyn Stream>>>> {
    // Without it, the last packet of an answer may wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT");
    }
    let Some(tls) = tls else { return Ok(Some(Box::pin(with_timeout(stream, write)))) };
    activity.awaited();
    let mut first = [0];
    stream.peek(&mut first).await?;
    activity.awaited();
    // A handshake begins with the byte 22, a request of HTTP with a letter.
    if first[0].is_ascii_uppercase() {
        return refuse_plain_http(stream).await.map(|()| None);
    }
    let stream = TlsAcceptor::from(tls).accept(Box::pin(with_timeout(stream, write))).await?;
    Ok(Some(Box::pin(stream)))
}

fn with_timeout(stream: TcpStream, write: Duration) -> TimeoutStream<TcpStream> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write));
    stream
}

/// Says what Go's servers say. What has come is read first: unread, it would turn the close into a reset.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let _ = stream.read(&mut [0; 4096]).await?;
    stream.write_all(ANSWER).await?;
    stream.shutdown().await
}
