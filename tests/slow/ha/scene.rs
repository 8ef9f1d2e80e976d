//! Replicas of one exporter, each behind a tap to one simulated API whose numbers hold still; what they serve is compared
//! with what is true, all the time.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use simulator::Settings;

use super::tap::{Passed, Tap};
use crate::support::{Exporter, Samples, Simulated, expected, of, samples, today, value};

/// The interval of every collector, in seconds.
pub const INTERVAL: u64 = 4;
pub const PATIENCE: Duration = Duration::from_mins(2);
const TICK: Duration = Duration::from_millis(50);

/// The times of the election, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub lease_duration: u64,
    pub renew_deadline: u64,
    pub retry_period: u64,
}

pub const DEFAULTS: Times = Times { lease_duration: 35, renew_deadline: 30, retry_period: 5 };
pub const SHORT: Times = Times { lease_duration: 9, renew_deadline: 7, retry_period: 1 };
/// Azure storage has no shorter leases.
pub const AZURE: Times = Times { lease_duration: 15, renew_deadline: 12, retry_period: 1 };

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.lease_duration, self.renew_deadline, self.retry_period)
    }
}

pub struct Replica {
    pub exporter: Exporter,
    tap: Tap,
    /// While it is frozen or has ended, it is not asked.
    pub is_silent: bool,
    /// As last seen.
    pub seen: Samples,
}

pub struct Scene {
    simulator: Simulated,
    truth: BTreeMap<String, Vec<f64>>,
    folder: tempfile::TempDir,
    /// `ha.lease` as YAML, for a replica.
    lease: Box<dyn Fn() -> String + Send>,
    state: String,
    times: Times,
    pub replicas: Vec<Replica>,
    /// How often two replicas led at once.
    pub doubles: usize,
}

impl Scene {
    pub fn new(lease: impl Fn() -> String + Send + 'static, times: Times) -> Self {
        let mut settings = Settings::of_size(12, 7, today());
        settings.time_scale = 0;
        let simulator = Simulated::start(settings);
        let truth = simulator.with_dataset(Settings::CLIENT.0, |world| expected::api_series("main", world, 0)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let state = format!("{{ file: {}, interval: 50ms }}", folder.path().join("state").display());
        Self { simulator, truth, folder, lease: Box::new(lease), state, times, replicas: Vec::new(), doubles: 0 }
    }

    /// Keeps the state elsewhere.
    pub fn with_state(self, state: &str) -> Self {
        Self { state: state.to_owned(), ..self }
    }

    /// Starts another replica; returns its index.
    pub fn join(&mut self) -> usize {
        let index = self.replicas.len();
        let address = |url: String| url.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
        let tap = Tap::new(address(self.simulator.api_url()), Duration::ZERO);
        let folder = self.folder.path().join(index.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (client_id, secret) = Settings::CLIENT;
        let collectors = ["services", "tenant_seats", "customer_seats", "products_purchased", "products_available"];
        let collectors: String =
            collectors.map(|name| format!("  {name}: {{ interval: {INTERVAL}s, max_age: 10m }}\n")).concat();
        let Times { lease_duration, renew_deadline, retry_period } = self.times;
        let (address, token_url, lease) = (tap.address, self.simulator.token_url(), (self.lease)());
        let yaml = format!(
            "partners:\n  - name: main\n    api_url: http://{address}\n    token_url: {token_url}\n    auth: {{ client_id: {client_id}, client_secret: {secret} }}\n    budget: {{ requests_per_second: 200, burst: 100, concurrency: 4 }}\ncollectors:\n{collectors}state: {}\nha:\n  lease: {lease}\n  identity: replica-{index}\n  lease_duration: {lease_duration}s\n  renew_deadline: {renew_deadline}s\n  retry_period: {retry_period}s\n",
            self.state
        );
        let exporter = Exporter::with_config(&folder, &yaml);
        self.replicas.push(Replica { exporter, tap, is_silent: false, seen: Samples::new() });
        index
    }

    /// Two replicas, of which the first leads and has read everything.
    pub fn pair(mut self) -> Self {
        let first = self.join();
        self.until("the first leads", |scene| scene.leader() == Some(first) && scene.is_complete(first));
        let second = self.join();
        self.until("the second stands by", |scene| {
            let replica = &scene.replicas[second];
            // What was scraped last may be older than what is answered now.
            let has_seen_the_lease =
                lease_value(&replica.seen, "avepoint_exporter_lease_renew_timestamp_seconds") > Some(0.0);
            has_seen_the_lease && replica.exporter.get("/-/ready").1.contains("replica-0 leads")
        });
        self
    }

    /// Asks every replica once, and checks what it says.
    pub fn look(&mut self) {
        let mut leading = Vec::new();
        for index in 0..self.replicas.len() {
            let replica = &mut self.replicas[index];
            if replica.is_silent {
                continue;
            }
            let Some(text) = get(&replica.exporter.url, "/metrics") else { continue };
            replica.seen = samples(&text);
            for (series, values) in expected::served(&replica.seen, "main") {
                assert_eq!(self.truth.get(&series), Some(&values), "replica {index}: {series}");
            }
            if self.is_leading(index) {
                leading.push(index);
            }
        }
        // Replicas are asked one after the other, and the lease may have changed hands in between.
        if let [first, .., _] = leading[..] {
            let again = get(&self.replicas[first].exporter.url, "/metrics").map(|text| samples(&text));
            self.doubles += usize::from(again.is_some_and(|again| leads(&again)));
        }
    }

    /// Looks until a condition holds; returns how long it took.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            self.look();
            if condition(self) {
                return start.elapsed();
            }
            assert!(start.elapsed() <= PATIENCE, "never came: {what}\n{}", self.logs());
            std::thread::sleep(TICK);
        }
    }

