//! The families of the optional collectors.

use std::path::Path;

use elements::types::{
    BackupJob, Collector, CustomerJobStatus, JobKey, JobStatus, ListedFacts, ListedRow, ManagementMode, Profile,
    ProtectedObjects,
};

use super::*;

/// A customer with a value of every kind, and one that has no backup.
fn inventory() -> Inventory {
    let schedule = Schedule { enabled: true, interval: HOUR, max_age: 4 * HOUR };
    let optional = [Collector::BackupJobs, Collector::BackupOverview].map(|collector| (collector, schedule));
    let collectors = CollectorSettings { optional: optional.into(), ..collectors() };
    let mut inventory = Inventory::new("main".into(), Arc::new(collectors), true, &[]);
    for id in ["a", "b"] {
        inventory.upsert_listed(ListedCustomer { id: id.into(), name: None, subscriptions: Some(vec![]) }, at(0));
        inventory.plan(&id.into(), &[Query::BackupJobs, Query::BackupOverview]);
    }
    inventory.complete_listing(&["a".into(), "b".into()].into(), at(0));
    let job = |plan: &str, status| BackupJob {
        key: JobKey { job_type: 1, job_module: 4, plan: plan.into() },
        status,
        objects: [quantity(2423.0), quantity(7.0), quantity(0.0), None],
        duration: quantity(4410.0),
        started: Some(at(-4410).into()),
        ended: Some(at(0).into()),
        size: quantity(0.5 * GIB),
    };
    let nameless = BackupJob { objects: [None; 4], duration: None, ended: None, size: None, ..job("", None) };
    let jobs = [nameless, job("Daily \"one\"", Some(JobStatus::FinishedWithException))];
    inventory.record_success(&"a".into(), Query::BackupJobs, Observation::BackupJobs(jobs.into()), at(1));
    let module = ProtectedObjects {
        service_type: 1,
        service_module: 3,
        scanned: quantity(120.0),
        protected: quantity(118.0),
        stored: [quantity(143.5 * GIB), None],
    };
    inventory.record_success(&"a".into(), Query::BackupOverview, Observation::BackupOverview([module].into()), at(2));
    inventory.record_success(&"b".into(), Query::BackupOverview, Observation::BackupOverview([].into()), at(3));
    inventory
}

#[test]
fn a_scrape_with_backups_is_as_it_was() {
    let text = text_of(&render(&[inventory()], false, at(10)).scrape(Format::Text, false, &[]));
    parse(&text, false).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let lines: Vec<_> =
        text.lines().filter(|line| line.contains("avepoint_backup_") || line.contains("backup_")).collect();
    golden::compare(Path::new("tests/golden/backups.prom"), &(lines.join("\n") + "\n"));
}

#[test]
fn a_collector_that_is_not_granted_has_that_state_and_no_other() {
    let mut inventory = inventory();
    inventory.not_granted.insert(Collector::BackupJobs);
    let families = scrape(&render(&[inventory], false, at(10)), Format::Text, &[]);
    let counts = samples(families).into_iter().filter(|sample| sample.name == catalog::COLLECTOR_TARGETS.name);
    let of_jobs: BTreeMap<_, _> = counts
        .filter(|sample| sample.labels.iter().any(|(_, value)| value == "backup_jobs"))
        .map(|sample| (sample.labels[2].1.clone(), sample.value))
        .collect();
    assert_eq!(of_jobs.get("not_granted"), Some(&2.0));
    assert_eq!(of_jobs.values().sum::<f64>(), 2.0, "{of_jobs:?}");
}

/// Customers of both lists, of the list of customers alone, and with a row that says nothing.
#[test]
fn a_scrape_with_the_list_of_customers_is_as_it_was() {
    let schedule = Schedule { enabled: true, interval: HOUR, max_age: 4 * HOUR };
    let collectors = CollectorSettings { optional: [(Collector::Customers, schedule)].into(), ..collectors() };
    let mut inventory = Inventory::new("main".into(), Arc::new(collectors), true, &[]);
    for id in ["a", "c"] {
        inventory.upsert_listed(ListedCustomer { id: id.into(), name: None, subscriptions: Some(vec![]) }, at(0));
    }
    inventory.complete_listing(&["a".into(), "c".into()].into(), at(0));
    let profile = |job_status, country: &str, management_mode| Profile {
        job_status: Some(job_status),
        country: country.into(),
        management_mode: Some(management_mode),
        ..Profile::default()
    };
    let listed = [
        ("a", "One \"1\"", profile(CustomerJobStatus::Working, "Germany", ManagementMode::ALL[0])),
        ("b", "Two", profile(CustomerJobStatus::MultipleIssues, "", ManagementMode::Unknown)),
        ("c", "Three", Profile::default()),
    ];
    for (id, name, profile) in listed {
        let facts = ListedFacts::Profile(Box::new(profile));
        inventory.upsert_row(ListedRow { id: id.into(), name: Some(name.into()), facts }, at(1));
    }
    inventory.complete_list(Collector::Customers, Some(&["a".into(), "b".into(), "c".into()].into()), at(1));
    let text = text_of(&render(&[inventory], false, at(10)).scrape(Format::Text, false, &[]));
    parse(&text, false).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let is_of_customers = |line: &&str| line.contains("avepoint_customer_") || line.contains("collector=\"customers\"");
    let lines: Vec<_> = text.lines().filter(is_of_customers).collect();
    golden::compare(Path::new("tests/golden/customers.prom"), &(lines.join("\n") + "\n"));
}
