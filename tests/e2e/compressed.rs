//! A compressed response is one gzip member, so that clients that stop after one member lose nothing.

use std::process::Command;

use simulator::Settings;

use crate::support::{Exporter, Simulated, config, today};

/// Reads a whole gzip member with zlib from standard input; data after it is an error.
const ZLIB: &str = "
import sys, zlib, gzip
body = sys.stdin.buffer.read()
member = zlib.decompressobj(31)
text = member.decompress(body) + member.flush()
assert member.eof and not member.unused_data, 'not one member'
assert gzip.decompress(body) == text
sys.stdout.buffer.write(text)
";

/// The lines with the customers' values: they are equal in every scrape when polling has stopped.
fn of_customers(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines()
        .filter(|line| line.contains("customer_id=") && !line.contains("last_success"))
        .map(String::from)
        .collect()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn zlib_and_curl_read_what_is_sent_plain() {
    let simulator = Simulated::start(Settings::of_size(300, 7, today()));
    let folder = tempfile::tempdir().unwrap();
    let yaml = config(&simulator, "budget: { requests_per_second: 1000, burst: 100, concurrency: 8 }", "");
    let exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for("everything polled", |samples| {
        let pending =
            crate::support::of(samples, "avepoint_collector_targets").filter(|(s, _)| s.contains("state=\"pending\""));
        samples.get("avepoint_customers{partner=\"main\"}") == Some(&300.0)
            && pending.map(|(_, count)| count).sum::<f64>() == 0.0
    });
    let url = format!("{}/metrics", exporter.url);
    let python = std::env::var("AVEPOINT_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    for accept in ["text/plain", "application/openmetrics-text;version=1.0.0"] {
        let curl = || {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--fail", "--noproxy", "*", "-H", &format!("Accept: {accept}"), &url]);
            curl
        };
        let plain = of_customers(&output(&mut curl()));
        assert!(plain.len() > 3000, "{}", plain.len());
        assert_eq!(of_customers(&output(curl().arg("--compressed"))), plain, "curl");
        let body = folder.path().join("body.gz");
        output(curl().args(["-H", "Accept-Encoding: gzip", "-o", body.to_str().unwrap()]));
        let mut zlib = Command::new(&python);
        zlib.args(["-c", ZLIB]).stdin(std::fs::File::open(&body).unwrap());
        assert_eq!(of_customers(&output(&mut zlib)), plain, "zlib");
    }
}
