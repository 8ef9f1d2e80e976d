//! Runs one row of the table: a changing simulated data set, the daemon, the fault, and its end; every scrape in
//! between is checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use simulator::{Operation, Settings, Simulator};
use tokio::runtime::Handle;

use super::daemon::Daemon;
use super::door::{Authority, Door, State};
use super::rows::{Ends, Lasts, Requests, Row, Transport, Trouble, Which};
use super::setup::{Moving, authority, config, customer, get, newcomer, patience, world};
use super::truth::{Groups, History, Listings, groups_of, is_content};
use crate::support::{Samples, today, value};

/// The interval of every collector.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// The timeout of every request.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// `max_age` of the values: for a fault that outlasts them, and for others.
pub const SHORT_AGE: Duration = Duration::from_secs(7);
pub const LONG_AGE: Duration = Duration::from_mins(3);
/// Time for a response, for the time between two expositions, and for a busy machine.
const SLACK: Duration = Duration::from_millis(1000 + 1000 + 1500);
/// The duration of a fault that outlasts no value.
const SHORT: Duration = Duration::from_secs(4);
/// The time from the first request after a fault: an interval with jitter, a request with its retry pauses, the next
/// exposition, and a busy machine.
const RECOVERY: Duration = Duration::from_millis(2100 + 1000 + 3500 + 1000 + 5000);
/// The time until that request: the maximum pause of tokens and throttling.
const PAUSE: Duration = Duration::from_secs(65);
/// Requests per second that remain when all get a 429, of the 400 that are configured.
const THROTTLED: f64 = 20.0;
const FIRST_PASS: Duration = Duration::from_mins(1);
pub const TICK: Duration = Duration::from_millis(250);

/// The maximum memory of the process, in every row.
pub const MOST_MEMORY_KIB: u64 = 96 * 1024;
pub const MOST_FILES: usize = 64;

/// The prefix of a problem that is only about time: it means nothing on a machine that was too busy.
pub const LATE: &str = "late: ";

/// The result of a row, for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account {
    pub scrapes: u64,
    pub memory_kib: u64,
    pub files: usize,
    pub recovery: Duration,
}

struct Scene<'a> {
    row: &'a Row,
    simulator: Arc<Simulator>,
    api: Door,
    token: Door,
    history: Arc<History>,
    daemon: Daemon,
    folder: tempfile::TempDir,
    ca: Option<&'static Authority>,
    account: Account,
    listings: Listings,
    /// When values became unavailable.
    broken: Option<Instant>,
    /// When the fault began or ended.
    turned: Instant,
}

/// Runs a row; fails with the violated condition.
pub fn play(row: &Row, runtime: &Handle) -> Result<Account, String> {
    let mut scene = Scene::start(row, runtime)?;
    let moving = Moving::start(scene.simulator.clone(), scene.history.clone());
    scene.break_all();
    let (lasts, start, before) = (scene.lasts(), Instant::now(), scene.arrivals());
    let (mut moved_out, mut silent_since, mut failed_before) = (false, None, None);
    // On a busy machine it may take longer until a fault affects a request.
    while start.elapsed() < lasts || scene.has_struck().is_err() && start.elapsed() < lasts * 5 {
        scene.scrape()?;
        if !moved_out && start.elapsed() > lasts / 3 {
            scene.customers_come_and_go();
            moved_out = true;
        }
        // Requests that were in flight when the fault began have ended by then.
        if row.requests == Requests::Succeed && failed_before.is_none() && start.elapsed() > SLACK {
            failed_before = Some(scene.failures()?);
        }
        // Requests that it affected have ended by then.
        if row.requests == Requests::Silent
            && silent_since.is_none()
            && start.elapsed() > SLACK
            && scene.has_struck().is_ok()
        {
            silent_since = Some(scene.arrivals());
        }
        std::thread::sleep(TICK);
    }
    moving.stop();
    scene.has_struck()?;
    if let Some(before) = failed_before
        && let failed = scene.failures()? - before
        && failed > 0.0
    {
        return Err(format!("{LATE}{failed} requests failed, though what they met is to be read"));
    }
    if row.wall.is_some() && row.troubles.len() == 1 {
        scene.polled_in_time(start.elapsed(), scene.arrivals() - before)?;
    }
    if let Some(asked) = silent_since.map(|before| scene.arrivals() - before).filter(|&asked| asked > 0) {
        return Err(format!("asked {asked} times though it was told to wait"));
    }
    let (asked, most) = (scene.arrivals() - before, THROTTLED * (start.elapsed().as_secs_f64() + 1.0));
    if row.requests == Requests::Few && asked as f64 > most {
        return Err(format!("asked {asked} times though it was told to ask less: at most {most:.0}"));
    }
    let mended = Instant::now();
    scene.mend_all();
    scene.recover(mended)?;
    scene.finish()
}

