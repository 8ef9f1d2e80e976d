//! Benchmarks: decoding a page of the service list, and the poll queue with a million targets.
//!
//! `cargo bench --bench polling`

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::time::Duration;

use avepoint_exporter::polling::PollQueue;
use divan::Bencher;
use divan::counter::BytesCount;
use elements::decode;
use elements::types::{CustomerId, Query, Target, TenantType};
use jiff::Timestamp;
use serde_json::json;

const TARGETS: [i64; 3] = [10_000, 100_000, 1_000_000];

fn main() {
    divan::main();
}

/// 100 customers with 8 subscriptions each, in the format of live responses.
fn page() -> String {
    let services = ["Cloud Backup for Microsoft 365", "Cloud Governance", "Opus", "Fly"];
    let product = |index: usize| {
        json!({
            "service": services.get(index % 4),
            "subscriptionModel": "User subscription", "subscriptionName": format!("Plan {index}"), "package": "Premium",
            "source": "Direct", "paymentType": "Annual", "storage": "AvePoint", "retention": "Unlimited",
            "purchasedUserSeats": "1,250", "purchasedUnits": "N/A", "purchasedCapacity": "12.5/1024 GB",
            "protectedCapacity": "380.25 GB", "consumedStorage": "1.5 TB", "microsoftLicenseAssigned": "1,019",
            "microsoftLicenseAvailable": "231", "change": "-12", "expirationDate": "2027-03-01T00:00:00Z",
            "contractEndDate": "2027-09-30",
        })
    };
    let customer = |index: usize| {
        json!({
            "customerId": format!("1c10525c-121b-4bbc-80a4-2e641bc1{index:04}"),
            "organization": format!("Customer {index} & Söhne"), "ownerEmail": "somebody@example.com",
            "products": (0..8).map(product).collect::<Vec<_>>(),
        })
    };
    json!({ "data": (0..100).map(customer).collect::<Vec<_>>(), "totalCount": 20_000, "pageSize": 100 }).to_string()
}

#[divan::bench]
fn decode_a_page_of_100_customers(bencher: Bencher<'_, '_>) {
    let page = page();
    assert_eq!(decode::services(page.as_bytes()).unwrap().value.rows.len(), 100);
    bencher.counter(BytesCount::new(page.len())).bench_local(|| decode::services(page.as_bytes()));
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn target(index: i64) -> Target {
    Target::Customer(CustomerId::from(format!("{index:036}").as_str()), Query::TenantSeats(TenantType::Microsoft365))
}

/// Takes the longest overdue target, and reschedules it one interval plus jitter later, as the backoff does.
#[divan::bench(args = TARGETS, sample_count = 100, sample_size = 1000)]
fn take_and_put_back(bencher: Bencher<'_, '_>, targets: i64) {
    let mut queue = PollQueue::default();
    for index in 0..targets {
        queue.add(target(index), at(index % 900));
    }
    let mut rng = fastrand::Rng::with_seed(1);
    bencher.bench_local(|| {
        let due = queue.next_due().unwrap();
        let taken = queue.take_due(due).unwrap();
        queue.finish(&taken, due + Duration::from_micros(rng.u64(900_000_000..945_000_000)), false);
    });
}

/// Builds the queue from nothing, as a restart does.
#[divan::bench(args = TARGETS, sample_count = 3, sample_size = 1)]
fn fill(bencher: Bencher<'_, '_>, targets: i64) {
    let all: Vec<_> = (0..targets).map(target).collect();
    bencher.bench_local(|| {
        let mut queue = PollQueue::default();
        for (index, target) in (0..).zip(&all) {
            queue.add(target.clone(), at(index % 900));
        }
        queue
    });
}
