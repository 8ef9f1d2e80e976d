//! The server as its clients meet it: real sockets on a free port, inventories made by hand.

mod pages;
mod rules;

pub(super) mod samples;
mod server;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exporter_toolkit::{Limits, Options, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::metrics;

/// Far more than any of this takes; a test that waits that long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server and the inventories that it serves.
struct Server {
    address: SocketAddr,
    inventories: Arc<Mutex<Vec<Inventory>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(inventories: Vec<Inventory>) -> Self {
        Self::start_with(inventories, Limits::default())
    }

    fn start_with(inventories: Vec<Inventory>, limits: Limits) -> Self {
        let snapshots = SnapshotHandle::new();
        snapshots.publish(metrics::render(&inventories, false, samples::at(1)));
        let inventories = Arc::new(Mutex::new(inventories));
        let router = router(app_state(snapshots, Arc::clone(&inventories))).unwrap();
        let listener = bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            let options = Options { limits, ..Options::new(Access::load(None).unwrap()) };
            serve(vec![listener], router, options, shutdown).await
        });
        Self { address, inventories, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request on a connection of its own and reads the answer to its end.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect().await;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// Begins to ask, beside whatever else is asked.
    fn ask_later(&self, path: String) -> JoinHandle<Answer> {
        let address = self.address;
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            Answer::read(&mut stream).await
        })
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }
}

fn app_state(exposition: SnapshotHandle, inventories: Arc<Mutex<Vec<Inventory>>>) -> AppState {
    let known = Arc::clone(&inventories);
    let clock = Clock::starting_at(samples::at(1));
    AppState {
        exposition,
        self_metrics: Arc::new(Vec::new),
        inventories: Arc::new(move || inventories.lock().unwrap().clone()),
        config_yaml: Arc::new(|| "partners:\n- name: main\n  auth: {client_secret: <secret>}\n".to_owned()),
        readiness: Arc::new(move || readiness::readiness(&known.lock().unwrap(), clock.now())),
        health: Arc::new(|| Ok(())),
        role: Arc::new(Role::default),
        clock,
        ready_latch: ReadyLatch::default(),
        telemetry_path: "/metrics".to_owned(),
        external_url: ExternalUrl::default(),
        simulated: false,
        reload: None,
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("no answer in time").unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[tokio::test]
async fn what_stands_still_is_named() {
    let stalled = "rendering has stood still since 2026-11-29T12:00:00Z\n";
    for (health, status, body) in [(Ok(()), 200, "healthy\n"), (Err(stalled.to_owned()), 503, stalled)] {
        let state =
            AppState { health: Arc::new(move || health.clone()), ..app_state(SnapshotHandle::new(), Arc::default()) };
        let listener = bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (access, router) = (Access::load(None).unwrap(), router(state).unwrap());
        tokio::spawn(async move { serve(vec![listener], router, Options::new(access), std::future::pending()).await });
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let response = Answer::read(&mut stream).await;
        assert_eq!((response.status, response.body), (status, body.as_bytes().to_vec()));
    }
}