impl<'a> Scene<'a> {
    fn start(row: &'a Row, runtime: &Handle) -> Result<Self, String> {
        let history = Arc::new(History::new(row.with_optional));
        let (ca, server) = match row.transport {
            Transport::Http => (None, None),
            Transport::Https { http2 } => (Some(authority()), Some(authority().server(2099, http2))),
        };
        let mut settings = Settings::of_size(0, 7, today());
        settings.registrations[0].dataset = world();
        settings.token_lifetime = row.token_lifetime;
        settings.faults.clone_from(&row.always);
        let simulator = Arc::new(runtime.block_on(Simulator::on_loopback(settings)).map_err(|e| e.to_string())?);
        simulator.with_dataset(Settings::CLIENT.0, |world| history.add(world));
        let to = simulator.api_url().trim_start_matches("http://").parse().unwrap();
        let state = State { open: true, drip: None, odd_headers: false, flood: false, tls: server };
        let (api, token) = (Door::new(runtime, to, state.clone()), Door::new(runtime, to, state));
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        if let Some(ca) = ca {
            std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        }
        let daemon = Daemon::start(row, runtime, folder.path(), &config(row, &api, &token, ca.is_some()));
        let account = Account::default();
        let scene = Self {
            row,
            simulator,
            api,
            token,
            history,
            daemon,
            folder,
            ca,
            account,
            listings: Listings::default(),
            broken: None,
            turned: Instant::now(),
        };
        let start = Instant::now();
        while !scene.is_whole(&scene.samples()?) {
            if start.elapsed() > FIRST_PASS.mul_f64(patience()) {
                return Err(format!("{LATE}the first pass never ended: {}", scene.missing()));
            }
            std::thread::sleep(TICK);
        }
        Ok(scene)
    }

    fn lasts(&self) -> Duration {
        match self.row.lasts {
            Lasts::Short if self.row.is_combined() => SHORT + INTERVAL,
            // Until times are exported, and checked, by the other clock.
            Lasts::Short if self.row.wall.is_some() => SLACK.mul_f64(patience()) + INTERVAL,
            Lasts::Short if self.row.requests == Requests::Succeed => SLACK + INTERVAL * 2,
            Lasts::Short => SHORT,
            Lasts::Outlasts => SHORT_AGE + INTERVAL + SLACK,
        }
    }

    fn door(&self, which: Which) -> &Door {
        match which {
            Which::Api => &self.api,
            Which::Token => &self.token,
        }
    }

    fn break_all(&mut self) {
        (self.broken, self.turned) = (Some(Instant::now()), Instant::now());
        for trouble in &self.row.troubles {
            match trouble {
                Trouble::Rule(rule) => self.simulator.faults().add(rule.clone()),
                Trouble::Shut(which) => self.door(*which).set(|state| state.open = false),
                Trouble::Drip(which, every) => self.door(*which).set(|state| state.drip = Some(*every)),
                Trouble::OddHeaders => self.api.set(|state| state.odd_headers = true),
                Trouble::Flood => self.api.set(|state| state.flood = true),
                Trouble::Foreign => {
                    let server = Authority::new("foreign").server(2099, false);
                    self.api.set(|state| state.tls = Some(server));
                }
                Trouble::Expired => self.api.set(|state| state.tls = Some(authority().server(2020, false))),
                Trouble::Revoke => self.simulator.revoke_tokens(Settings::CLIENT.0),
                Trouble::Config(change) => {
                    let right = config(self.row, &self.api, &self.token, self.ca.is_some());
                    self.daemon.reload(self.folder.path(), &change(&right));
                }
                Trouble::Clock(wall, seconds) => wall.set_forward(*seconds),
            }
        }
    }

    /// No poll was early, and none was late.
    fn polled_in_time(&self, lasted: Duration, requests: u64) -> Result<(), String> {
        let targets: f64 = crate::support::of(&self.samples()?, "avepoint_collector_targets{")
            .filter(|(s, _)| s.contains("fresh"))
            .map(|(_, count)| count)
            .sum();
        // The list has three pages, and missing customers are requested once more.
        let (intervals, once) = (lasted.as_secs_f64() / INTERVAL.as_secs_f64(), targets + 3.0);
        let most = (intervals / 0.95 + 1.0) * once;
        let least = if patience() > 1.0 { 1.0 } else { (intervals * 0.9 - 1.5) * once };
        let requests = requests as f64;
        if (least..=most).contains(&requests) {
            Ok(())
        } else {
            Err(format!("{LATE}{requests} requests, not {least:.0} to {most:.0}"))
        }
    }

