//! Benchmarks: full rendering, one change, and the assembly of a scrape, at 10,000, 100,000 and 1,000,000 series.
//!
//! `cargo bench --bench exposition`

mod support;

use avepoint_exporter::inventory::InventoryHandle;
use avepoint_exporter::metrics::{self, RenderSettings, Renderer};
use divan::Bencher;
use exposition::{Format, SnapshotHandle};
use tokio::sync::watch;

use support::{customers_for, inventory, noon, poll, some_ids};

const SERIES: [u32; 3] = [10_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

/// A full rendering.
#[divan::bench(args = SERIES, sample_count = 5, sample_size = 1)]
fn render(bencher: Bencher<'_, '_>, series: u32) {
    let inventories = [inventory(customers_for(series))];
    bencher.bench_local(|| metrics::render(&inventories, false, noon()));
}

fn update(bencher: Bencher<'_, '_>, series: u32, polls: usize, changed: bool) {
    let inventory = inventory(customers_for(series));
    let mut ids = some_ids(&inventory, 997).into_iter().cycle();
    let shared = [InventoryHandle::new(inventory, watch::channel(()).0)];
    let mut renderer = Renderer::default();
    let mut second = 0;
    let snapshots = SnapshotHandle::new();
    renderer.update(&shared, &RenderSettings::default(), noon(), |snapshot| snapshots.publish(snapshot));
    bencher.bench_local(|| {
        second += 1;
        for id in ids.by_ref().take(polls) {
            shared[0].update(|inventory| poll(inventory, &id, second, changed));
        }
        renderer.update(&shared, &RenderSettings::default(), noon(), |snapshot| snapshots.publish(snapshot));
    });
}

/// Changed values of one customer.
#[divan::bench(args = SERIES, sample_count = 200, sample_size = 1)]
fn one_change(bencher: Bencher<'_, '_>, series: u32) {
    update(bencher, series, 1, true);
}

/// A poll with unchanged values: only the time of the last success changes.
#[divan::bench(args = SERIES, sample_count = 200, sample_size = 1)]
fn one_poll_without_change(bencher: Bencher<'_, '_>, series: u32) {
    update(bencher, series, 1, false);
}

/// No poll.
#[divan::bench(args = SERIES, sample_count = 200, sample_size = 1)]
fn no_poll(bencher: Bencher<'_, '_>, series: u32) {
    update(bencher, series, 0, false);
}

/// A tenth of a second at 100 responses per second.
#[divan::bench(args = SERIES, sample_count = 100, sample_size = 1)]
fn ten_changes(bencher: Bencher<'_, '_>, series: u32) {
    update(bencher, series, 10, true);
}

/// The work of a scrape before its bytes are sent, without the exporter's own families.
#[divan::bench(args = SERIES)]
fn scrape(bencher: Bencher<'_, '_>, series: u32) {
    let exposition = metrics::render(&[inventory(customers_for(series))], false, noon());
    bencher.bench_local(|| exposition.scrape(Format::OpenMetrics, true, &[]));
}
