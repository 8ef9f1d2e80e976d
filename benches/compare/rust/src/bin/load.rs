//! The load generator that scrapes every candidate in the same way.
//!
//! `load ADDRESS PATH gzip
//! identity keep
//! new SCRAPERS SECONDS MOST`: runs this many scrapers at once. Each sends its next request when the response is
//! complete, until the time is over or it has done `MOST` scrapes; at least one each. A scrape is measured from before
//! its request is written (with `new`: before its connection is opened) until the last byte of the body was read.
//! Bodies are neither decompressed nor parsed. Prints the size of a body in bytes and the duration of every scrape in
//! nanoseconds.

use std::env;
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const BUFFER: usize = 256 << 10;
/// Timeout between two bytes of a scrape.
const PATIENCE: Duration = Duration::from_mins(2);

struct Load {
    address: SocketAddr,
    request: String,
    gzip: bool,
    fresh: bool,
    time: Duration,
    most: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [address, path, encoding, connection, scrapers, seconds, most] = arguments.as_slice() else {
        return Err("usage: load ADDRESS PATH gzip|identity keep|new SCRAPERS SECONDS MOST".into());
    };
    let fresh = connection == "new";
    let closing = if fresh { "Connection: close\r\n" } else { "" };
    let load = Arc::new(Load {
        address: address.parse()?,
        request: format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/plain;version=0.0.4\r\n\
             Accept-Encoding: {encoding}\r\n{closing}\r\n"
        ),
        gzip: encoding == "gzip",
        fresh,
        time: Duration::from_secs_f64(seconds.parse()?),
        most: most.parse()?,
    });
    let scrapers: usize = scrapers.parse()?;
    let start = Arc::new(Barrier::new(scrapers));
    let threads: Vec<_> = (0..scrapers)
        .map(|_| {
            let (load, start) = (load.clone(), start.clone());
            thread::spawn(move || scrape(&load, &start))
        })
        .collect();
    let (mut bytes, mut times) = (0, Vec::new());
    for thread in threads {
        let (body, each) = thread.join().map_err(|_| "a scraper panicked")??;
        bytes = body;
        times.extend(each.iter().map(|time| time.as_nanos().to_string()));
    }
    println!("{bytes}\n{}", times.join(" "));
    Ok(())
}

/// The size of the last body and the duration of each scrape.
fn scrape(load: &Load, start: &Barrier) -> io::Result<(usize, Vec<Duration>)> {
    let mut buffer = vec![0; BUFFER];
    let mut times = Vec::new();
    let mut bytes = 0;
    // A scraper that fails to connect must not block the others at the barrier.
    let opened = if load.fresh { None } else { Some(connect(load)) };
    start.wait();
    let mut kept = opened.transpose()?;
    let end = Instant::now() + load.time;
    while times.is_empty() || (times.len() < load.most && Instant::now() < end) {
        let before = Instant::now();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => connect(load)?,
        };
        connection.write_all(load.request.as_bytes())?;
        bytes = read_response(&mut connection, &mut buffer, load.gzip)?;
        times.push(before.elapsed());
        if !load.fresh {
            kept = Some(connection);
        }
    }
    Ok((bytes, times))
}

fn connect(load: &Load) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(load.address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// Reads one response to its end; returns the size of its body.
fn read_response(connection: &mut TcpStream, buffer: &mut [u8], gzip: bool) -> io::Result<usize> {
    let mut filled = 0;
    let body = loop {
        filled += read(connection, &mut buffer[filled..])?;
        if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..body]).to_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if head.split(' ').nth(1) != Some("200") || (header("content-encoding:") == Some("gzip")) != gzip {
        return Err(io::Error::other(format!("unexpected answer: {head}")));
    }
    let mut bytes = filled - body;
    if let Some(length) = header("content-length:") {
        let length = length.parse().map_err(io::Error::other)?;
        while bytes < length {
            bytes += read(connection, buffer)?;
        }
        return if bytes == length { Ok(bytes) } else { Err(io::Error::other("more than was announced")) };
    }
    let mut chunks = Chunks::default();
    let mut part = &buffer[body..filled];
    while !chunks.take(part)? {
        let count = read(connection, buffer)?;
        part = &buffer[..count];
    }
    Ok(chunks.bytes)
}

fn read(connection: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match connection.read(buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}

/// The position in a chunked body.
#[derive(Default)]
struct Chunks {
    /// Remaining bytes of the current chunk, including its line break.
    left: usize,
    /// The size line so far.
    size: Vec<u8>,
    last: bool,
    bytes: usize,
}

impl Chunks {
    /// Whether this part ends the body.
    fn take(&mut self, mut part: &[u8]) -> io::Result<bool> {
        while let Some((&first, rest)) = part.split_first() {
            if self.left > 0 {
                let count = self.left.min(part.len());
                self.left -= count;
                part = &part[count..];
                if self.left == 0 && self.last {
                    return Ok(true);
                }
                continue;
            }
            part = rest;
            if first != b'\n' {
                self.size.push(first);
                continue;
            }
            let line = String::from_utf8_lossy(&self.size);
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            self.size.clear();
            self.last = size == 0;
            self.bytes += size;
            self.left = size + 2;
        }
        Ok(false)
    }
}
