//! Connections, including broken ones.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use elements::causes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What happens to a connection instead of a response.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is reset.
    Reset,
    /// Nothing more is read or written; it stays open.
    Frozen,
}

/// `http://` and the authority at which a listener is reached from this host.
pub(super) fn origin(listener: &TcpListener) -> io::Result<String> {
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address = SocketAddr::new(loopback, address.port());
    }
    Ok(format!("http://{address}"))
}

/// Serves every connection until the returned set is dropped; then all connections end.
pub(super) fn serve<H, F>(listener: TcpListener, handler: H) -> JoinSet<Infallible>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Broken>> + Send + 'static,
{
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, handler.clone()));
                    }
                    // Probably out of file descriptors: wait until a connection ends.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    });
    serving
}

/// Serves one connection, in the version of HTTP in which the client begins. A reset, also as the error of a body, ends
/// the connection; in HTTP/2 the stream, and [`Broken::Reset`] then lets the connection accept no other (GOAWAY).
async fn connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Sync,
    F: Future<Output = Result<Response<Body>, Broken>> + Send + 'static,
{
    let Ok(socket) = SockRef::from(&stream).try_clone() else { return };
    let (reset, frozen) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = service_fn(|request| {
        let (response, reset, frozen) = (handler(request), Arc::clone(&reset), Arc::clone(&frozen));
        async move {
            match response.await {
                Ok(response) => Ok(response),
                Err(Broken::Reset) => {
                    reset.notify_one();
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                }
                Err(Broken::Frozen) => {
                    frozen.notify_one();
                    std::future::pending().await
                }
            }
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = frozen.notified() => std::future::pending().await,
        () = reset.notified() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    let Err(error) = served else { return };
    let mut causes = causes(&*error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    if causes.any(|cause| cause.kind() == io::ErrorKind::ConnectionReset) {
        // Without lingering, closing sends a reset. If that fails, it is a normal close.
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}