    /// Whether the fault took effect: every rule affected requests, and something failed while connections were
    /// refused.
    fn has_struck(&self) -> Result<(), String> {
        let matched = self.simulator.faults().matched();
        let rules = &matched[self.row.always.len()..];
        // Of combined faults, one may keep requests from reaching another.
        let needed = if self.row.is_combined() { rules.len().min(2) } else { rules.len() };
        if rules.iter().filter(|&&matched| matched > 0).count() < needed {
            return Err(format!("{LATE}rules met no request: {rules:?}"));
        }
        let doors = self.row.troubles.iter().any(|trouble| !matches!(trouble, Trouble::Rule(_) | Trouble::Clock(..)));
        if doors && self.row.requests != Requests::Succeed && self.failures()? == 0.0 {
            return Err("no request failed".to_owned());
        }
        Ok(())
    }

    /// Failed requests so far.
    fn failures(&self) -> Result<f64, String> {
        let samples = self.samples()?;
        let api = crate::support::of(&samples, "avepoint_api_request_failures_total");
        let token = crate::support::of(&samples, "avepoint_auth_token_request_failures_total");
        Ok(api.chain(token).map(|(_, failures)| failures).sum())
    }

    fn mend_all(&mut self) {
        self.turned = Instant::now();
        if self.row.ends != Ends::Never {
            self.simulator.faults().set(self.row.always.clone());
        }
        for trouble in &self.row.troubles {
            match trouble {
                Trouble::Rule(_) | Trouble::Config(_) | Trouble::Revoke => {}
                Trouble::Clock(wall, _) => wall.set_forward(0),
                Trouble::Shut(which) => self.door(*which).set(|state| state.open = true),
                Trouble::Drip(which, _) => self.door(*which).set(|state| state.drip = None),
                Trouble::OddHeaders => self.api.set(|state| state.odd_headers = false),
                Trouble::Flood => self.api.set(|state| state.flood = false),
                Trouble::Foreign | Trouble::Expired => {
                    self.api.set(|state| state.tls = Some(authority().server(2099, false)));
                }
            }
        }
        if self.row.ends == Ends::Reload {
            // Another budget makes another client, if only that is intended.
            let right = config(self.row, &self.api, &self.token, self.ca.is_some());
            self.daemon.reload(self.folder.path(), &right.replace("burst: 100", "burst: 99"));
        }
    }

    /// One customer leaves and another one joins.
    fn customers_come_and_go(&self) {
        self.simulator.with_dataset(Settings::CLIENT.0, |world| {
            world.remove(&customer(2).id);
            world.customers.insert(3, newcomer());
            self.history.add(world);
        });
    }

    fn samples(&self) -> Result<Samples, String> {
        let text = get(self.daemon.url(), "/metrics")?;
        Ok(crate::support::samples(&text))
    }

    /// A checked scrape.
    fn scrape(&mut self) -> Result<Samples, String> {
        let asked = Instant::now();
        let samples = self.samples()?;
        let mut allowed = self.row.allowed.clone();
        let max_age = self.max_age();
        // A value that was read just before the fault, or was due then, does not reach `max_age` before this time.
        let aged = self.broken.is_some_and(|broken| broken.elapsed() + INTERVAL.mul_f64(1.1) + TIMEOUT >= max_age);
        allowed.aged = aged && self.row.lasts == Lasts::Outlasts;
        let groups = groups_of(&samples);
        let slack = SLACK.mul_f64(patience());
        self.history.check(&groups, asked, [max_age, LONG_AGE].map(|age| age + slack), &allowed)?;
        self.left_by_a_listing(&groups, &samples)?;
        // While the clock is being set, one listing has two times.
        if self.row.wall.is_none() {
            self.listings.check(&samples)?;
        }
        if let Some(wall) = self.row.wall
            && self.turned.elapsed() > SLACK.mul_f64(patience())
        {
            wall.check(&samples)?;
        }
        self.account.scrapes += 1;
        let (files, memory_kib) = self.resources();
        self.account.files = self.account.files.max(files);
        self.account.memory_kib = memory_kib;
        if files > MOST_FILES || memory_kib > MOST_MEMORY_KIB {
            return Err(format!("{files} open files, {memory_kib} KiB of memory"));
        }
        Ok(samples)
    }