    /// What the replicas have logged.
    pub fn logs(&mut self) -> String {
        let logs: Vec<_> = self.replicas.iter_mut().map(|replica| replica.exporter.log().to_owned()).collect();
        logs.join("\n---- next replica\n")
    }

    /// Waits until a replica has made a call.
    pub fn polls(&mut self, index: usize) {
        self.until("the new leader polls", |scene| !scene.calls(index).is_empty());
    }

    /// Looks for a while.
    pub fn during(&mut self, time: Duration) {
        let start = Instant::now();
        self.until("the time", |_| start.elapsed() >= time);
    }

    pub fn is_leading(&self, index: usize) -> bool {
        let replica = &self.replicas[index];
        !replica.is_silent && leads(&replica.seen)
    }

    pub fn leader(&self) -> Option<usize> {
        (0..self.replicas.len()).find(|&index| self.is_leading(index))
    }

    /// Whether it serves everything that is true.
    pub fn is_complete(&self, index: usize) -> bool {
        let seen = &self.replicas[index].seen;
        let pending = of(seen, "avepoint_collector_targets{").filter(|(series, _)| series.contains("pending"));
        expected::served(seen, "main") == self.truth && pending.map(|(_, targets)| targets).sum::<f64>() == 0.0
    }

    pub fn send(&mut self, index: usize, signal: &str) {
        let replica = &mut self.replicas[index];
        replica.is_silent = signal != "CONT";
        signal_process(replica.exporter.child.id(), signal);
    }

    /// Waits until a replica has ended; returns its exit code.
    pub fn ended(&mut self, index: usize) -> Option<i32> {
        self.replicas[index].is_silent = true;
        let mut status = None;
        self.until("the replica has ended", |scene| {
            status = scene.replicas[index].exporter.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// The calls of a replica so far.
    pub fn calls(&self, index: usize) -> Vec<Passed> {
        self.replicas[index].tap.passed()
    }

    /// All calls, and those that came earlier than an interval after the one before for the same thing.
    pub fn early(&self) -> (usize, usize) {
        let mut calls: Vec<_> = (0..self.replicas.len()).flat_map(|index| self.calls(index)).collect();
        calls.sort_by_key(|call| call.at);
        let (mut last, mut early) = (BTreeMap::new(), 0);
        for call in &calls {
            let before = last.insert(&call.request, call.at);
            early += usize::from(before.is_some_and(|before| call.at - before < Duration::from_secs(INTERVAL)));
        }
        (calls.len(), early)
    }

    /// How often the calls went from one replica to another.
    pub fn changes(&self) -> usize {
        let calls =
            (0..self.replicas.len()).flat_map(|index| self.calls(index).into_iter().map(move |call| (call.at, index)));
        let mut calls: Vec<_> = calls.collect();
        calls.sort();
        calls.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
    }
}

fn leads(seen: &Samples) -> bool {
    of(seen, "avepoint_exporter_leading{").any(|(_, leading)| leading == 1.0)
}

/// Whether a replica exports no partner's and no customer's series.
pub fn is_bare(seen: &Samples) -> bool {
    !seen.is_empty() && seen.keys().all(|series| !series.contains("partner=") && !series.contains("customer_id="))
}

/// A metric of the exporter without labels other than `lease`.
pub fn lease_value(seen: &Samples, name: &str) -> Option<f64> {
    value(seen, name).or_else(|| of(seen, &format!("{name}{{lease=")).map(|(_, value)| value).next())
}

pub fn signal_process(id: u32, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status().unwrap().success());
}

/// The body of a path; `None` if it does not answer soon.
fn get(url: &str, path: &str) -> Option<String> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
