//! A TCP forwarder that notes the requests that pass it, and can be slow.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request: when it passed, its method and its path.
#[derive(Clone, Debug)]
pub struct Passed {
    pub at: Instant,
    pub request: String,
}

/// It runs as long as the test.
#[derive(Clone)]
pub struct Tap {
    pub address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Tap {
    /// Forwards to an address; each piece of a request waits for `delay`.
    pub fn new(to: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let passed = Arc::<Mutex<Vec<Passed>>>::default();
        let noting = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                let (answers, asks) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let noting = Arc::clone(&noting);
                std::thread::spawn(move || {
                    forward(asks, server, |bytes| {
                        std::thread::sleep(delay);
                        let head = String::from_utf8_lossy(bytes);
                        let line = head.lines().next().unwrap_or_default();
                        if let Some(request) = line.strip_suffix(" HTTP/1.1") {
                            noting.lock().unwrap().push(Passed { at: Instant::now(), request: request.to_owned() });
                        }
                    });
                });
                std::thread::spawn(move || forward(answers, client, |_| ()));
            }
        });
        Self { address, passed }
    }

    /// The requests so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
