//! What a peer of HTTP/2 can and cannot do: its frames are made by hand, since no client library misbehaves so.

mod frame;

use tokio::time::timeout;

use self::frame::{ACK, DATA, END_STREAM, PING, SETTINGS, WINDOW_UPDATE, initial_window};
use super::samples::{believable, listed};
use super::*;

const SOON: Duration = Duration::from_millis(400);

struct Peer {
    stream: TcpStream,
}

#[derive(Debug)]
struct Received {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

impl Peer {
    /// Whose streams begin with a window of so many bytes.
    async fn connect(server: &Server, window: u32) -> Self {
        let mut peer = Self { stream: server.connect().await };
        peer.send(&[frame::PREFACE, &initial_window(window)].concat()).await;
        peer
    }

    /// A failure shows when reading.
    async fn send(&mut self, frames: &[u8]) {
        let _ = self.stream.write_all(frames).await;
    }

    async fn get(&mut self, path: &str, stream: u32) {
        self.send(&frame::get(path, stream)).await;
    }

    /// The next frame that is not the connection's own; pings and settings are answered. `None` at the end.
    async fn next(&mut self) -> Option<Received> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let (kind, flags) = (head[3], head[4]);
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let echo = if kind == PING { payload } else { Vec::new() };
                    self.send(&frame::frame(kind, ACK, 0, &echo)).await;
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                _ => return Some(Received { kind, flags, payload }),
            }
        }
    }

    /// Until the server closes the connection; the bytes of data until then.
    async fn until_closed(&mut self) -> usize {
        let read = async {
            let mut bytes = 0;
            while let Some(frame) = self.next().await {
                bytes += if frame.kind == DATA { frame.payload.len() } else { 0 };
            }
            bytes
        };
        timeout(PATIENCE, read).await.expect("the connection stays open")
    }
}

fn limits() -> Limits {
    Limits { write: SOON, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_window_has_an_end() {
    let server = Server::start_with(vec![believable("main", 100, samples::at(1))], limits());
    // Nothing, a part, and what the whole connection has: in any case the answer is not taken.
    for window in [0, 20_000, 65_535] {
        let mut peer = Peer::connect(&server, window).await;
        peer.get("/metrics", 1).await;
        assert_eq!(peer.until_closed().await, window as usize);
    }
    let small = u32::try_from(server.get("/-/healthy").await.body.len()).unwrap();
    let mut peer = Peer::connect(&server, small - 1).await;
    peer.get("/-/healthy", 1).await;
    assert_eq!(peer.until_closed().await, small as usize - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fits_the_window_exactly_arrives() {
    let server = Server::start_with(vec![listed("main", vec![])], limits());
    let small = u32::try_from(server.get("/-/healthy").await.body.len()).unwrap();
    let mut peer = Peer::connect(&server, small).await;
    for stream in [1, 3, 5] {
        peer.get("/-/healthy", stream).await;
        let mut body = Vec::new();
        loop {
            let frame = timeout(PATIENCE, peer.next()).await.expect("no answer in time").expect("closed");
            body.extend(if frame.kind == DATA { frame.payload } else { Vec::new() });
            if frame.kind == DATA && frame.flags & END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(body, b"healthy\n");
    }
}

#[tokio::test]
async fn a_trickle_has_an_end() {
    let server = Server::start_with(
        vec![believable("main", 100, samples::at(1))],
        Limits { answer: SOON * 3, ..Limits::default() },
    );
    let mut peer = Peer::connect(&server, 1).await;
    peer.get("/metrics", 1).await;
    let trickle = async {
        while let Some(frame) = peer.next().await {
            if frame.kind == DATA {
                peer.send(&frame::frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
                tokio::time::sleep(SOON / 8).await;
            }
        }
    };
    timeout(PATIENCE, trickle).await.expect("the connection stays open");
}

#[tokio::test]
async fn idling_has_an_end_whatever_pings_say() {
    let server = Server::start_with(vec![listed("main", vec![])], Limits { idle: SOON * 3, ..limits() });
    let mut peer = Peer::connect(&server, 1000).await;
    peer.get("/-/healthy", 1).await;
    assert_eq!(peer.until_closed().await, "healthy\n".len());
}
