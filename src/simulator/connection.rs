//! Connections and bodies, the broken ones included.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// Instead of an answer, the connection is to be reset.
#[derive(Debug)]
pub(super) struct ResetConnection;

impl fmt::Display for ResetConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is to be reset")
    }
}

impl std::error::Error for ResetConnection {}

/// Serves every connection until it is dropped, and all of them with it.
pub(super) async fn serve<H, F>(listener: TcpListener, handler: H) -> Infallible
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Body>, ResetConnection>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, handler.clone()));
                }
                // Out of file descriptors, most likely: some connection has to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H, F>(stream: TcpStream, handler: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, ResetConnection>>,
{
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handler));
    let Err(error) = (&mut connection).await else { return };
    if std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<ResetConnection>) {
        // Without lingering, closing is a reset. If that cannot be had, it is a plain close.
        let stream = connection.into_parts().io.into_inner();
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

/// A body that ends too early: the connection ends with it.
pub(super) struct CutBody {
    start: Option<Bytes>,
    /// What Content-Length says; `None` makes it chunked.
    announced: Option<u64>,
    /// Until the start is on its way.
    pause: Pin<Box<Sleep>>,
}

impl CutBody {
    /// The first half of a body.
    pub(super) fn half_of(whole: &Bytes, announce: bool) -> Body {
        let announced = announce.then(|| u64::try_from(whole.len().max(1)).unwrap_or(u64::MAX));
        let start = Some(whole.slice(..whole.len() / 2)).filter(|start| !start.is_empty());
        Body::new(Self { start, announced, pause: Box::pin(tokio::time::sleep(Duration::from_millis(10))) })
    }
}

impl hyper::body::Body for CutBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(start) = self.start.take() {
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        self.pause.as_mut().poll(context).map(|()| Some(Err(std::io::ErrorKind::UnexpectedEof.into())))
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
