//! The faults, and what must hold under each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engines::{Azurite, EtcdCluster, FakeKubernetes, Process};
use super::scene::{AZURE, DEFAULTS, SHORT, Scene, Times, is_bare, lease_value, signal_process};
use super::tap::Tap;

/// Beyond the times of the election: requests, a busy machine.
const SLACK: Duration = Duration::from_secs(10);

/// The most calls that are made again: those in flight when a leader ends, and those whose answers it had not saved.
const REPEATED: usize = 40;

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub fault: &'static str,
    pub engine: &'static str,
    pub times: Times,
    /// How long no replica led.
    pub without_leader: Duration,
    pub calls: usize,
    /// Calls that were made again before their time.
    pub early: usize,
    pub outcome: &'static str,
}

/// Where the leases of several rows are.
pub struct Engines {
    pub etcd: EtcdCluster,
    pub azurite: Azurite,
    pub kubernetes: FakeKubernetes,
}

impl Engines {
    pub fn start() -> Self {
        Self { etcd: EtcdCluster::start(3), azurite: Azurite::start(), kubernetes: FakeKubernetes::start() }
    }

    /// A lease of its own, by the engine's name.
    fn lease(&self, engine: &str, name: &str) -> String {
        match engine {
            "etcd" => etcd_lease(&self.etcd, name),
            "Kubernetes" => self.kubernetes.lease(name),
            _ => self.azurite.lease(name),
        }
    }
}

fn etcd_lease(cluster: &EtcdCluster, name: &str) -> String {
    let endpoints: Vec<_> = cluster.endpoints.iter().map(|url| format!("\"{url}\"")).collect();
    format!("{{ etcd: {{ endpoints: [{}], key: /{name} }} }}", endpoints.join(", "))
}

fn row(
    scene: &Scene,
    fault: &'static str,
    engine: &'static str,
    times: Times,
    gap: Duration,
    outcome: &'static str,
) -> Row {
    let (calls, early) = scene.early();
    assert_eq!(scene.doubles, 0, "{fault} ({engine}): two led at once");
    assert!(early <= REPEATED, "{fault} ({engine}): {early} calls before their time");
    Row { fault, engine, times, without_leader: gap, calls, early, outcome }
}

