//! Hostile clients, one kind after another, while a scraper must be served.
//!
//! During an attack, two normal scrapers run from the same address: one opens a new connection each time, and one keeps
//! its connection and, like Prometheus, retries once on a new one if the kept one was closed. Every scrape must be
//! answered completely within the default timeout of Prometheus; memory and open files have limits; and after the
//! attack everything is as before. The measurements are printed.
//!
//! `HOSTILE_SECONDS=30` for longer attacks, `HOSTILE_ONLY='silent
//! pings'` for a selection; use `--release` for measurements.

mod attacks;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use simulator::Settings;

use crate::support::{Exporter, Simulated, config, today};
use attacks::{ATTACKS, Tally, Target};

/// Prometheus' default `scrape_timeout`.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two scrapes of one scraper.
const PAUSE: Duration = Duration::from_millis(50);
/// The memory that all attacks may cost at most, in KiB above the peak without an attack. 128 KiB for each of the 512
/// connections: a head of 16 KiB, as much output, the exporter's own metrics of a scrape, timers; the limits allow
/// about half of it, and the allocator may use as much again. In addition 1.5 MiB for each of the 64 pages that are
/// being built or sent: 300 customers are 0.8 MB as JSON, in a buffer that doubles. Scrapes are not included: they
/// share their content, and generations share what they have in common.
const MEMORY: u64 = 512 * 128 + 64 * 1536;
/// The server's limit on connections, and a few for those that are being closed and for requests to the API.
const FILES: usize = 512 + 64;

/// All customers several times a minute, so that the exposition changes every second.
const COLLECTORS: &str = "collectors:\n  services: { interval: 10s, max_age: 10m }\n  tenant_seats: { interval: 10s, max_age: 10m }\n  customer_seats: { interval: 10s, max_age: 10m }\n  products_purchased: { interval: 10s, max_age: 10m }\n  products_available: { interval: 10s, max_age: 10m }\n";
const BUDGET: &str = "budget: { requests_per_second: 60, burst: 60, concurrency: 8 }";

