//! Tells the program from which commit, when and by which compiler it was built; never fails.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

fn main() {
    // A package that is built outside of git can name its revision itself.
    println!("cargo::rerun-if-env-changed=AVEPOINT_EXPORTER_REVISION");
    // https://reproducible-builds.org/specs/source-date-epoch: the same source gives the same binary.
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let revision = env::var("AVEPOINT_EXPORTER_REVISION").ok().or_else(|| output("git", &["rev-parse", "HEAD"]));
    let now = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let built = env::var("SOURCE_DATE_EPOCH").ok().and_then(|time| time.parse().ok()).unwrap_or_else(now);
    let compiler = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    // Changes with every commit and checkout. A path that does not exist would rebuild every time.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rustc-env=AVEPOINT_EXPORTER_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=AVEPOINT_EXPORTER_BUILD_TIME={built}");
    println!("cargo::rustc-env=AVEPOINT_EXPORTER_RUSTC={}", compiler.as_deref().unwrap_or("unknown"));
}

/// The first line that a command prints, if it succeeds and prints one.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
