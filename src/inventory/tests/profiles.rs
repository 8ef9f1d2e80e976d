//! The list of customers, and collectors that are not granted.

use elements::types::{
    BackupJob, CustomerJobStatus, JobKey, JobStatus, ListedFacts, ListedRow, ManagementMode, Profile,
};

use super::*;
use crate::inventory::PriorState;

fn enabled(collectors_enabled: &[Collector]) -> Arc<CollectorSettings> {
    let schedule = Schedule { enabled: true, interval: HOUR / 4, max_age: HOUR };
    let optional = collectors_enabled.iter().map(|&collector| (collector, schedule)).collect();
    Arc::new(CollectorSettings { optional, ..CollectorSettings::clone(&collectors()) })
}

fn empty() -> Inventory {
    Inventory::new("main".into(), enabled(&[Collector::Customers, Collector::BackupJobs]), true, &[])
}

fn row(id: &str, name: Option<&str>, profile: Profile) -> ListedRow {
    ListedRow { id: id.into(), name: name.map(Into::into), facts: ListedFacts::Profile(Box::new(profile)) }
}

fn profiled(id: &str, name: &str) -> ListedRow {
    row(id, Some(name), Profile { job_status: Some(CustomerJobStatus::Working), ..Profile::default() })
}

fn ids(ids: &[&str]) -> HashSet<CustomerId> {
    ids.iter().map(|&id| id.into()).collect()
}

fn known_ids(inventory: &Inventory) -> Vec<&str> {
    inventory.customers.keys().map(CustomerId::as_str).collect()
}

