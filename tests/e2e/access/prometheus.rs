//! A real Prometheus process, stopped on drop.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::wait;

pub struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    /// Uses `prometheus.yml` of a folder. Prometheus does not report its port, so it gets one that was free, and is
    /// started again with another port if that was taken meanwhile.
    pub fn start(folder: &Path) -> Self {
        for _ in 0..5 {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = probe.local_addr().unwrap();
            drop(probe);
            let mut child = Command::new("prometheus")
                .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
                .arg(format!("--web.listen-address={address}"))
                .current_dir(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("prometheus runs; tests/run installs it");
            let url = format!("http://{address}");
            let mut ended = false;
            wait("Prometheus", || {
                ended = child.try_wait().unwrap().is_some();
                ended || is_ready(&url)
            });
            if !ended {
                return Self { child, url };
            }
        }
        panic!("Prometheus does not start");
    }

    /// The value of the first series.
    pub fn value(&mut self, query: &str) -> Option<String> {
        let (_, text) = crate::support::get(&format!("{}/api/v1/query?query={}", self.url, escaped(query)), &[]);
        let response: serde_json::Value = serde_json::from_str(&text).unwrap();
        response["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escaped(query: &str) -> String {
    query.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

fn is_ready(url: &str) -> bool {
    let mut curl = Command::new("curl");
    let curl = curl.args(["--silent", "--fail", "--noproxy", "*", "--output", "/dev/null"]);
    curl.arg(format!("{url}/-/ready")).status().expect("curl runs").success()
}
