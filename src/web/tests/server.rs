//! What peers can and cannot do to the server.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::samples::{believable, listed};
use super::*;

const SOON: Duration = Duration::from_millis(400);
const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn start(limits: Limits) -> Server {
    Server::start_with(vec![listed("main", vec![])], limits)
}

/// Until the server closes the connection; what it sent until then.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is a close, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection stays open");
    bytes
}

/// One answer of a connection that stays open.
async fn answered(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"healthy\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await.expect("no answer in time").unwrap();
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&bytes));
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_has_an_end() {
    let server = start(Limits { head: SOON, ..Limits::default() });
    for start in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(start).await.unwrap();
        closed(&mut stream).await;
    }
}

#[tokio::test]
async fn a_later_head_has_an_end_too_but_idling_may_last_longer() {
    let server = start(Limits { head: SOON, idle: PATIENCE * 10, ..Limits::default() });
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    answered(&mut stream).await;
    // Longer than a head may take: idle connections are not concerned.
    assert!(timeout(SOON * 3, stream.read_u8()).await.is_err(), "closed while idle");
    stream.write_all(REQUEST).await.unwrap();
    answered(&mut stream).await;
    stream.write_all(b"GET /-/hea").await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn idling_has_an_end() {
    let server = start(Limits { idle: SOON, ..Limits::default() });
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    answered(&mut stream).await;
    assert!(closed(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_head_has_a_size() {
    let server = start(Limits::default());
    let huge = format!("X: {}\r\n", "x".repeat(1 << 20));
    let many = "X: x\r\n".repeat(1000);
    for headers in [huge, many] {
        let mut stream = server.connect().await;
        let request = format!("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let (mut reader, mut writer) = stream.split();
        // The server may close before it has taken all of it.
        let (_, response) = tokio::join!(writer.write_all(request.as_bytes()), async {
            let mut bytes = Vec::new();
            let _ = timeout(PATIENCE, reader.read_to_end(&mut bytes)).await.expect("the connection stays open");
            String::from_utf8(bytes).unwrap()
        });
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 431"), "{response}");
    }
}

#[tokio::test]
async fn bodies_are_not_read() {
    let server = start(Limits::default());
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nsome")
        .await
        .unwrap();
    let response = closed(&mut stream).await;
    assert!(response.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_said_everything_is_answered_too() {
    let server = Server::start(many());
    for path in ["/metrics", "/", "/-/ready", "/-/healthy"] {
        let mut stream = server.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let response = Answer::read(&mut stream).await;
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()), "{path}");
    }
}

/// More than the socket buffers of both ends hold.
fn many() -> Vec<Inventory> {
    vec![believable("main", 5_000, samples::at(1))]
}

/// A peer that asks for more than the sockets hold, and reads none of it.
async fn slow_reader(server: &Server) -> TcpStream {
    let mut slow = server.connect().await;
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    timeout(PATIENCE, slow.peek(&mut [0])).await.expect("no answer in time").unwrap();
    slow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody() {
    let server = Server::start(many());
    let _slow = slow_reader(&server).await;
    assert_eq!(server.get("/-/healthy").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_dropped() {
    let limits = Limits { connections: 1, write: SOON, ..Limits::default() };
    let server = Server::start_with(many(), limits);
    let mut slow = slow_reader(&server).await;
    // There is no room for this one before the slow one has been dropped.
    let full = server.get("/metrics").await;
    assert_eq!(full.status, 200);
    let taken = closed(&mut slow).await;
    assert!(taken.len() < full.body.len(), "{} of {} bytes were sent", taken.len(), full.body.len());
}

#[tokio::test]
async fn over_the_limit_the_longest_idle_connection_goes() {
    let server = start(Limits { connections: 2, ..Limits::default() });
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(REQUEST).await.unwrap();
        answered(stream).await;
    }
    let mut third = server.connect().await;
    third.write_all(REQUEST).await.unwrap();
    answered(&mut third).await;
    assert!(closed(&mut first).await.is_empty());
    second.write_all(REQUEST).await.unwrap();
    answered(&mut second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_wants_pages_is_told_to_come_back_and_holds_up_no_scrape() {
    let server = Server::start(many());
    let crowd: Vec<_> = (0..200).map(|number| server.ask_later(format!("/?q={number}"))).collect();
    for _ in 0..3 {
        assert_eq!(server.get("/metrics").await.status, 200);
        assert_eq!(server.get("/-/ready").await.status, 200);
    }
    let (mut taken, mut sent_back) = (0, 0);
    for response in crowd {
        let response = response.await.unwrap();
        match response.status {
            200 => taken += 1,
            503 => {
                assert_eq!(response.header("retry-after"), Some("1"));
                sent_back += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!(taken >= 64 && sent_back > 0, "{taken} taken, {sent_back} sent_back");
}

#[tokio::test]
async fn shutdown_closes_what_idles_and_stops_listening() {
    let server = start(Limits { drain: PATIENCE, ..Limits::default() });
    let mut idle = server.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    answered(&mut idle).await;
    let silent = server.connect().await;
    server.stop.send(()).unwrap();
    timeout(PATIENCE / 2, server.task).await.expect("it does not end").unwrap().unwrap();
    assert!(closed(&mut idle).await.is_empty());
    drop(silent);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_answers_finish() {
    let server = Server::start_with(many(), Limits { drain: PATIENCE, ..Limits::default() });
    let mut stream = slow_reader(&server).await;
    server.stop.send(()).unwrap();
    let response = Answer::read(&mut stream).await;
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    timeout(PATIENCE, server.task).await.expect("it does not end").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_does_not_wait_for_ever() {
    let server = Server::start_with(many(), Limits { drain: SOON, ..Limits::default() });
    let _slow = slow_reader(&server).await;
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.task).await.expect("it does not end").unwrap().unwrap();
}

/// A client that speaks HTTP/2 with prior knowledge is not answered in it.
#[tokio::test]
async fn http2_is_not_spoken() {
    let server = start(Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let response = closed(&mut stream).await;
    assert!(response.is_empty() || response.starts_with(b"HTTP/1.1 400"), "{response:?}");
    let upgrade = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: upgrade, http2-settings, close\r\n";
    assert_eq!(server.ask("GET", "/-/healthy", upgrade).await.status, 200);
}

#[tokio::test]
async fn addresses_are_written_as_prometheus_writes_them() {
    let everywhere = bind(":0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(bind("localhost:0").unwrap().local_addr().unwrap().ip().is_loopback());
    for address in ["", ":", ":x", ":65536", "localhost", "127.0.0.1", "127.0.0.1:x"] {
        let error = bind(address).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
    }
    let taken = bind(&format!("127.0.0.1:{port}")).map(|_| ()).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}