fn scene(engines: &Engines, engine: &str, name: &str, times: Times) -> Scene {
    let lease = engines.lease(engine, &format!("{name}-{}", times.lease_duration));
    Scene::new(move || lease.clone(), times).pair()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The second replica takes over and knows everything at once.
fn taken_over(scene: &mut Scene) -> Duration {
    let gap = scene.until("the second leads", |scene| scene.is_leading(1));
    scene.until("the second knows everything", |scene| scene.is_complete(1));
    gap
}

/// kill -9 of the leader.
pub fn killed(engines: &Engines, engine: &'static str, times: Times) -> Row {
    let mut scene = scene(engines, engine, "killed", times);
    assert!(is_bare(&scene.replicas[1].seen), "a standby exports no customers: {:?}", scene.replicas[1].seen);
    assert_eq!(lease_value(&scene.replicas[1].seen, "avepoint_exporter_leading"), Some(0.0));
    assert!(lease_value(&scene.replicas[1].seen, "avepoint_exporter_lease_renew_timestamp_seconds") > Some(0.0));
    assert_eq!(scene.replicas[1].exporter.get("/-/healthy").0, 200);
    assert!(scene.replicas[1].exporter.get("/").1.contains("standby: replica-0 leads"));
    let status = scene.replicas[1].exporter.get("/api/v1/status").1;
    assert!(status.contains("\"role\":\"standby\",\"leader\":\"replica-0\""), "{status}");
    scene.send(0, "KILL");
    let gap = taken_over(&mut scene);
    scene.polls(1);
    assert!(gap <= seconds(times.lease_duration + 2 * times.retry_period) + SLACK, "{engine}: {gap:?}");
    assert_eq!(scene.changes(), 1, "{engine}: both polled");
    row(
        &scene,
        "the leader is killed (`kill -9`)",
        engine,
        times,
        gap,
        "the other one leads, and knows everything at once",
    )
}

/// SIGTERM of the leader.
pub fn resigned(engines: &Engines, engine: &'static str, times: Times) -> Row {
    let mut scene = scene(engines, engine, "resigned", times);
    scene.send(0, "TERM");
    let gap = taken_over(&mut scene);
    assert_eq!(scene.ended(0), Some(0));
    scene.polls(1);
    assert!(gap <= seconds(2 * times.retry_period) + SLACK, "{engine}: {gap:?}\n{}", scene.logs());
    assert_eq!(scene.changes(), 1, "{engine}: both polled");
    row(&scene, "the leader ends (SIGTERM)", engine, times, gap, "the other one leads, and knows everything at once")
}

/// SIGSTOP of the leader beyond the lease, then SIGCONT.
pub fn frozen(engines: &Engines, engine: &'static str, times: Times) -> Row {
    let mut scene = scene(engines, engine, "frozen", times);
    scene.send(0, "STOP");
    let gap = taken_over(&mut scene);
    scene.polls(1);
    let before = scene.calls(0).len();
    scene.send(0, "CONT");
    assert_eq!(scene.ended(0), Some(1), "{}", scene.replicas[0].exporter.log());
    let log = scene.replicas[0].exporter.log().to_owned();
    assert!(log.contains("another replica leads: replica-1"), "{log}");
    assert_eq!(scene.calls(0).len(), before, "{engine}: it asked after its lease had ended");
    scene.during(seconds(2));
    assert_eq!(scene.changes(), 1, "{engine}: both polled");
    row(
        &scene,
        "the leader is frozen beyond its lease (SIGSTOP), then goes on",
        engine,
        times,
        gap,
        "the other one leads; the frozen one asks nothing more, and exits with 1",
    )
}

/// The network to the engine is slow.
pub fn slow(engines: &Engines) -> Row {
    let delay = Duration::from_millis(400);
    let taps: Vec<_> =
        engines.etcd.endpoints.iter().map(|url| Tap::new(url.socket_addrs(|| None).unwrap()[0], delay)).collect();
    let endpoints: Vec<_> = taps.iter().map(|tap| format!("\"http://{}\"", tap.address)).collect();
    let lease = format!("{{ etcd: {{ endpoints: [{}], key: /slow }} }}", endpoints.join(", "));
    let mut scene = Scene::new(move || lease.clone(), SHORT).pair();
    let mut gap = Duration::ZERO;
    let start = Instant::now();
    scene.until("three leases long", |scene| {
        gap = if scene.is_leading(0) { gap } else { start.elapsed() };
        start.elapsed() > seconds(3 * SHORT.lease_duration)
    });
    assert!(gap.is_zero(), "it stopped leading after {gap:?}\n{}", scene.logs());
    row(&scene, "the network to the engine takes 0.4 s more for each request", "etcd", SHORT, gap, "nothing changes")
}

/// The faults of the engine itself, one after the other, on a cluster of their own.
pub fn engine_of_etcd() -> Vec<Row> {
    let mut cluster = EtcdCluster::start(3);
    let mut rows = Vec::new();

    let lease = etcd_lease(&cluster, "member");
    let mut scene = Scene::new(move || lease.clone(), SHORT).pair();
    cluster.members[0].kill();
    scene.during(seconds(2 * SHORT.lease_duration));
    let leader = scene.leader();
    assert_eq!(leader, Some(0), "one member of three does not matter\n{}", scene.logs());
    rows.push(row(&scene, "one of three members is killed", "etcd", SHORT, Duration::ZERO, "nothing changes"));
    drop(scene);
    cluster.restart();

    for (fault, stops) in
        [("the engine is stopped, and started again", true), ("the engine is frozen (SIGSTOP), then goes on", false)]
    {
        let lease = etcd_lease(&cluster, if stops { "stopped" } else { "thawed" });
        let scene = Scene::new(move || lease.clone(), SHORT).pair();
        let mut engine = cluster.members.iter_mut().collect::<Vec<_>>();
        for member in &mut engine {
            if stops { member.kill() } else { member.signal("STOP") }
        }
        let mend =
            || if stops { cluster.restart() } else { cluster.members.iter().for_each(|member| member.signal("CONT")) };
        rows.push(engine_away(scene, fault, "etcd", SHORT, mend));
    }
    rows
}

/// An engine of one process is frozen.
pub fn engine_frozen(engine: &'static str) -> Row {
    let (lease, times, process): (String, Times, Process);
    let _kept: Box<dyn std::any::Any> = if engine == "Kubernetes" {
        let mut kubernetes = FakeKubernetes::start();
        (lease, times, process) = (kubernetes.lease("thawed"), SHORT, kubernetes.process.take());
        Box::new(kubernetes)
    } else {
        let mut azurite = Azurite::start();
        (lease, times, process) = (azurite.lease("thawed"), AZURE, azurite.process.take());
        Box::new(azurite)
    };
    let scene = Scene::new(move || lease.clone(), times).pair();
    process.signal("STOP");
    engine_away(scene, "the engine is frozen (SIGSTOP), then goes on", engine, times, || process.signal("CONT"))
}

/// The leader stops asking and goes on serving; after the engine is back, one of them leads.
fn engine_away(mut scene: Scene, fault: &'static str, engine: &'static str, times: Times, mend: impl FnOnce()) -> Row {
    let began = Instant::now();
    let led = scene.until("it stops leading", |scene| scene.leader().is_none());
    assert!(led <= seconds(times.renew_deadline) + SLACK, "{fault} ({engine}): {led:?}");
    let lost = Instant::now();
    scene.during(seconds(times.lease_duration + 2));
    let late = scene.calls(0).iter().filter(|call| call.at > lost).count();
    assert_eq!(late, 0, "{fault} ({engine}): calls without the right to poll");
    assert!(scene.is_complete(0), "{fault} ({engine}): what is known is served");
    assert_eq!(scene.leader(), None);
    assert!(scene.replicas[0].exporter.get("/").1.contains("paused: this replica could not renew its lease"));
    assert_eq!(scene.replicas[0].exporter.get("/-/ready").0, 200);
    assert!(scene.replicas[0].exporter.child.try_wait().unwrap().is_none(), "it does not exit");
    let back = Instant::now();
    mend();
    scene.until("one leads again", |scene| scene.leader().is_some());
    let gap = began.elapsed().saturating_sub(led);
    let leader = scene.leader().unwrap();
    assert!(
        back.elapsed() <= seconds(2 * times.lease_duration + 2 * times.retry_period) + SLACK,
        "{:?}",
        back.elapsed()
    );
    scene.until("it knows everything", |scene| scene.is_complete(leader));
    if leader == 1 {
        assert_eq!(scene.ended(0), Some(1), "the old one makes place");
    }
    scene.during(seconds(INTERVALS));
    row(
        &scene,
        fault,
        engine,
        times,
        gap,
        "after `renew_deadline` nothing is asked, and what is known is served; one leads when the engine is back",
    )
}

/// Two intervals of the collectors.
const INTERVALS: u64 = 2 * super::scene::INTERVAL + 1;

/// Three replicas, of which the leaders are killed and ended, within an hour of the plan: calls against those of one.
pub fn an_hour(engines: &Engines) -> Row {
    let lease = etcd_lease(&engines.etcd, "hour");
    let mut scene = Scene::new(move || lease.clone(), SHORT).pair();
    scene.join();
    let start = Instant::now();
    let planned: f64 = crate::support::of(&scene.replicas[0].seen, "avepoint_collector_planned_requests_per_second{")
        .map(|(_, rate)| rate)
        .sum();
    let before = scene.early().0;
    let mut gap = Duration::ZERO;
    for signal in ["KILL", "TERM"] {
        scene.during(seconds(12));
        scene.until("one leads", |scene| scene.leader().is_some());
        let leader = scene.leader().unwrap();
        scene.send(leader, signal);
        gap = gap.max(scene.until("another one leads", |scene| scene.leader().is_some()));
    }
    scene.during(seconds(60).saturating_sub(start.elapsed()));
    let made = (scene.early().0 - before) as f64;
    let plan = planned * start.elapsed().as_secs_f64();
    println!("{made} calls in {:?}, planned {plan:.0}", start.elapsed());
    assert!(made <= plan * 1.05, "{made} calls, planned {plan:.0}");
    assert_eq!(scene.changes(), 2, "two polled at once");
    row(
        &scene,
        "three replicas; the leader is killed, then the next one ends, within 15 intervals",
        "etcd",
        SHORT,
        gap,
        "at most 1.05 times the calls of one exporter",
    )
}

/// The lease and the state are the same blob: a late write of the old leader is refused.
pub fn one_blob(engines: &Engines) -> Row {
    let file = engines.azurite.url_file("one-blob");
    let (lease, state) = (
        format!("{{ azure_blob: {{ url_file: {file} }} }}"),
        format!("{{ azure_blob: {{ url_file: {file} }}, interval: 50ms }}"),
    );
    let mut scene = Scene::new(move || lease.clone(), AZURE).with_state(&state).pair();
    assert!(is_bare(&scene.replicas[1].seen));
    scene.send(0, "STOP");
    let gap = taken_over(&mut scene);
    scene.until("the second has saved", |scene| {
        let saved = lease_value(&scene.replicas[1].seen, "avepoint_exporter_state_last_save_timestamp_seconds");
        saved > Some(0.0) && engines.azurite.leader_of("one-blob").as_deref() == Some("replica-1")
    });
    scene.send(0, "CONT");
    assert_eq!(scene.ended(0), Some(1));
    assert_eq!(engines.azurite.leader_of("one-blob").as_deref(), Some("replica-1"), "the late write was refused");
    // Ended in order, it leaves all that it knows to the next.
    let third = scene.join();
    scene.until("the third stands by", |scene| is_bare(&scene.replicas[third].seen));
    scene.send(1, "TERM");
    scene.until("the third knows everything", |scene| scene.is_leading(third) && scene.is_complete(third));
    scene.polls(third);
    assert_eq!(scene.changes(), 2, "two polled at once");
    row(
        &scene,
        "the state is in the leased blob; the leader is frozen, another one writes",
        "Azure Blob",
        AZURE,
        gap,
        "a late write is refused; the next leader knows everything at once",
    )
}

/// A state blob beside a lease in another engine.
pub fn blob_of_its_own(engines: &Engines) -> Row {
    let lease = etcd_lease(&engines.etcd, "beside-a-blob");
    let state = format!("{{ azure_blob: {{ url_file: {} }}, interval: 50ms }}", engines.azurite.url_file("own-blob"));
    let mut scene = Scene::new(move || lease.clone(), SHORT).with_state(&state).pair();
    scene.send(0, "TERM");
    let gap = taken_over(&mut scene);
    scene.during(seconds(INTERVALS));
    let failures = lease_value(&scene.replicas[1].seen, "avepoint_exporter_state_save_failures_total");
    assert_eq!(failures, Some(0.0));
    row(
        &scene,
        "the state is in a blob of its own; the leader ends (SIGTERM)",
        "etcd",
        SHORT,
        gap,
        "the other one leads, and knows everything at once",
    )
}

type PlayOn = Box<dyn Fn(&Engines) -> Vec<Row> + Send + Sync>;
pub type Play = Box<dyn Fn() -> Vec<Row> + Send + Sync>;

/// All of them, the longest first.
pub fn all(engines: &Arc<Engines>) -> Vec<(String, Play)> {
    let mut plays: Vec<(String, Play)> = Vec::new();
    let mut add = |name: &str, play: PlayOn| {
        let engines = Arc::clone(engines);
        plays.push((name.to_owned(), Box::new(move || play(&engines))));
    };
    add("engine of etcd", Box::new(|_| engine_of_etcd()));
    add("an hour", Box::new(|engines| vec![an_hour(engines)]));
    add("engine frozen, Azure Blob", Box::new(|_| vec![engine_frozen("Azure Blob")]));
    add("one blob", Box::new(|engines| vec![one_blob(engines)]));
    for engine in ["etcd", "Kubernetes"] {
        add(&format!("killed, {engine}, defaults"), Box::new(move |engines| vec![killed(engines, engine, DEFAULTS)]));
        add(
            &format!("resigned, {engine}, defaults"),
            Box::new(move |engines| vec![resigned(engines, engine, DEFAULTS)]),
        );
    }
    for (engine, times) in [("Azure Blob", AZURE), ("etcd", SHORT), ("Kubernetes", SHORT)] {
        add(&format!("frozen, {engine}"), Box::new(move |engines| vec![frozen(engines, engine, times)]));
        add(&format!("killed, {engine}"), Box::new(move |engines| vec![killed(engines, engine, times)]));
        add(&format!("resigned, {engine}"), Box::new(move |engines| vec![resigned(engines, engine, times)]));
    }
    add("engine frozen, Kubernetes", Box::new(|_| vec![engine_frozen("Kubernetes")]));
    add("slow", Box::new(|engines| vec![slow(engines)]));
    add("blob of its own", Box::new(|engines| vec![blob_of_its_own(engines)]));
    plays
}

/// Sends a signal to a process.
impl Process {
    pub fn signal(&self, signal: &str) {
        if let Some(child) = &self.0 {
            signal_process(child.id(), signal);
        }
    }
}
