//! The attacks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The result of an attack.
#[derive(Default)]
pub struct Tally {
    pub connections: AtomicU64,
    pub requests: AtomicU64,
}

/// The target, and the maximum number of connections.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub most: usize,
    pub tally: Arc<Tally>,
}

/// Runs until the returned value is dropped.
pub type Attack = fn(&Target) -> JoinSet<()>;

pub const ATTACKS: &[(&str, Attack)] = &[
    ("silent", silent),
    ("idle after a request", idle),
    ("reads nothing", |target| slow_readers(target, "/metrics", 0)),
    ("reads a little", |target| slow_readers(target, "/metrics", 1)),
    ("does not read pages", |target| slow_readers(target, "/api/v1/customers?per_page=1000", 0)),
    ("sends a byte a second", slow_senders),
    ("huge heads", huge_heads),
    ("pipelining", pipelining),
    ("bodies without an end", bodies),
    ("nonsense", nonsense),
    ("half-closed", half_closed),
    ("reconnect storm", storm),
    ("other methods", methods),
    ("expensive pages", pages),
    ("compressed scrapes", |target| scrapes(target, "Accept-Encoding: gzip\r\n")),
    ("plain scrapes", |target| scrapes(target, "")),
    ("HTTP/2 settings", http2_settings),
    ("WebSocket upgrades", upgrades),
];

impl Target {
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        self.tally.connections.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }

    pub fn asked(&self, requests: u64) {
        self.tally.requests.fetch_add(requests, Ordering::Relaxed);
    }
}

/// This many clients that each repeat an action after a pause, however it ends.
fn peers<A, F>(target: &Target, count: usize, pause: Duration, attack: A) -> JoinSet<()>
where
    A: Fn(Target) -> F + Copy + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let target = target.clone();
        tasks.spawn(async move {
            loop {
                let _ = attack(target.clone()).await;
                sleep(pause).await;
            }
        });
    }
    tasks
}

const SECOND: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::from_millis(1);

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// Reads and discards until the server closes.
async fn swallow(mut reader: impl AsyncReadExt + Unpin) -> io::Result<()> {
    let mut piece = vec![0; 1 << 14];
    while reader.read(&mut piece).await? > 0 {}
    Ok(())
}

