//! A flooding API: it grants tokens and answers every other request with more than a client can read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The response to every request except token requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Endless `100 Continue` and `103 Early Hints`.
    Informational,
    /// A body of 16 MiB in chunks of one byte.
    TinyChunks,
    /// A body of 16 MiB: a service list with as many rows and values as fit, then spaces.
    LargeBodies,
    /// The same as gzip.
    LargeGzip,
}

impl Flood {
    pub const ALL: [Self; 4] = [Self::Informational, Self::TinyChunks, Self::LargeBodies, Self::LargeGzip];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Informational => "endless 1xx",
            Self::TinyChunks => "one-byte chunks",
            Self::LargeBodies => "16 MiB bodies",
            Self::LargeGzip => "16 MiB of gzip",
        }
    }
}

const TOKEN: &str = r#"{"access_token": "token", "expires_in": 3600, "token_type": "Bearer"}"#;
const LIMIT: usize = 16 << 20;

/// Floods every connection, with one thread each, until the process ends.
pub fn serve(flood: Flood) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body: &'static [u8] = Vec::leak(match flood {
        Flood::Informational => Vec::new(),
        Flood::TinyChunks => b"1\r\n \r\n".repeat(64 * 1024),
        Flood::LargeBodies => large(),
        Flood::LargeGzip => gzip(&large()),
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || connection(&stream, flood, body));
        }
    });
    address
}

fn connection(mut stream: &TcpStream, flood: Flood, body: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if lines.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            match line.trim().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        lines.read_exact(&mut vec![0; length])?;
        if first.contains("/connect/token") {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{TOKEN}", TOKEN.len())?;
            continue;
        }
        let head = |line: &str| format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n");
        match flood {
            Flood::Informational => {
                let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(500);
                loop {
                    stream.write_all(hints.as_bytes())?;
                }
            }
            Flood::TinyChunks => {
                stream.write_all(head("transfer-encoding: chunked").as_bytes())?;
                for _ in 0..LIMIT / (64 * 1024) {
                    stream.write_all(body)?;
                }
                stream.write_all(b"0\r\n\r\n")?;
            }
            Flood::LargeBodies => {
                stream.write_all(head(&format!("content-length: {}", body.len())).as_bytes())?;
                stream.write_all(body)?;
            }
            Flood::LargeGzip => {
                let lines = format!("content-encoding: gzip\r\ncontent-length: {}", body.len());
                stream.write_all(head(&lines).as_bytes())?;
                stream.write_all(body)?;
            }
        }
    }
}

/// A page of the service list with 390,000 values, padded with spaces.
fn large() -> Vec<u8> {
    let product = r#"{"service":"S","change":1,"expirationDate":"2030-01-01","purchasedUserSeats":7},"#;
    let products = product.repeat(900);
    let row = |id| format!(r#"{{"customerId":"flood-{id}","products":[{}]}}"#, products.trim_end_matches(','));
    let rows = (0..100).map(row).collect::<Vec<_>>().join(",");
    let mut body = format!(r#"{{"data":[{rows}],"metadata":{{"totalCount":100}}}}"#).into_bytes();
    assert!(body.len() < LIMIT);
    body.resize(LIMIT, b' ');
    body
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
