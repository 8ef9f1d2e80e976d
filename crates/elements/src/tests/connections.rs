//! Connections that are alive but useless: which ones are closed, and when.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::server::{keep, say};
use super::*;
use crate::resolver::Resolver;
use crate::types::FailureReason;

const TOKEN: &str = r#"{"access_token": "token-1", "expires_in": 3600, "token_type": "Bearer"}"#;

#[tokio::test]
async fn a_moved_name_is_resolved_again_while_the_old_server_answers_503() {
    // Two servers on one port, on two addresses.
    let (old_listener, new_listener) = loop {
        let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(new) = TcpListener::bind(("127.0.0.2", old.local_addr().unwrap().port())).await {
            break (old, new);
        }
    };
    let moved = Arc::new(AtomicBool::new(false));
    let old = Server::start_on(old_listener, None, {
        let moved = Arc::clone(&moved);
        move |seen| match seen.path() {
            "/connect/token" => keep(200, TOKEN),
            _ if moved.load(Ordering::Relaxed) => keep(503, "{}"),
            _ => keep(200, SEATS_BODY),
        }
    });
    let new = Server::start_on(new_listener, None, |_| keep(200, SEATS_BODY));
    let resolver = Resolver::new({
        let moved = Arc::clone(&moved);
        move |_| {
            let address: [u8; 4] = if moved.load(Ordering::Relaxed) { [127, 0, 0, 2] } else { [127, 0, 0, 1] };
            async move { Ok(vec![SocketAddr::from((address, 0))]) }
        }
    });
    let client = Client::with_resolver(
        &settings(&old),
        Registrations::default().get(settings(&old).registration_key(), settings(&old).budget),
        Clock::start(),
        resolver,
    )
    .unwrap();
    for _ in 0..3 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    assert!(old.seen_on("overview").iter().all(|seen| seen.connection == old.seen_on("overview")[0].connection));
    moved.store(true, Ordering::Relaxed);
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!(new.seen_on("overview").len(), 1);
    assert_eq!(failures(&client, "customer_seats", "server_error"), Some(3.0), "three of the old server");
}

#[tokio::test]
async fn a_lost_request_is_retried_on_a_new_connection() {
    let dead = Arc::new(AtomicBool::new(false));
    let server = server({
        let dead = Arc::clone(&dead);
        // Connections from before close when data arrives on them.
        move |seen| {
            if dead.load(Ordering::Relaxed) && seen.connection <= 3 {
                Say::Bytes(vec![])
            } else {
                keep(200, SEATS_BODY)
            }
        }
    })
    .await;
    let client = client(&settings(&server));
    // Three idle connections at the same time.
    let (first, second, third) = tokio::join!(ask(&client, SEATS), ask(&client, SEATS), ask(&client, SEATS));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    dead.store(true, Ordering::Relaxed);
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!(failures(&client, "customer_seats", "connect"), Some(1.0));
}

#[tokio::test]
async fn the_connection_of_a_request_that_timed_out_is_closed() {
    let server = server(|seen| if seen.before == 1 { Say::Nothing } else { keep(200, SEATS_BODY) }).await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_millis(500);
    let client = client(&settings);
    for _ in 0..2 {
        assert!(ask(&client, SEATS).await.is_ok());
    }
    let connections: Vec<_> = server.seen_on("overview").iter().map(|seen| seen.connection).collect();
    assert_eq!(connections.len(), 3);
    assert!(connections[0] == connections[1] && connections[1] < connections[2], "{connections:?}");
}

#[tokio::test]
async fn a_frozen_http_2_connection_is_replaced_before_its_request_times_out() {
    let (acceptor, ca) = tls::acceptor(&["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let serving = tokio::spawn({
        let (connections, asked) = (Arc::clone(&connections), Arc::clone(&asked));
        async move {
            let mut serving = tokio::task::JoinSet::new();
            loop {
                let socket = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                connections.fetch_add(1, Ordering::Relaxed);
                serving.spawn(http2(socket, Arc::clone(&asked)));
            }
        }
    });
    let unused = server(|_| say(500, "")).await;
    let url: url::Url = format!("https://localhost:{port}").parse().unwrap();
    let mut settings = ClientConfig {
        api_url: url.clone(),
        token_url: url.join("/connect/token").unwrap(),
        extra_roots: vec![ca],
        ..settings(&unused)
    };
    // Long enough that only the PINGs can detect it.
    settings.budget.timeout = Duration::from_secs(8);
    let client = client(&settings);
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!(connections.load(Ordering::Relaxed), 2, "one for tokens");
    let started = tokio::time::Instant::now();
    assert!(ask(&client, SEATS).await.is_ok(), "the second request freezes its connection");
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    assert!(started.elapsed() < Duration::from_secs(8), "found by PINGs, not by the request's own timeout");
    serving.abort();
}

/// Serves HTTP/2; the second request to the API freezes its connection: nothing is read or written any more.
async fn http2(socket: tokio_rustls::server::TlsStream<tokio::net::TcpStream>, asked: Arc<AtomicUsize>) {
    let freeze = Arc::new(Notify::new());
    let service = hyper::service::service_fn({
        let freeze = Arc::clone(&freeze);
        move |request: Request<Incoming>| {
            let (asked, freeze) = (Arc::clone(&asked), Arc::clone(&freeze));
            async move {
                let body = if request.uri().path() == "/connect/token" {
                    TOKEN
                } else if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                    freeze.notify_one();
                    std::future::pending().await
                } else {
                    SEATS_BODY
                };
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
            }
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let connection = connection.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => {}
        () = freeze.notified() => std::future::pending().await,
    }
}

#[tokio::test]
async fn endless_1xx_end_at_the_deadline() {
    let server = server(|seen| match seen.before {
        0 => Say::Endless(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        _ => say(200, SEATS_BODY),
    })
    .await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_millis(500);
    let client = client(&settings);
    assert!(ask(&client, SEATS).await.is_ok());
    assert_eq!(failures(&client, "customer_seats", "timeout"), Some(1.0));
    server.until_open(0).await;
}

#[tokio::test]
async fn the_error_is_that_of_the_request_not_of_the_wait_to_retry_it() {
    let server = server(|_| say(503, r#"{"message": "we are moving"}"#)).await;
    let mut settings = settings(&server);
    settings.budget.timeout = Duration::from_millis(600);
    (settings.budget.requests_per_second, settings.budget.burst) = (0.2, 2);
    let client = client(&settings);
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(
        (failure.reason, &*failure.message),
        (FailureReason::ServerError, "the API answered 503: we are moving")
    );
    assert_eq!(server.seen_on("overview").len(), 1, "a token and a request are the whole burst");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let server = server(|_| say(200, SEATS_BODY)).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy_url = Some(format!("http://bob:hunter2@{gone}").parse().unwrap());
    let mut settings = ClientConfig { proxy_url, ..settings(&server) };
    settings.budget.timeout = Duration::from_millis(500);
    let client = client(&settings);
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(failure.reason, FailureReason::Connect);
    let start = format!("no connection to the identity service through the proxy {gone}: ");
    assert!(failure.message.starts_with(&start), "{failure}");
}