/// Reads one response of a connection that stays open.
async fn read_response(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.clear();
    while !super::is_whole(bytes) {
        if stream.read_buf(bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn silent(target: &Target) -> JoinSet<()> {
    peers(target, target.most, SECOND, async |target| swallow(target.connect().await?).await)
}

fn idle(target: &Target) -> JoinSet<()> {
    peers(target, target.most, SECOND, async |target| {
        let mut stream = target.connect().await?;
        stream.write_all(request("GET", "/-/healthy", "").as_bytes()).await?;
        target.asked(1);
        swallow(stream).await
    })
}

/// Clients that request far more than the sockets buffer, and read this many bytes of it ten times per second.
fn slow_readers(target: &Target, path: &'static str, bytes: usize) -> JoinSet<()> {
    peers(target, 2000, SECOND, move |target: Target| async move {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        let mut stream = socket.connect(target.address).await?;
        target.tally.connections.fetch_add(1, Ordering::Relaxed);
        stream.write_all(request("GET", path, "").repeat(64).as_bytes()).await?;
        target.asked(64);
        let mut piece = vec![0; bytes];
        loop {
            sleep(SECOND / 10).await;
            if bytes > 0 {
                stream.read_exact(&mut piece).await?;
            } else {
                // Fails once the server has reset the connection.
                stream.write_all(b"\r\n").await?;
            }
        }
    })
}

fn slow_senders(target: &Target) -> JoinSet<()> {
    peers(target, 2000, SECOND, async |target| {
        let mut stream = target.connect().await?;
        for byte in request("GET", "/metrics", "X: ").bytes().chain(std::iter::repeat(b'x')) {
            stream.write_all(&[byte]).await?;
            sleep(SECOND).await;
        }
        Ok(())
    })
}

fn huge_heads(target: &Target) -> JoinSet<()> {
    peers(target, 64, AT_ONCE, async |target| {
        let huge = format!("X: {}\r\n", "x".repeat(1 << 20));
        let many = "X: x\r\n".repeat(10_000);
        for headers in [huge, many] {
            let mut stream = target.connect().await?;
            target.asked(1);
            let (reader, mut writer) = stream.split();
            let head = request("GET", "/metrics", &headers);
            let _ = tokio::join!(writer.write_all(head.as_bytes()), swallow(reader));
        }
        Ok(())
    })
}

fn pipelining(target: &Target) -> JoinSet<()> {
    peers(target, 32, AT_ONCE, async |target| {
        let mut stream = target.connect().await?;
        let requests =
            [request("GET", "/-/healthy", ""), request("GET", "/nowhere", ""), request("HEAD", "/metrics", "")];
        let requests = requests.concat().repeat(1000);
        target.asked(3000);
        let (reader, mut writer) = stream.split();
        let _ = tokio::join!(writer.write_all(requests.as_bytes()), swallow(reader));
        Ok(())
    })
}

fn bodies(target: &Target) -> JoinSet<()> {
    peers(target, 64, AT_ONCE, async |target| {
        let sized = ["GET", "POST"].map(|method| request(method, "/metrics", "Content-Length: 10000000000\r\n"));
        let chunked = ["GET", "POST"].map(|method| request(method, "/metrics", "Transfer-Encoding: chunked\r\n"));
        let cases = sized.map(|head| (head, vec![b'x'; 1 << 16])).into_iter();
        let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 1 << 16], b"\r\n".to_vec()].concat();
        for (head, piece) in cases.chain(chunked.map(|head| (head, chunk.clone()))) {
            let mut stream = target.connect().await?;
            target.asked(1);
            stream.write_all(head.as_bytes()).await?;
            let (reader, mut writer) = stream.split();
            let endless = async { while writer.write_all(&piece).await.is_ok() {} };
            let _ = tokio::join!(endless, swallow(reader));
        }
        Ok(())
    })
}

fn nonsense(target: &Target) -> JoinSet<()> {
    peers(target, 32, AT_ONCE, async |target| {
        let long = format!("/{}", "x".repeat(15_000));
        let segments = format!("/customers/{}", "a/".repeat(5000));
        let encoded = format!("/customers/main/{}", "%ff%00%2e%2e%2f".repeat(500));
        let paths = [
            "/../../../etc/passwd",
            "/..%2f..%2fetc/passwd",
            "/customers/../../x",
            "//metrics",
            "/%",
            "/%zz",
            "/\0",
            "/é",
            "/\u{7f}",
            "*",
            "http://elsewhere/metrics",
            "elsewhere:443",
            "",
            "metrics",
            "/?q=%ff",
            "/?page=99999999999999999999",
            "/?q=<script>",
            "/customers/main/%00",
            "/metrics?collect[]=x",
            &long,
            &segments,
            &encoded,
        ];
        let lines = paths.map(|path| request("GET", path, ""));
        let others = [
            "CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "GET / HTTP/0.9\r\n\r\n",
            "GET /\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "G\0T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /",
            "GET / HTTP/1.1\r\nHost: localhost\r\n folded: line\r\n\r\n",
            "GET / HTTP/1.1\r\nA\0B: x\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense of some length, which is no frame at all\r\n",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
            "\r\n\r\n\r\n\r\n",
            "\0\0\0\0\0\0\0\0",
        ];
        for bytes in lines.iter().map(String::as_str).chain(others) {
            let mut stream = target.connect().await?;
            target.asked(1);
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = swallow(stream).await;
        }
        Ok(())
    })
}

fn half_closed(target: &Target) -> JoinSet<()> {
    peers(target, 2000, SECOND, async |target| {
        let mut stream = target.connect().await?;
        stream.write_all(request("GET", "/metrics", "").as_bytes()).await?;
        target.asked(1);
        stream.shutdown().await?;
        // Open, and not read.
        sleep(SECOND * 60).await;
        Ok(())
    })
}

fn storm(target: &Target) -> JoinSet<()> {
    peers(target, 64, Duration::ZERO, async |target| {
        let mut stream = target.connect().await?;
        if fastrand::bool() {
            stream.write_all(request("GET", "/metrics", "").as_bytes()).await?;
            target.asked(1);
        }
        // Closed with a reset, which is faster.
        stream.set_zero_linger()
    })
}

fn methods(target: &Target) -> JoinSet<()> {
    peers(target, 64, AT_ONCE, async |target| {
        let mut stream = target.connect().await?;
        for method in ["HEAD", "POST", "PUT", "DELETE", "TRACE", "PATCH", "PROPFIND", "OPTIONS"].repeat(50) {
            for path in ["/metrics", "/", "/-/reload"] {
                stream.write_all(request(method, path, "").as_bytes()).await?;
                target.asked(1);
                // HEAD has a length and no body: read whatever arrives.
                stream.readable().await?;
                let mut piece = vec![0; 1 << 14];
                if stream.read(&mut piece).await? == 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// Clients that send and read as fast as they can.
fn flood(target: &Target, count: usize, requests: fn() -> Vec<String>) -> JoinSet<()> {
    peers(target, count, AT_ONCE, move |target: Target| async move {
        let (mut stream, mut bytes) = (target.connect().await?, Vec::new());
        loop {
            for request in requests() {
                stream.write_all(request.as_bytes()).await?;
                target.asked(1);
                read_response(&mut stream, &mut bytes).await?;
            }
        }
    })
}

fn pages(target: &Target) -> JoinSet<()> {
    flood(target, 400, || {
        let paths = [
            "/?q=a",
            "/?q=zzzz",
            "/?state=exhausted",
            "/api/v1/customers",
            "/api/v1/customers?q=o",
            "/-/ready",
            "/api/v1/status",
        ];
        paths.map(|path| request("GET", path, "")).into()
    })
}

fn scrapes(target: &Target, headers: &'static str) -> JoinSet<()> {
    let asked = if headers.is_empty() { plain } else { compressed };
    flood(target, 200, asked)
}

fn plain() -> Vec<String> {
    vec![request("GET", "/metrics", "")]
}

fn compressed() -> Vec<String> {
    vec![request("GET", "/metrics", "Accept-Encoding: gzip\r\n")]
}

/// Clients that speak HTTP/2 from the first byte on, and require an acknowledgement of each of their settings.
fn http2_settings(target: &Target) -> JoinSet<()> {
    peers(target, 300, AT_ONCE, async |target| {
        // An empty SETTINGS frame (type 4) on the stream of the connection.
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let mut stream = target.connect().await?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        let (reader, mut writer) = stream.split();
        let endless = async { while writer.write_all(&SETTINGS.repeat(1000)).await.is_ok() {} };
        let _ = tokio::join!(endless, swallow(reader));
        Ok(())
    })
}

/// Clients that request other protocols, and send invalid data after the response.
fn upgrades(target: &Target) -> JoinSet<()> {
    peers(target, 300, AT_ONCE, async |target| {
        let mut stream = target.connect().await?;
        for protocol in ["websocket", "h2c", "TLS/1.3"] {
            let headers = format!("Connection: upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n");
            stream.write_all(request("GET", "/metrics", &headers).as_bytes()).await?;
            target.asked(1);
        }
        let (reader, mut writer) = stream.split();
        let endless = async { while writer.write_all(&[0x81; 1 << 12]).await.is_ok() {} };
        let _ = tokio::join!(endless, swallow(reader));
        Ok(())
    })
}