#[test]
fn hostile_peers_do_no_harm() {
    let most = open_files_limit();
    let simulator = Simulated::start(Settings { time_scale: 3600, ..Settings::of_size(300, 3, today()) });
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    exporter.wait_for("the first pass", |samples| {
        crate::support::of(samples, "avepoint_collector_targets")
            .all(|(s, count)| !s.contains("pending") || count == 0.0)
            && crate::support::of(samples, "avepoint_tenant_info").count() > 200
    });
    let watched = Watched { pid: exporter.child.id(), address: exporter.url["http://".len()..].parse().unwrap() };
    let seconds: u64 = std::env::var("HOSTILE_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let only = std::env::var("HOSTILE_ONLY").unwrap_or_default();

    let quiet = watched.during(Duration::from_secs(seconds));
    let files = watched.files();
    println!("{}", Measured::HEAD);
    println!("{}", quiet.row("(quiet)", &Tally::default()));
    let mut broken = quiet.broken("(quiet)", u64::MAX);
    let mut total = 0;
    for (name, attack) in ATTACKS.iter().filter(|(name, _)| only.split('|').any(|part| name.contains(part))) {
        let tally = Arc::new(Tally::default());
        let target = Target { address: watched.address, most, tally: Arc::clone(&tally) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let running = runtime.block_on(async { attack(&target) });
        let measured = watched.during(Duration::from_secs(seconds));
        drop(running);
        runtime.shutdown_timeout(Duration::from_secs(1));
        println!("{}", measured.row(name, &tally));
        total += tally.connections.load(Ordering::Relaxed);
        broken.extend(measured.broken(name, quiet.peak));
        broken.extend(watched.is_quiet_again(name, files));
    }
    println!("{total} hostile connections");
    let after = watched.during(Duration::from_secs(seconds));
    println!("{}", after.row("(quiet again)", &Tally::default()));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(exporter.get("/-/healthy").0, 200);
}

/// An exporter with a limit of 64 open files, and 100 silent clients: a scraper is always answered, and the limit is
/// never reached.
#[test]
fn silent_peers_keep_no_scraper_out_of_an_exporter_with_few_open_files() {
    let binary = env!("CARGO_BIN_EXE_avepoint_exporter");
    let simulator = Simulated::start(Settings::of_size(20, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config(&simulator, "", "")).unwrap();
    let mut exporter = Exporter::spawn(Command::new("prlimit").args([
        "--nofile=64:64",
        binary,
        "--config.file",
        file.to_str().unwrap(),
        "--web.listen-address=127.0.0.1:0",
    ]));
    exporter.wait_for_logged("the limit of 64 open files leaves room for");
    let watched = Watched { pid: exporter.child.id(), address: exporter.url["http://".len()..].parse().unwrap() };
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(watched.address).unwrap()).collect();
    for _ in 0..20 {
        let mut stream = TcpStream::connect_timeout(&watched.address, TIMEOUT).unwrap();
        let response = ask(&mut stream, false, false, Instant::now() + TIMEOUT).expect("a scrape fails");
        assert!(response.expect("closed without an answer").starts_with(b"HTTP/1.1 200"));
        assert!(watched.files() < 64, "{} open files", watched.files());
    }
    drop(silent);
    assert!(!exporter.log().contains("cannot accept connections"), "{}", exporter.log());
}

/// Raises the limit on open files of this process; what other things need is subtracted.
fn open_files_limit() -> usize {
    let limits = || std::fs::read_to_string("/proc/self/limits").unwrap();
    let numbers = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<usize>>()
    };
    let hard = numbers(&limits())[1];
    let _ =
        Command::new("prlimit").arg(format!("--pid={}", std::process::id())).arg(format!("--nofile={hard}")).status();
    numbers(&limits())[0].saturating_sub(200).min(10_000)
}

/// The exporter, observed from outside.
struct Watched {
    pid: u32,
    address: SocketAddr,
}

/// The results of the scrapers, and the resources that the exporter used.
struct Measured {
    times: Vec<Duration>,
    failures: Vec<String>,
    memory: u64,
    peak: u64,
    files: usize,
    threads: u64,
}

impl Watched {
    /// Scrapes for this long.
    fn during(&self, length: Duration) -> Measured {
        let done = Arc::new(AtomicBool::new(false));
        let scrapers = [false, true].map(|keeps| scraper(self.address, keeps, Arc::clone(&done)));
        let start = Instant::now();
        let mut seen = Measured { times: vec![], failures: vec![], memory: 0, peak: 0, files: 0, threads: 0 };
        while start.elapsed() < length {
            seen.files = seen.files.max(self.files());
            seen.memory = seen.memory.max(self.status("VmRSS:"));
            seen.threads = seen.threads.max(self.status("Threads:"));
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        for scraper in scrapers {
            for scrape in scraper.join().unwrap() {
                match scrape {
                    Ok(took) => seen.times.push(took),
                    Err(failure) => seen.failures.push(failure),
                }
            }
        }
        seen.times.sort_unstable();
        seen.peak = self.status("VmHWM:");
        seen
    }

    fn status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the exporter has ended");
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("the exporter has ended").count()
    }

    /// Whether the open files are as before, except those for requests to the API.
    fn is_quiet_again(&self, name: &str, files: usize) -> Option<String> {
        let end = Instant::now() + crate::support::PATIENCE;
        while self.files() > files + 8 {
            if Instant::now() > end {
                return Some(format!(
                    "{name}: {} open files remain of an attack, {files} were open before",
                    self.files()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Measured {
    const HEAD: &str = "attack                          connections  requests  scrapes   median    worst  failed    RSS   peak files threads";

    fn row(&self, name: &str, tally: &Tally) -> String {
        let millis = |took: Option<&Duration>| took.map_or(f64::NAN, Duration::as_secs_f64) * 1000.0;
        format!(
            "{name:32}{:11}{:10}{:9}{:6.1} ms{:6.0} ms{:8}{:7}{:7}{:6}{:8}",
            tally.connections.load(Ordering::Relaxed),
            tally.requests.load(Ordering::Relaxed),
            self.times.len(),
            millis(self.times.get(self.times.len() / 2)),
            millis(self.times.last()),
            self.failures.len(),
            self.memory / 1024,
            self.peak / 1024,
            self.files,
            self.threads,
        )
    }

    fn broken(&self, name: &str, quiet_peak: u64) -> Vec<String> {
        let mut broken = Vec::new();
        if let Some(first) = self.failures.first() {
            broken.push(format!("{name}: {} scrapes failed, the first: {first}", self.failures.len()));
        }
        if self.times.len() < 2 {
            broken.push(format!("{name}: {} scrapes were answered", self.times.len()));
        }
        if self.memory > quiet_peak.saturating_add(MEMORY) {
            broken.push(format!("{name}: {} KiB of memory, {quiet_peak} when all was quiet", self.memory));
        }
        if self.files > FILES {
            broken.push(format!("{name}: {} open files", self.files));
        }
        broken
    }
}

/// Its own thread, so that an attack within this process does not delay it. It scrapes until it is stopped, at least
/// once, alternating between text and compressed.
fn scraper(address: SocketAddr, keeps: bool, done: Arc<AtomicBool>) -> JoinHandle<Vec<Result<Duration, String>>> {
    std::thread::spawn(move || {
        let (mut scrapes, mut kept) = (Vec::new(), None);
        loop {
            let gzip = scrapes.len() % 2 == 1;
            let start = Instant::now();
            let outcome = scrape(address, keeps, gzip, &mut kept).map(|()| start.elapsed());
            scrapes.push(outcome.map_err(|error| format!("{error} after {:?}", start.elapsed())));
            if done.load(Ordering::Relaxed) {
                return scrapes;
            }
            std::thread::sleep(PAUSE);
        }
    })
}

fn scrape(address: SocketAddr, keeps: bool, gzip: bool, kept: &mut Option<TcpStream>) -> Result<(), String> {
    let end = Instant::now() + TIMEOUT;
    if let Some(mut stream) = kept.take()
        && let Some(response) = ask(&mut stream, true, gzip, end)?
    {
        *kept = Some(stream);
        return check(&response, gzip);
    }
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| format!("connecting: {error}"))?;
    let response = ask(&mut stream, keeps, gzip, end)?.ok_or("closed without an answer")?;
    *kept = keeps.then_some(stream);
    check(&response, gzip)
}

/// A response with its head; `None` if the connection was closed before the first byte.
fn ask(stream: &mut TcpStream, keeps: bool, gzip: bool, end: Instant) -> Result<Option<Vec<u8>>, String> {
    let connection = if keeps { "keep-alive" } else { "close" };
    let encoding = if gzip { "gzip" } else { "identity" };
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    );
    if stream.write_all(request.as_bytes()).is_err() {
        return Ok(None);
    }
    let (mut response, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) if response.is_empty() => return Ok(None),
            Err(error) if response.is_empty() && error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Ok(0) => return Err(format!("closed after {} bytes", response.len())),
            Ok(read) => response.extend(&piece[..read]),
            Err(error) => return Err(format!("{error} after {} bytes", response.len())),
        }
        if is_whole(&response) {
            return Ok(Some(response));
        }
        if Instant::now() > end {
            return Err(format!("too late, after {} bytes", response.len()));
        }
    }
}

/// The head and the body of a response, once the head is complete.
fn parts(response: &[u8]) -> Option<(&str, &[u8])> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&response[..end]).ok()?, &response[end + 4..]))
}

fn is_whole(response: &[u8]) -> bool {
    parts(response).is_some_and(|(head, body)| {
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        length.is_none_or(|length: usize| body.len() >= length)
    })
}

fn check(response: &[u8], gzip: bool) -> Result<(), String> {
    let (head, body) = parts(response).ok_or("no head")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head.lines().next().unwrap_or_default().to_owned());
    }
    let mut text = String::new();
    let read = if gzip {
        flate2::read::GzDecoder::new(body).read_to_string(&mut text)
    } else {
        (&*body).read_to_string(&mut text)
    };
    read.map_err(|error| format!("the body: {error}"))?;
    let customers = text.lines().filter(|line| line.starts_with("avepoint_customer_info{")).count();
    // Parse the whole scrape only sometimes, because that takes longer than the scrape.
    if fastrand::u8(..8) == 0 {
        crate::support::samples(&text);
    }
    if customers == 300 { Ok(()) } else { Err(format!("{customers} customers")) }
}
