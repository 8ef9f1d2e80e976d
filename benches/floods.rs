//! Measures scrape latency while the API floods the exporter, compared with the same flood to another process.
//!
//! `cargo bench --bench floods [-- SECONDS]`. The attackers are processes at `nice 19`. In the column "dummy", a
//! process that reads and discards is flooded while the exporter is scraped; in "exporter" it is the same exporter,
//! whose four partners besides the normal one had no server to connect to before a reload.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "it measures, prints, waits, and may panic"
)]

#[path = "../tests/support/floods.rs"]
mod floods;
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use simulator::Settings;

use floods::Flood;
use support::{Exporter, Simulated, config, of, today};

const PARTNERS: usize = 4;
/// The time between two scrapes.
const PAUSE: Duration = Duration::from_millis(20);
/// The timeout of each flooded request.
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seconds = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["attacker", index] => return attack(Flood::ALL[index.parse::<usize>().unwrap()]),
        ["dummy", address] => return read_and_forget(address.parse().unwrap()),
        [seconds] => seconds.parse().unwrap(),
        _ => 10,
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("{} cores, load before: {}", std::thread::available_parallelism().unwrap(), load.trim());
    println!("flood             quiet p50     p99   dummy p50     p99   exporter p50     p99   p99 / dummy   failed");
    let simulator = Simulated::start(Settings::of_size(300, 3, today()));
    for (index, flood) in Flood::ALL.into_iter().enumerate() {
        let mut attacker = role(&["attacker", &index.to_string()], true);
        let mut line = String::new();
        BufReader::new(attacker.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address: SocketAddr = line.trim().parse().unwrap();
        let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let (exporter, folder) = start(&simulator, nowhere);
        let quiet = scrape(&exporter, seconds);
        let dummy = role(&["dummy", &address.to_string()], false);
        std::thread::sleep(Duration::from_secs(1));
        let beside = scrape(&exporter, seconds);
        drop(dummy);

        reload(&exporter, folder.path(), &yaml(&simulator, address));
        let flooded = scrape(&exporter, seconds);
        drop(attacker);
        println!(
            "{:16}{:8.1} ms{:6.1} ms{:9.1} ms{:6.1} ms{:12.1} ms{:6.1} ms{:13.2}{:9}",
            flood.name(),
            quiet.at(50),
            quiet.at(99),
            beside.at(50),
            beside.at(99),
            flooded.at(50),
            flooded.at(99),
            flooded.at(99) / beside.at(99),
            quiet.failed + beside.failed + flooded.failed,
        );
    }
}

/// This program in another role, killed on drop.
struct Role(Child);

fn role(arguments: &[&str], nice: bool) -> Role {
    let program = std::env::current_exe().unwrap();
    let mut command = if nice { Command::new("nice") } else { Command::new(&program) };
    if nice {
        command.args(["-n", "19"]).arg(&program);
    }
    Role(command.args(arguments).stdout(Stdio::piped()).spawn().unwrap())
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prints its address and floods until it is killed.
fn attack(flood: Flood) {
    println!("{}", floods::serve(flood));
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

/// Sends requests as often as the flooded partners do, reads until the same deadline and discards the data.
fn read_and_forget(address: SocketAddr) {
    std::thread::scope(|scope| {
        for _ in 0..PARTNERS {
            scope.spawn(|| {
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.write_all(b"GET /flood HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    let end = Instant::now() + TIMEOUT;
                    while Instant::now() < end && matches!(stream.read(&mut buffer), Ok(1..)) {}
                }
            });
        }
    });
}

fn yaml(simulator: &Simulated, flooded: SocketAddr) -> String {
    let budget = "budget: { requests_per_second: 200, burst: 100, concurrency: 8, timeout: 5s }";
    let partners = (0..PARTNERS)
        .map(|number| {
            format!(
                "  - name: flooded-{number}\n    api_url: http://{flooded}\n    token_url: http://{flooded}/connect/token\n    auth: {{ client_id: app-{number}, client_secret: secret }}\n    {budget}\n"
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let collectors = "collectors:\n  services: { interval: 10s, max_age: 10m }\n";
    format!("{}{partners}{collectors}", config(simulator, budget, ""))
}

/// An exporter that knows the honest partner's customers.
fn start(simulator: &Simulated, flooded: SocketAddr) -> (Exporter, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &yaml(simulator, flooded));
    exporter.wait_for("the honest partner's first pass", |samples| {
        of(samples, "avepoint_collector_targets")
            .filter(|(series, _)| series.contains("\"main\"") && series.contains("pending"))
            .all(|(_, pending)| pending == 0.0)
            && of(samples, "avepoint_tenant_info").count() > 50
    });
    (exporter, folder)
}

/// The same exporter with another configuration.
fn reload(exporter: &Exporter, folder: &Path, yaml: &str) {
    const RELOADED: &str = "avepoint_exporter_config_last_reload_success_timestamp_seconds";
    let before = of(&exporter.samples(), RELOADED).next().map(|(_, at)| at);
    std::fs::write(folder.join("config.yaml"), yaml).unwrap();
    let told = Command::new("kill").args(["-HUP", &exporter.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    exporter.wait_for("the reload", |samples| of(samples, RELOADED).next().map(|(_, at)| at) != before);
}

/// Milliseconds, sorted.
struct Times {
    sorted: Vec<f64>,
    failed: usize,
}

impl Times {
    fn at(&self, percent: usize) -> f64 {
        let index = (self.sorted.len() * percent / 100).min(self.sorted.len().saturating_sub(1));
        self.sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Scrapes on a new connection each time.
fn scrape(exporter: &Exporter, seconds: u64) -> Times {
    let address: SocketAddr = exporter.url["http://".len()..].parse().unwrap();
    let (end, mut times) = (Instant::now() + Duration::from_secs(seconds), Times { sorted: vec![], failed: 0 });
    while Instant::now() < end {
        let asked = Instant::now();
        let once = || -> std::io::Result<usize> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        };
        match once() {
            Ok(1..) => times.sorted.push(asked.elapsed().as_secs_f64() * 1000.0),
            _ => times.failed += 1,
        }
        std::thread::sleep(PAUSE);
    }
    times.sorted.sort_by(f64::total_cmp);
    times
}
