//! The server: listening, connections with limits, shutdown.
//!
//! HTTP/1.1 only, with or without TLS. Every wait for a peer has a limit ([`Limits`]). The number of connections is
//! limited, and idle ones are closed for new ones: see [`super::connections`]. Request bodies are not read beyond what
//! arrives with the head. If accepting fails, for example for lack of file descriptors, it is retried.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use super::access::Access;
use super::activity::{Activity, ActivityStream};
use super::batched_body::BatchedBody;
use super::connections::{ConnectionGuard, Connections, within_open_files};
use super::external_url::ExternalUrl;
use super::host::HostCheck;

/// The maximum size of a request head, in bytes.
const HEAD_SIZE: usize = 16 * 1024;
/// The maximum number of header fields in a request.
const HEADERS: usize = 64;
/// Connections that the kernel queues until they are accepted. If the queue is full, it drops new ones, and their
/// clients retry only seconds later.
const BACKLOG: i32 = 4096;
/// The maximum unsent bytes that the kernel buffers per connection. Without it, the kernel buffers megabytes for a
/// client that does not read.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Limits on clients: their number, and how long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time, of all listeners together; fewer if the limit on open files is lower.
    pub connections: usize,
    /// Open files that everything else may need: connections to the API, the state file, credentials.
    pub other_files: usize,
    /// From the first byte of a request to the end of its head; of the first request, from when it may be sent. For a
    /// TLS handshake as well.
    pub head: Duration,
    /// The maximum time in which the peer reads no byte of a response.
    pub write: Duration,
    /// From a request to the end of its response.
    pub answer: Duration,
    /// Between two requests on a connection. Longer than Prometheus keeps one open (5 minutes), so that it is never
    /// this end that closes a connection just as a scrape is sent on it.
    pub idle: Duration,
    /// How long requests in flight may take at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            other_files: 40,
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

/// Whether an address has the form that [`bind`] takes. Resolves no name and binds nothing.
pub fn check_address(address: &str) -> io::Result<()> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "it is not host:port or :port");
    let (host, port_text) = address.rsplit_once(':').ok_or_else(invalid)?;
    port(port_text)?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !is_bracketed { Err(invalid()) } else { Ok(()) }
}

fn port(text: &str) -> io::Result<u16> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "the port is not a number from 0 to 65535");
    text.parse().map_err(invalid)
}

