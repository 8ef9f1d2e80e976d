//! Measures the resident memory of a partner's values, its poll queue and its exposition: at rest, and during polling.
//!
//! `cargo bench --bench memory [SERIES [SECONDS [NAMES]]]`, by default 1,000,000 series and a minute of polls; with NAMES,
//! all names have that many characters of four bytes and differ (512 is where they are cut). Every poll
//! returns other numbers; ten polls are published together.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, prints, and may panic"
)]

mod support;

use std::time::{Duration, Instant};

use avepoint_exporter::inventory::InventoryHandle;
use avepoint_exporter::metrics::{RenderSettings, Renderer};
use avepoint_exporter::polling::PollQueue;
use elements::types::Target;
use exposition::SnapshotHandle;
use tokio::sync::watch;

use support::{cpu_time, customers_for, inventory_with_names, noon, peak, poll, resident};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |index: usize, default: u32| arguments.get(index).map_or(default, |text| text.parse().unwrap());
    let (series, seconds, characters) = (number(0, 1_000_000), number(1, 60), number(2, 0));

    let start = resident();
    let inventory = inventory_with_names(customers_for(series), characters as usize);
    let known = resident();
    let mut queue = PollQueue::default();
    let mut targets = 0;
    for (id, customer) in &inventory.customers {
        for &(query, _) in &customer.targets {
            targets += 1;
            queue.add(Target::Customer(id.clone(), query), noon() + Duration::from_secs(targets % 900));
        }
    }
    let planned = resident();
    let ids: Vec<_> = inventory.customers.keys().cloned().collect();
    let shared = [InventoryHandle::new(inventory, watch::channel(()).0)];
    let snapshots = SnapshotHandle::new();
    let mut renderer = Renderer::default();
    let began = Instant::now();
    let mut update = || {
        renderer.update(&shared, &RenderSettings::default(), noon(), |snapshot| snapshots.publish(snapshot));
    };
    update();
    let took = began.elapsed();
    let series = snapshots.get().series();
    let complete = resident();
    let each = |bytes: u64| bytes as f64 / series as f64;
    println!(
        "{series} series, {} customers, {targets} targets; rendered in {took:?}\nbytes a series: inventory {:.1}, queue \
         {:.1}, exposition {:.1}, all {:.1}, at most {:.1}",
        ids.len(),
        each(known - start),
        each(planned - known),
        each(complete - planned),
        each(complete),
        each(peak()),
    );
    let (mut second, mut polls, mut updates, mut spent) = (0, 0, 0, Duration::ZERO);
    let began = Instant::now();
    let mut told = 0;
    // Not in the order of the ids, as in practice.
    let mut next = ids.iter().step_by(7).chain(ids.iter().step_by(11)).cycle();
    while told < seconds {
        second += 1;
        for id in next.by_ref().take(10) {
            shared[0].update(|inventory| poll(inventory, id, second, true));
            let due = queue.next_due().unwrap();
            let target = queue.take_due(due).unwrap();
            queue.finish(&target, due + Duration::from_mins(15), false);
            polls += 1;
        }
        let before = cpu_time();
        update();
        spent += cpu_time().saturating_sub(before);
        updates += 1;
        if began.elapsed().as_secs() >= u64::from(told) + u64::from(seconds.div_ceil(6)) {
            told += seconds.div_ceil(6);
            println!(
                "after {polls} polls: all {:.1}, at most {:.1}; an update {:?}",
                each(resident()),
                each(peak()),
                spent / updates
            );
        }
    }
}
