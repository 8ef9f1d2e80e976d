//! Replicas on real engines: etcd, Azure's storage emulator, and a stand-in for Kubernetes' Lease endpoint. Under every
//! fault one replica leads, nobody polls without the right to, and what is served is true. The table in docs/ha.md is
//! written by this test.
//!
//! `HA=killed` plays only the faults whose names contain that; `UPDATE_GOLDENS=1` rewrites the table with the times measured.

mod document;
mod engines;
mod rows;
mod scene;
mod tap;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use avepoint_exporter::config::Config;
use avepoint_exporter::ha::Election;
use elements::clock::{Clock, suspended};
use jiff::{SignedDuration, Timestamp};

use self::engines::{Azurite, EtcdCluster, FakeKubernetes};
use self::rows::{Engines, Row, all};
use crate::support::{Exporter, eventually, of, run, value};

/// Concurrent faults: most of them wait.
const AT_ONCE: usize = 4;

#[test]
fn every_fault_is_held() {
    let start = Instant::now();
    let engines = Arc::new(Engines::start());
    let wanted = std::env::var("HA").unwrap_or_default();
    let plays: Vec<_> = all(&engines).into_iter().filter(|(name, _)| name.contains(&wanted)).collect();
    let (next, played, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((index, (name, play))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    plays.get(index).map(|play| (index, play))
                } {
                    match std::panic::catch_unwind(AssertUnwindSafe(play)) {
                        Ok(rows) => {
                            for row in &rows {
                                println!("held: {row:?}");
                            }
                            played.lock().unwrap().push((index, rows));
                        }
                        Err(_) => failed.lock().unwrap().push(name.clone()),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "not held: {failed:?}");
    let mut played = played.into_inner().unwrap();
    played.sort_by_key(|(index, _)| *index);
    let rows: Vec<Row> = played.into_iter().flat_map(|(_, rows)| rows).collect();
    println!("{} faults held in {:.0?}", rows.len(), start.elapsed());
    if wanted.is_empty() {
        document::compare(&rows);
    }
}

fn ahead() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

fn behind() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(1)
}

/// Elections with clocks that are two hours apart: nothing is decided by times that another replica wrote.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_change_nothing() {
    let kubernetes = FakeKubernetes::start();
    let elect = |identity: &str, wall: fn() -> Timestamp| {
        let lease = kubernetes.lease("clocks");
        let yaml = format!(
            "partners: [{{ auth: {{ client_id: a, client_secret: b }} }}]\nha: {{ lease: {lease}, identity: {identity}, lease_duration: 4s, renew_deadline: 3s, retry_period: 500ms }}"
        );
        let settings = Config::parse(&yaml, Path::new(".")).unwrap().ha.unwrap();
        Election::start(&settings, Clock::following(wall, suspended)).unwrap()
    };
    let first = elect("ahead", ahead);
    first.watcher.clone().acquired().await;
    let second = elect("behind", behind);
    assert_eq!(second.watcher.clone().replaced().await, "ahead");
    // Longer than a lease: it is renewed in time, whatever its times say.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(first.watcher.clone().is_leading() && !second.watcher.clone().is_leading());
    first.resign().await;
    second.watcher.clone().acquired().await;
    let third = elect("ahead-again", ahead);
    assert_eq!(third.watcher.clone().replaced().await, "behind");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(second.watcher.clone().is_leading() && !third.watcher.clone().is_leading());
}

#[test]
fn check_says_who_holds_the_lease_and_what_is_wrong_with_it() {
    let mut cluster = EtcdCluster::start(1);
    let folder = tempfile::tempdir().unwrap();
    let simulator = crate::support::Simulated::start(simulator::Settings::of_size(1, 1, crate::support::today()));
    let ha = format!(
        "ha: {{ lease: {{ etcd: {{ endpoints: [\"{}\"], key: /check }} }}, identity: pod-0, lease_duration: 3s, renew_deadline: 2s, retry_period: 500ms }}",
        cluster.endpoints[0]
    );
    let exporter = Exporter::with_config(folder.path(), &crate::support::config(&simulator, "", &ha));
    let file = folder.path().join("config.yaml");
    let check = |online: &[&str]| run(&[&["check", "--config.file", file.to_str().unwrap()], online].concat());
    let (code, said, _) = check(&[]);
    assert!(code == Some(0) && said.contains("ha: pod-0 takes part in the election for the lease /check"), "{said}");
    exporter.wait_for("it leads", |seen| value(seen, "avepoint_exporter_leading{lease=\"/check\"}") == Some(1.0));
    let (code, said, errors) = check(&["--online"]);
    assert!(code == Some(0) && said.contains("lease /check: pod-0 holds it"), "{said}{errors}");
    drop(exporter);
    // A killed leader's lease ends by itself.
    eventually(|| {
        let (_, said, errors) = check(&["--online"]);
        let is_free = said.contains("lease /check: it was free; it was acquired and released");
        if is_free { Ok(()) } else { Err(format!("a free lease: {said}{errors}")) }
    });
    cluster.members[0].kill();
    let (code, _, errors) = check(&["--online"]);
    assert!(code == Some(1) && errors.contains("ha.lease: etcd: "), "{errors}");
}

const SAVED: &str = "avepoint_exporter_state_last_save_timestamp_seconds";
const FAILURES: &str = "avepoint_exporter_state_save_failures_total";

/// Without replicas, a state blob has the same checks as a state file.
#[test]
fn a_state_blob_is_read_checked_and_never_shared_by_accident() {
    let azurite = Azurite::start();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let simulator = crate::support::Simulated::start(simulator::Settings::of_size(3, 1, crate::support::today()));
    let collectors = "collectors: { services: { interval: 1s }, tenant_seats: { interval: 1s } }";
    let rest =
        format!("state: {{ azure_blob: {{ url_file: {} }}, interval: 50ms }}\n{collectors}", azurite.url_file("state"));
    let yaml = crate::support::config(&simulator, "budget: { requests_per_second: 200, burst: 100 }", &rest);
    azurite.put("state", "this is no state");
    let mut first = Exporter::with_config(folders[0].path(), &yaml);
    assert!(first.log().contains("is not a state file of this exporter; a snapshot of it was kept"), "{}", first.log());
    first.wait_for("it is saved", |seen| {
        value(seen, SAVED) > Some(0.0) && of(seen, "avepoint_customer_info{").count() == 3
    });
    assert_eq!(first.terminate().0, Some(0));

    let mut second = Exporter::with_config(folders[0].path(), &yaml);
    assert!(second.log().contains("the state was restored"), "{}", second.log());
    assert_eq!(of(&second.samples(), "avepoint_customer_info{").count(), 3);
    // Both have read it: whoever writes first keeps it.
    let mut third = Exporter::with_config(folders[1].path(), &yaml);
    let refused = |seen: &crate::support::Samples| value(seen, FAILURES) > Some(0.0);
    eventually(|| {
        let one_is = refused(&second.samples()) || refused(&third.samples());
        if one_is { Ok(()) } else { Err("a refusal: both save to one blob".to_owned()) }
    });
    let logs = format!("{}{}", second.log(), third.log());
    assert!(logs.contains("another exporter saves to this blob; give each exporter its own blob"), "{logs}");
}
