//! The start of a row: the simulated data set and its changes, the configuration, and a simple scraper.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use elements::types::Collector;
use simulator::{Dataset, Generator, Scenario, SeatTrend, Settings, SimCustomer, Simulator};

use super::door::{Authority, Door};
use super::rows::{Lasts, Row};
use super::scene::{INTERVAL, LONG_AGE, SHORT_AGE, TICK, TIMEOUT};
use super::truth::{History, move_on};
use crate::support::today;

/// The customers of every data set: the special cases.
const CASES: [Scenario; 13] = [
    Scenario::Healthy,
    Scenario::Pooled,
    Scenario::Exhausted,
    Scenario::Renewed,
    Scenario::Capacity95,
    Scenario::Unlimited,
    Scenario::NoProducts,
    Scenario::EqualRows,
    Scenario::NotApplicable,
    Scenario::Unknown,
    Scenario::Google,
    Scenario::Salesforce,
    Scenario::Iaas,
];

/// The customer at an index of the data set.
pub fn customer(place: usize) -> SimCustomer {
    let index = CASES[place].index();
    Generator::new(7, 24, today()).customer(u32::try_from(index).unwrap())
}

/// The customer that joins during a fault.
pub fn newcomer() -> SimCustomer {
    let mut newcomer = Generator::new(77, 24, today()).customer(0);
    newcomer.tenants.iter_mut().for_each(|tenant| tenant.trend = SeatTrend::Still);
    newcomer
}

/// The initial data set of every row.
pub fn world() -> Dataset {
    Dataset { customers: (0..CASES.len()).map(customer).collect(), ..Dataset::default() }
}

/// A data set that changes until it is stopped.
pub struct Moving(Arc<AtomicBool>, std::thread::JoinHandle<()>);

impl Moving {
    pub fn start(simulator: Arc<Simulator>, history: Arc<History>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let moving = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                simulator.with_dataset(Settings::CLIENT.0, |world| {
                    move_on(world);
                    history.add(world);
                });
                std::thread::sleep(TICK);
            }
        });
        Self(stop, moving)
    }

    pub fn stop(self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap();
    }
}

pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("fault suite"))
}

pub fn config(row: &Row, api: &Door, token: &Door, tls: bool) -> String {
    let (client_id, secret) = Settings::CLIENT;
    let scheme = if tls { "https" } else { "http" };
    let ca = if tls { "    ca_file: ca.pem\n" } else { "" };
    let (interval, timeout) = (INTERVAL.as_secs(), TIMEOUT.as_secs());
    let max_age = match row.lasts {
        Lasts::Short => LONG_AGE,
        Lasts::Outlasts => SHORT_AGE,
    };
    let collectors = Collector::ALL
        .into_iter()
        .filter(|collector| row.with_optional || !collector.is_optional())
        .map(|collector| {
            // In a row about optional collectors, the fault ages only their values.
            let is_aged = !row.with_optional || collector.is_optional();
            let (name, max_age) = (collector.as_str(), if is_aged { max_age } else { LONG_AGE }.as_secs());
            format!("  {name}: {{ enabled: true, interval: {interval}s, max_age: {max_age}s }}\n")
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "partners:\n  - name: main\n    api_url: {scheme}://{}\n    token_url: {scheme}://{}/connect/token\n    auth: {{ client_id: {client_id}, client_secret: {secret} }}\n    budget: {{ requests_per_second: 400, burst: 100, concurrency: 8, timeout: {timeout}s }}\n{ca}collectors:\n{collectors}",
        api.address, token.address,
    )
}

/// The body of a path; every response must be complete and 200.
pub fn get(url: &str, path: &str) -> Result<String, String> {
    let host = url.trim_start_matches("http://");
    let all = TcpStream::connect(host).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    });
    let all = all.map_err(|error| format!("{path} does not answer: {error}"))?;
    let (head, body) = all.split_once("\r\n\r\n").ok_or("an answer without headers")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    if !head.starts_with("HTTP/1.1 200") || length != Some(body.len()) {
        return Err(format!("{path} answered {head}"));
    }
    Ok(body.to_owned())
}

/// How much slower this machine may be than an idle one, because other processes use its cores too.
pub fn patience() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(2, usize::from) as f64;
    (load / cores).clamp(1.0, 10.0)
}
