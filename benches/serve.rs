//! Serves `/metrics` of a simulated partner for a comparison of scrapes. It does not poll; the bytes are those of the
//! daemon.
//!
//! `cargo bench --bench serve -- PORT SERIES [CHANGES_PER_SECOND] [FOLDER]` serves until it is killed. It prints its
//! memory usage, and writes the response of a scrape to the folder, as text and as gzip, for another server to send.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, prints, and may panic"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use avepoint_exporter::inventory::InventoryHandle;
use avepoint_exporter::metrics::{RenderSettings, Renderer};
use avepoint_exporter::web::Role;
use avepoint_exporter::web::readiness::ReadyLatch;
use avepoint_exporter::web::{self, AppState};
use elements::clock::Clock;
use exporter_toolkit::{Access, ExternalUrl, Options};
use exposition::{Format, SnapshotHandle};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::sync::watch;

use support::{cpu_time, customers_for, inventory, noon, poll, resident, some_ids};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<u32>().ok());
    let (Some(port), Some(series)) = (number(0), number(1)) else {
        println!("usage: serve PORT SERIES [CHANGES_PER_SECOND] [FOLDER]");
        return;
    };
    let changes = number(2).unwrap_or(0);

    let start = resident();
    let inventory = inventory(customers_for(series));
    let customers = inventory.customers.len();
    let known = resident();
    let ids = some_ids(&inventory, 997);
    let shared = [InventoryHandle::new(inventory, watch::channel(()).0)];
    let snapshots = SnapshotHandle::new();
    let mut renderer = Renderer::default();
    let started = Instant::now();
    renderer.update(&shared, &RenderSettings::default(), noon(), |snapshot| snapshots.publish(snapshot));
    let took = started.elapsed();
    let exposition = snapshots.get();
    let series = exposition.series();
    let with_lines = resident();
    if let Some(folder) = arguments.get(3) {
        let body = |gzip| exposition.scrape(Format::Text, gzip, &[]).chunks.concat();
        std::fs::write(format!("{folder}/metrics"), body(false)).unwrap();
        std::fs::write(format!("{folder}/metrics.gz"), body(true)).unwrap();
        for gzip in [false, true] {
            let chunks = exposition.scrape(Format::Text, gzip, &[]).chunks;
            println!("gzip {gzip}: {} pieces, {} bytes", chunks.iter().count(), chunks.concat().len());
        }
    }
    drop(exposition);
    let each = move |bytes: u64| bytes as f64 / series as f64;
    println!(
        "{series} series of {customers} customers, rendered in {took:?}; resident bytes a series: inventory {:.0}, \
         exposition {:.0}, all {:.0}",
        each(known - start),
        each(with_lines - known),
        each(with_lines)
    );

    let state = AppState {
        exposition: snapshots.clone(),
        self_metrics: {
            let registry = Registry::new();
            registry.register(Box::new(ProcessCollector::for_self())).unwrap();
            Arc::new(move || registry.gather())
        },
        readiness: Arc::new(|| std::iter::empty().collect()),
        health: Arc::new(|| Ok(())),
        role: Arc::new(Role::default),
        inventories: Arc::new(Vec::new),
        clock: Clock::start(),
        ready_latch: ReadyLatch::default(),
        config_yaml: Arc::new(String::new),
        telemetry_path: "/metrics".to_owned(),
        simulated: false,
        reload: None,
        external_url: ExternalUrl::default(),
    };
    if changes > 0 {
        std::thread::spawn(move || {
            let mut ids = ids.iter().cycle();
            let (mut second, mut spent, mut updates) = (0, Duration::ZERO, 0);
            loop {
                std::thread::sleep(Duration::from_millis(100));
                second += 1;
                for id in ids.by_ref().take(changes as usize / 10) {
                    shared[0].update(|inventory| poll(inventory, id, second, true));
                }
                let before = cpu_time();
                renderer.update(&shared, &RenderSettings::default(), noon(), |snapshot| {
                    snapshots.publish(snapshot);
                });
                spent += cpu_time().saturating_sub(before);
                updates += 1;
                if updates % 100 == 0 {
                    println!(
                        "CPU time of an update: {:?}; resident bytes a series: {:.0}",
                        spent / updates,
                        each(resident())
                    );
                }
            }
        });
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = exporter_toolkit::bind(&format!("127.0.0.1:{port}")).unwrap();
        println!("listening");
        let access = Access::load(None).unwrap();
        let router = web::router(state).unwrap();
        exporter_toolkit::serve(vec![listener], router, Options::new(access), std::future::pending()).await.unwrap();
    });
}
