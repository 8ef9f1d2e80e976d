//! Code shared by the end-to-end tests: a configuration for a simulator, the binary as a process, and a strict parser
//! of its output.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "it waits for other processes, outside of any runtime")]

pub mod expected;
pub mod known;
pub mod optional;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use simulator::{Settings, Simulator};

/// Series by name and labels as written, with the labels in order.
pub type Samples = BTreeMap<String, f64>;

/// The maximum time that a test waits for a condition.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Repeats an attempt until it succeeds, and returns its result.
///
/// # Panics
/// If it never does, with the last error.
pub fn eventually<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(result) => return result,
            Err(error) => assert!(Instant::now() < end, "never came: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A configuration with one partner `main` for a simulator's first registration; `more` is added to the partner, `rest`
/// to the document.
pub fn config(simulator: &Simulator, more: &str, rest: &str) -> String {
    let (client_id, secret) = Settings::CLIENT;
    format!(
        "partners:\n  - name: main\n    api_url: {}\n    token_url: {}\n    auth: {{ client_id: {client_id}, client_secret: {secret} }}\n{}\n{rest}\n",
        simulator.api_url(),
        simulator.token_url(),
        indent(more),
    )
}

fn indent(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat()
}

/// A running process of the binary, killed on drop.
pub struct Exporter {
    pub child: Child,
    pub url: String,
    lines: mpsc::Receiver<String>,
    log: String,
}

impl Exporter {
    /// Starts the binary on a free port of loopback and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let binary = env!("CARGO_BIN_EXE_avepoint_exporter");
        Self::spawn(Command::new(binary).args(arguments).arg("--web.listen-address=127.0.0.1:0"))
    }

    /// Starts the given command and waits until it listens.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut exporter = Self { child, url: String::new(), lines, log: String::new() };
        let line = exporter.wait_for_line("listening");
        // In logfmt or in JSON.
        let address = line.split("address").nth(1).unwrap().trim_start_matches(['=', '"', ':']);
        exporter.url = format!("http://{}", address.split([' ', '"']).next().unwrap());
        exporter
    }

    /// Starts the daemon with a configuration.
    pub fn with_config(folder: &Path, yaml: &str) -> Self {
        let file = folder.join("config.yaml");
        std::fs::write(&file, yaml).unwrap();
        Self::start(&["--config.file", file.to_str().unwrap()])
    }

    /// The next log line that contains a text.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push_str(&line);
                    self.log.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {text:?} ({error}) in\n{}", self.log),
            }
        }
    }

    /// Waits until a text was logged, earlier or later.
    pub fn wait_for_logged(&mut self, text: &str) {
        if !self.log().contains(text) {
            self.wait_for_line(text);
        }
    }

    /// The log so far.
    pub fn log(&mut self) -> &str {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        &self.log
    }

    /// Status and body of a path.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(&format!("{}{path}", self.url), &[])
    }

    /// The samples on `/metrics`; each must be well-formed and unique.
    pub fn samples(&self) -> Samples {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        samples(&text)
    }

    /// Waits until the samples are as expected and returns them.
    pub fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Samples) -> bool) -> Samples {
        eventually(|| {
            let samples = self.samples();
            if wanted(&samples) { Ok(samples) } else { Err(format!("{what}\n{}", self.get("/metrics").1)) }
        })
    }

    /// Sends SIGTERM and waits for the exit.
    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), start.elapsed())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a command, and its exit code.
pub fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_avepoint_exporter")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A GET with a minimal client, so that the raw response is visible.
pub fn get(url: &str, headers: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--write-out", "\n%{http_code}"]);
    for header in headers {
        command.args(["--header", header]);
    }
    let output = command.arg(url).output().expect("curl runs");
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// The samples of a text exposition.
pub fn samples(text: &str) -> Samples {
    let mut samples = Samples::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let value = value.replace("+Inf", "inf").parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let name = series.split('{').next().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':'), "no name: {line}");
        assert!(series.find('{').is_none() || series.ends_with('}'), "labels do not end: {line}");
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
    }
    samples
}

/// The samples of the metrics with this name prefix.
pub fn of<'a>(samples: &'a Samples, name: &str) -> impl Iterator<Item = (&'a String, f64)> {
    samples.iter().filter(move |(series, _)| series.starts_with(name)).map(|(series, &value)| (series, value))
}

/// One sample, with the labels as written.
pub fn value(samples: &Samples, series: &str) -> Option<f64> {
    samples.get(series).copied()
}

/// Passes a text to a program; returns whether it succeeded, and its output.
pub fn feed(program: &str, arguments: &[&str], text: &str) -> (bool, String) {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not run ({error}): tests/run installs what the tests need"));
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    // A program that did not read to the end reports why.
    let _ = writer.join();
    (child.wait().unwrap().success(), said)
}

/// A simulator with its own runtime, so that plain tests can use it.
pub struct Simulated {
    runtime: tokio::runtime::Runtime,
    simulator: Option<Simulator>,
}

impl Simulated {
    pub fn start(settings: Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let simulator = runtime.block_on(Simulator::on_loopback(settings)).unwrap();
        Self { runtime, simulator: Some(simulator) }
    }

    /// From now on connections to its address are refused.
    pub fn stop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            self.runtime.block_on(simulator.stop());
        }
    }
}

impl std::ops::Deref for Simulated {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        self.simulator.as_ref().expect("it was not stopped")
    }
}

/// Today, for data sets with dates near today.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