#[test]
fn a_profile_is_removed_by_the_second_list_that_lacks_it() {
    let mut inventory = empty();
    inventory.upsert_listed(listed("a", Some("A")), at(0));
    inventory.complete_listing(&ids(&["a"]), at(0));
    for id in ["a", "b"] {
        inventory.upsert_row(profiled(id, "from the list of customers"), at(0));
    }
    assert!(inventory.complete_list(Collector::Customers, Some(&ids(&["a", "b"])), at(0)).is_empty());
    assert_eq!(&*inventory.customers[&"a".into()].name, "A", "the name of the service list wins");
    assert!(inventory.customers[&"b".into()].is_unlisted());

    assert!(
        inventory.complete_list(Collector::Customers, Some(&ids(&[])), at(900)).is_empty(),
        "one list is not enough"
    );
    let gone = inventory.complete_list(Collector::Customers, Some(&ids(&[])), at(1800));
    assert_eq!(gone.iter().map(|customer| customer.id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(known_ids(&inventory), ["a"]);
    assert!(inventory.customers[&"a".into()].profile().is_none());
    assert_eq!(inventory.customers[&"a".into()].last_success(Collector::Customers), None);
}

#[test]
fn a_field_that_a_row_lacks_removes_nothing() {
    let mut inventory = empty();
    let full = Profile {
        job_status: Some(CustomerJobStatus::Failed),
        country: "Norway".into(),
        management_mode: Some(ManagementMode::Partner),
        tenants: [("t".into(), "one.example".into())].into(),
    };
    let known = |inventory: &Inventory| {
        let customer = &inventory.customers[&"a".into()];
        (customer.last_success(Collector::Customers).unwrap(), customer.profile().cloned().unwrap())
    };
    inventory.upsert_row(row("a", Some("A"), full.clone()), at(0));
    inventory.upsert_row(row("a", None, Profile::default()), at(900));
    assert_eq!(known(&inventory), (at(0), full.clone()), "an id alone says nothing new: the profile keeps its age");
    assert_eq!(&*inventory.customers[&"a".into()].name, "A");

    let status = Profile { job_status: Some(CustomerJobStatus::Working), ..Profile::default() };
    inventory.upsert_row(row("a", None, status.clone()), at(1800));
    assert_eq!(known(&inventory), (at(1800), Profile { job_status: status.job_status, ..full.clone() }));
    let moved = Profile { country: "France".into(), ..Profile::default() };
    inventory.upsert_row(row("a", None, moved.clone()), at(2700));
    let expected = Profile { country: moved.country, ..Profile { job_status: status.job_status, ..full } };
    assert_eq!(known(&inventory), (at(1800), expected.clone()), "a new country makes the job status no newer");

    let tenants = |tenants: &[(&str, &str)]| tenants.iter().map(|&(id, name)| (id.into(), name.into())).collect();
    for (row_has, known_then) in [
        (
            tenants(&[("t", ""), ("u", "two.example"), ("v", "")]),
            &[("t", "one.example"), ("u", "two.example"), ("v", "")][..],
        ),
        (tenants(&[("u", "")]), &[("u", "two.example")]),
    ] {
        inventory.upsert_row(row("a", None, Profile { tenants: row_has, ..Profile::default() }), at(3600));
        let expected = Profile { tenants: tenants(known_then), ..expected.clone() };
        assert_eq!(known(&inventory), (at(1800), expected), "a tenant keeps its name, as long as it is there");
    }
}

#[test]
fn a_list_has_one_target_which_may_be_not_granted() {
    let mut inventory = empty();
    inventory.upsert_listed(listed("a", None), at(0));
    inventory.plan(&"a".into(), &[Query::BackupJobs]);
    let state = |inventory: &Inventory, collector| {
        let counts = inventory.targets(collector, at(10));
        counts.iter().filter(|&(_, count)| count > 0).collect::<Vec<_>>()
    };
    assert_eq!(state(&inventory, Collector::Customers), [(TargetStatus::Pending, 1)]);
    inventory.list_mut(Collector::Customers).unwrap().record_failure(FailureReason::Timeout, at(1));
    assert_eq!(state(&inventory, Collector::Customers), [(TargetStatus::Failing, 1)]);
    inventory.complete_list(Collector::Customers, Some(&ids(&[])), at(2));
    assert_eq!(state(&inventory, Collector::Customers), [(TargetStatus::Fresh, 1)]);
    inventory.not_granted.extend([Collector::Customers, Collector::BackupJobs]);
    for collector in [Collector::Customers, Collector::BackupJobs] {
        assert_eq!(state(&inventory, collector), [(TargetStatus::NotGranted, 1)]);
    }
    assert_eq!(state(&inventory, Collector::BackupOverview), []);
}

#[test]
fn an_earlier_configuration_leaves_what_is_still_wanted() {
    let mut before = empty();
    before.upsert_listed(listed("a", Some("A")), at(0));
    before.plan(&"a".into(), &[Query::BackupJobs]);
    let job = BackupJob {
        key: JobKey { job_type: 1, job_module: 2, plan: "Daily".into() },
        status: Some(JobStatus::Failed),
        objects: [None; 4],
        duration: None,
        started: None,
        ended: Some(at(0).into()),
        size: None,
    };
    before.record_success(&"a".into(), Query::BackupJobs, Observation::BackupJobs([job].into()), at(0));
    for id in ["a", "b"] {
        before.upsert_row(profiled(id, "B"), at(0));
    }
    before.complete_list(Collector::Customers, Some(&ids(&["a", "b"])), at(0));
    before.not_granted.insert(Collector::BackupJobs);

    let mut after = empty();
    after.restore(PriorState::from(before.clone()), |_, _| true, at(5));
    assert_eq!(known_ids(&after), ["a", "b"]);
    assert_eq!(after.lists[&Collector::Customers].completed, Some(at(0)));
    assert!(after.not_granted.is_empty(), "a new start asks again");

    let mut without = Inventory::new("main".into(), enabled(&[]), true, &[]);
    without.restore(PriorState::from(before), |_, _| true, at(5));
    assert_eq!(known_ids(&without), ["a"], "nothing would ever remove b");
    assert!(without.customers[&"a".into()].profile().is_none() && without.lists.is_empty());
}

#[test]
fn an_empty_list_of_jobs_is_believed_the_second_time() {
    let mut inventory = empty();
    inventory.upsert_listed(listed("a", None), at(0));
    inventory.plan(&"a".into(), &[Query::BackupJobs]);
    let job = BackupJob {
        key: JobKey { job_type: 1, job_module: 2, plan: "Daily".into() },
        status: None,
        objects: [None; 4],
        duration: None,
        started: None,
        ended: None,
        size: None,
    };
    let mut succeed =
        |observation, second| inventory.record_success(&"a".into(), Query::BackupJobs, observation, at(second));
    assert!(succeed(Observation::BackupJobs([].into()), 0));
    assert!(succeed(Observation::BackupJobs([job].into()), 1));
    assert!(!succeed(Observation::BackupJobs([].into()), 2));
    assert!(succeed(Observation::BackupJobs([].into()), 3));
}