    /// A customer disappears only after a complete listing that began after it left.
    fn left_by_a_listing(&self, groups: &Groups, samples: &Samples) -> Result<(), String> {
        let leaver = format!("info {} ", customer(2).id);
        let Some(left) = self.history.left(&leaver) else { return Ok(()) };
        // While the clock is being set, times show no order.
        if groups.contains_key(&leaver) || self.row.wall.is_some() {
            return Ok(());
        }
        let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
        let listed = value(samples, "avepoint_discovery_last_success_timestamp_seconds{partner=\"main\"}");
        let since_left = left.elapsed().as_secs_f64();
        match listed {
            Some(listed) if now - listed <= since_left + 0.5 => Ok(()),
            _ => Err("a customer left without a complete listing".to_owned()),
        }
    }

    fn max_age(&self) -> Duration {
        match self.row.lasts {
            Lasts::Short => LONG_AGE,
            Lasts::Outlasts => SHORT_AGE,
        }
    }

    /// From the first request after the fault, everything recovers within one interval.
    fn recover(&mut self, mended: Instant) -> Result<(), String> {
        std::thread::sleep(TICK);
        let before = self.arrivals();
        while self.arrivals() == before {
            self.scrape()?;
            if mended.elapsed() > PAUSE.mul_f64(patience()) {
                return Err(format!("{LATE}nothing was asked after the end"));
            }
            std::thread::sleep(TICK);
        }
        let first = Instant::now();
        loop {
            let samples = self.scrape()?;
            if self.is_whole(&samples) {
                break;
            }
            if first.elapsed() > RECOVERY.mul_f64(patience()) {
                return Err(format!("{LATE}not recovered after {:?}: {}", first.elapsed(), self.missing()));
            }
            std::thread::sleep(TICK);
        }
        self.account.recovery = first.elapsed();
        while self.row.wall.is_some() && self.turned.elapsed() < SLACK.mul_f64(patience()) + TICK {
            self.scrape()?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Unaffected responses; a token response alone does not count.
    fn arrivals(&self) -> u64 {
        let requests = self.simulator.requests();
        requests
            .by_answer
            .iter()
            .filter(|((operation, _), _)| *operation != Operation::Token)
            .map(|(_, count)| count)
            .sum()
    }

    fn expected(&self) -> Groups {
        let mut groups = self.history.now();
        let gone = self.broken.is_some() && self.row.ends == Ends::Never;
        groups.retain(|group, _| !gone || !self.row.allowed.gone.iter().any(|start| group.starts_with(start)));
        groups
    }

    fn is_whole(&self, samples: &Samples) -> bool {
        groups_of(samples) == self.expected() && is_content(samples)
    }

    fn missing(&self) -> String {
        let Ok(samples) = self.samples() else { return "no scrape".to_owned() };
        let (served, expected) = (groups_of(&samples), self.expected());
        let wrong: Vec<_> = expected.iter().filter(|(group, truth)| served.get(*group) != Some(*truth)).collect();
        let more: Vec<_> = served.keys().filter(|group| !expected.contains_key(*group)).collect();
        let states: Vec<_> = crate::support::of(&samples, "avepoint_collector_targets")
            .filter(|&(series, count)| count > 0.0 && !series.contains("fresh") && !series.contains("absent"))
            .collect();
        let first = wrong.first().map(|(group, truth)| (group, truth, served.get(*group)));
        format!("{} groups are wrong, first {first:?}; too many: {more:?}; {states:?}", wrong.len())
    }

    /// The open files and the peak memory of the process; not available for this process.
    fn resources(&self) -> (usize, u64) {
        let Some(process) = self.daemon.process() else { return (0, 0) };
        let files = std::fs::read_dir(process.join("fd")).map_or(usize::MAX, Iterator::count);
        let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        (files, line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(u64::MAX))
    }

    fn finish(mut self) -> Result<Account, String> {
        let log = self.daemon.log();
        if let Some(folder) = std::env::var_os("FAULTS_LOGS") {
            let file = std::path::Path::new(&folder).join(self.row.name.replace(['/', ' '], "_"));
            let _ = std::fs::write(file, &log);
        }
        for word in ["panicked", "abnormally", Settings::CLIENT.1] {
            if let Some(line) = log.lines().find(|line| line.contains(word)) {
                return Err(format!("in the log: {line}"));
            }
        }
        self.daemon.end()?;
        Ok(self.account)
    }
}
