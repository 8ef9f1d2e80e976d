//! Connections, including broken ones.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use elements::causes;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What happens to a connection instead of a response.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is reset.
    Reset(ResetConnection),
    /// Nothing more is read or written; it stays open.
    Frozen,
}

/// Resets the connection instead of a response or its remaining part.
#[derive(Debug)]
pub(super) struct ResetConnection;

impl fmt::Display for ResetConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to be reset")
    }
}

impl std::error::Error for ResetConnection {}

/// Serves every connection until it is dropped; then all connections end.
pub(super) async fn serve<H, F>(listener: TcpListener, handler: H) -> Infallible
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, Broken>> + Send + 'static,
{
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
}

async fn connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, Broken>> + Send + 'static,
{
    if is_http2(&stream).await {
        return http2_connection(stream, handler).await;
    }
    let service = service_fn(move |request| {
        let response = handler(request);
        async move {
            match response.await {
                Ok(response) => Ok(response),
                Err(Broken::Reset(reset)) => Err(reset),
                // One request at a time: the connection waits with it.
                Err(Broken::Frozen) => std::future::pending().await,
            }
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    if causes(&error).any(<dyn std::error::Error>::is::<ResetConnection>) {
        // Without lingering, closing sends a reset. If that fails, it is a normal close.
        let stream = connection.into_parts().io.into_inner();
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

/// Whether a connection starts with the HTTP/2 preface (RFC 9113 §3.4), which is not a valid HTTP/1.1 request.
async fn is_http2(stream: &TcpStream) -> bool {
    const START: &[u8] = b"PRI";
    let mut start = [0; START.len()];
    loop {
        match stream.peek(&mut start).await {
            Ok(length) if length == START.len() => return start == START,
            Ok(1..) if start.first() == START.first() => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => return false,
        }
    }
}

/// In HTTP/2 this resets the stream; then the connection accepts no other stream (GOAWAY).
async fn http2_connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, Broken>> + Send + 'static,
{
    let (go_away, freeze) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = service_fn({
        let (go_away, freeze) = (Arc::clone(&go_away), Arc::clone(&freeze));
        move |request| {
            let (response, go_away, freeze) = (handler(request), Arc::clone(&go_away), Arc::clone(&freeze));
            async move {
                match response.await {
                    Ok(response) => Ok(response),
                    Err(Broken::Reset(reset)) => {
                        go_away.notify_one();
                        Err(reset)
                    }
                    Err(Broken::Frozen) => {
                        freeze.notify_one();
                        std::future::pending().await
                    }
                }
            }
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = go_away.notified() => {}
        () = freeze.notified() => std::future::pending().await,
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