fn listen(address: &str) -> io::Result<TcpListener> {
    if let Some(text) = address.strip_prefix(':') {
        let port = port(text)?;
        return listen_on((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| match error.kind() {
            // IPv4 would fail in the same way.
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

/// Wraps the future of a connection, for example to catch its panics.
pub type ConnectionScope = fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Options of [`serve`].
#[derive(Debug)]
pub struct Options {
    /// TLS, authentication and rate limit.
    pub access: Access,
    /// The URL and path of the router.
    pub external_url: ExternalUrl,
    /// The limits on clients.
    pub limits: Limits,
    /// Wraps the future of every connection.
    pub scope: ConnectionScope,
}

impl Options {
    /// The default limits, without an external URL.
    #[must_use]
    pub fn new(access: Access) -> Self {
        let (external_url, limits) = (ExternalUrl::default(), Limits::default());
        Self { access, external_url, limits, scope: |connection| connection }
    }
}

/// Serves on all listeners until `shutdown` completes, then stops to listen, lets requests in flight finish for at most
/// [`Limits::drain`], closes what is left, and returns. Fails only if a listener's task panicked.
pub async fn serve(
    listeners: Vec<TcpListener>,
    router: Router,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Options { access, external_url, limits, scope } = options;
    let limits = Limits { connections: within_open_files(limits.connections, limits.other_files), ..limits };
    let (stop, stopping) = watch::channel(false);
    let server = Server {
        connections: Arc::new(Connections::new(limits)),
        hosts: Arc::new(HostCheck::new(&listeners, &external_url)),
        limits,
        router,
        access,
        scope,
        stopping,
    };
    // Dropping it ends the listeners and their connections.
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(server.clone().serve_listener(listener));
    }
    drop(server);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = tasks.join_next() => ended.map_err(io::Error::other)?,
        }
    }
    stop.send_replace(true);
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Shared by all listeners and connections; cheap to clone.
#[derive(Clone)]
struct Server {
    connections: Arc<Connections>,
    hosts: Arc<HostCheck>,
    limits: Limits,
    router: Router,
    access: Access,
    scope: ConnectionScope,
    stopping: watch::Receiver<bool>,
}

impl Server {
    async fn serve_listener(self, listener: TcpListener) {
        let mut stopping = self.stopping.clone();
        // Dropping it ends the connections that are left.
        let mut tasks = JoinSet::new();
        loop {
            let (stream, peer) = tokio::select! {
                _ = stopping.wait_for(|&stopping| stopping) => break,
                Some(_) = tasks.join_next() => continue,
                accepted = accept(&listener) => accepted,
            };
            let guard = tokio::select! {
                _ = stopping.wait_for(|&stopping| stopping) => break,
                guard = self.connections.acquire() => guard,
            };
            // Its level is error, so that no log level hides it.
            let span = tracing::error_span!("connection", connection = %peer);
            let connection = (self.scope)(Box::pin(self.clone().serve_connection(stream, peer, guard)));
            tasks.spawn(connection.instrument(span));
        }
        drop(listener);
        let drained = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.limits.drain, drained).await.is_err() {
            tracing::info!("closing connections whose requests did not finish in time");
        }
    }
}

/// The next connection. Never fails: errors are retried with a growing pause.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, retrying");
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

/// The stream of a connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Server {
    async fn serve_connection(self, stream: TcpStream, peer: SocketAddr, guard: ConnectionGuard) {
        let activity = Arc::clone(&guard.activity);
        tokio::select! {
            biased;
            () = self.serve_stream(stream, &activity) => {}
            () = activity.evicted() => tracing::debug!(%peer, "connection closed for a new one"),
        }
    }

    async fn serve_stream(self, stream: TcpStream, activity: &Arc<Activity>) {
        let Self { hosts, limits, router, access, mut stopping, .. } = self;
        let tls = access.tls().await;
        let opened = tokio::select! {
            opened = timeout(limits.head, open(stream, tls.clone(), activity)) => opened,
            // No request can be in flight yet.
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
        activity.opening();
        let stream = ActivityStream::new(stream, Arc::clone(activity));
        let router = TowerToHyperService::new(router);
        let outdated = Notify::new();
        let service = hyper::service::service_fn(|request| {
            activity.request_received();
            let (access, hosts, router, tls, outdated) = (&access, &hosts, router.clone(), &tls, &outdated);
            async move {
                let mut response = access.answer(request, hosts, router).await;
                if !access.is_current(tls.as_ref()) {
                    // Announced, so that no request is sent on a connection that is being closed.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    outdated.notify_one();
                }
                Ok::<_, Infallible>(response.map(BatchedBody::new))
            }
        });
        let mut builder = http1::Builder::new();
        // A peer that has shut down its sending side, as tools in a pipe do, gets its answer nevertheless. The limits
        // on time are those of Activity.
        builder.half_close(true).max_headers(HEADERS).max_buf_size(HEAD_SIZE).header_read_timeout(None);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut is_last = false;
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection");
                    }
                    break;
                }
                reason = activity.expired() => {
                    tracing::debug!(reason, "connection closed");
                    break;
                }
                _ = stopping.wait_for(|&stopping| stopping), if !is_last => {}
                // Connections with an outdated TLS configuration are closed, so that clients connect again.
                () = outdated.notified(), if !is_last => {}
            }
            // Finishes the request in flight, then closes.
            is_last = true;
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The stream for requests, after the TLS handshake if there is one. `None` if the connection was already refused.
async fn open(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    activity: &Activity,
) -> io::Result<Option<Pin<Box<dyn Stream>>>> {
    // Otherwise the last packet of a response may wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT");
    }
    let Some(tls) = tls else { return Ok(Some(Box::pin(stream))) };
    activity.opening();
    let mut first = [0];
    stream.peek(&mut first).await?;
    activity.opening();
    // A handshake begins with the byte 22, a request of HTTP with a letter.
    if first[0].is_ascii_uppercase() {
        return refuse_plain_http(stream).await.map(|()| None);
    }
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    Ok(Some(Box::pin(stream)))
}

/// Sends the response of Go's servers. Reads the request first; closing with unread data would reset the connection.
async fn refuse_plain_http(mut stream: TcpStream) -> io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let _ = stream.read(&mut [0; 4096]).await?;
    stream.write_all(ANSWER).await?;
    stream.shutdown().await
}
