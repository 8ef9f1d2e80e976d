//! Customers that join, that leave, and that only seem to leave.

use elements::types::{Collector, TenantType};
use simulator::{BodyMutation, Fault, Operation, Rule, Settings, SimCustomer, SimRow, SimTenant};

use crate::support::{Exporter, Samples, Simulated, config, eventually, of, today, value};

const BUDGET: &str = "budget: { requests_per_second: 500, burst: 100, concurrency: 4 }";
/// The list and the tenants every second, the other collectors once.
const COLLECTORS: &str =
    "collectors:\n  services: { interval: 1s, max_age: 5m }\n  tenant_seats: { interval: 1s, max_age: 5m }\n";

fn targets(samples: &Samples, collector: &str, state: &str) -> f64 {
    let (collector, state) = (format!("collector=\"{collector}\""), format!("state=\"{state}\""));
    of(samples, "avepoint_collector_targets")
        .filter(|(series, _)| series.contains(&collector) && series.contains(&state))
        .map(|(_, count)| count)
        .sum()
}

fn is_known(samples: &Samples, customer: &str) -> bool {
    let id = format!("customer_id=\"{customer}\"");
    of(samples, "avepoint_customer_info").any(|(series, _)| series.contains(&id))
}

fn listings(simulator: &Simulated) -> u64 {
    simulator.requests().of(Operation::Api(Collector::Services))
}

#[test]
fn endpoints_that_an_environment_does_not_have_are_found_out_once() {
    let simulator = Simulated::start(Settings { legacy_endpoints: false, ..Settings::of_size(200, 3, today()) });
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, ""));
    let samples = exporter.wait_for("everything polled", |samples| {
        value(samples, "avepoint_customers{partner=\"main\"}") == Some(200.0)
            && Collector::ALL.iter().all(|collector| targets(samples, collector.as_str(), "pending") == 0.0)
    });
    for collector in [Collector::CustomerSeats, Collector::ProductsAvailable] {
        let asked = simulator.requests().of(Operation::Api(collector));
        let absent = targets(&samples, collector.as_str(), "absent");
        println!("{}: {absent} absent after {asked} requests", collector.as_str());
        // Fifty are enough; the budget allows as many more in flight.
        assert!((50..=54).contains(&asked), "{asked} requests");
        assert!(absent > 50.0);
        assert!(
            targets(&samples, collector.as_str(), "failing") + targets(&samples, collector.as_str(), "fresh") == 0.0
        );
    }
    assert!(of(&samples, "avepoint_collector_poll_failures_total").all(|(_, failures)| failures == 0.0));
    assert!(targets(&samples, "tenant_seats", "fresh") > 100.0);
}

#[test]
fn customers_and_tenants_come_change_and_go() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    let client = Settings::CLIENT.0;
    let first = simulator.with_dataset(client, |dataset| dataset.customers[0].id.clone()).unwrap();
    exporter.wait_for("the first customer", |samples| is_known(samples, &first));

    simulator.with_dataset(client, |dataset| {
        dataset.customers.push(SimCustomer {
            tenants: vec![SimTenant::new(TenantType::Microsoft365, "tenant", "Tenant", 7, 3)],
            rows: vec![SimRow::new("Cloud Backup for Microsoft 365")],
            ..SimCustomer::new("newcomer", "New \"quoted\" \\ name\nof two lines")
        });
    });
    let seats = "avepoint_tenant_seats_assigned{partner=\"main\",customer_id=\"newcomer\",tenant_type=\"microsoft365\",tenant_id=\"tenant\"}";
    let samples = exporter.wait_for("the newcomer's seats", |samples| value(samples, seats) == Some(7.0));
    let name = "avepoint_customer_info{partner=\"main\",customer_id=\"newcomer\",customer_name=\"New \\\"quoted\\\" \\\\ name\\nof two lines\"}";
    assert_eq!(value(&samples, name), Some(1.0));

    simulator.with_dataset(client, |dataset| dataset.customer_mut("newcomer").unwrap().tenants[0].assigned = 9);
    exporter.wait_for("the changed seats", |samples| value(samples, seats) == Some(9.0));

    simulator.with_dataset(client, |dataset| dataset.customer_mut("newcomer").unwrap().tenants.clear());
    exporter.wait_for("the tenant is gone", |samples| value(samples, seats).is_none() && is_known(samples, "newcomer"));

    simulator.with_dataset(client, |dataset| dataset.remove("newcomer"));
    let samples = exporter.wait_for("the newcomer is gone", |samples| !is_known(samples, "newcomer"));
    assert!(!samples.keys().any(|series| series.contains("newcomer")), "no series outlives its customer");
    assert!(is_known(&samples, &first));
}

/// The API answers 404 for a customer that it has not set up yet.
#[test]
fn a_first_404_of_a_newcomer_is_not_believed_for_a_day() {
    let simulator = Simulated::start(Settings::of_size(5, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    exporter.wait_for_logged("first pass complete");
    let tenant_seats = Operation::Api(Collector::TenantSeats);
    simulator.faults().set(vec![Rule::new(Fault::Status(404)).on(tenant_seats).of_customer("newcomer").first(1)]);
    simulator.with_dataset(Settings::CLIENT.0, |dataset| {
        dataset.customers.push(SimCustomer {
            tenants: vec![SimTenant::new(TenantType::Microsoft365, "tenant", "Tenant", 7, 3)],
            rows: vec![SimRow::new("Cloud Backup for Microsoft 365")],
            ..SimCustomer::new("newcomer", "Newcomer")
        });
    });
    let seats = "avepoint_tenant_seats_assigned{partner=\"main\",customer_id=\"newcomer\",tenant_type=\"microsoft365\",tenant_id=\"tenant\"}";
    exporter.wait_for("the newcomer's seats", |samples| value(samples, seats) == Some(7.0));
    assert_eq!(simulator.faults().matched(), [1]);
}

/// 30 customers, of which 20 are polled.
#[test]
fn beyond_the_bound_nobody_is_added_and_nobody_removed() {
    let simulator = Simulated::start(Settings::of_size(30, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let partner = format!("{BUDGET}\ncustomers: {{ max: 20 }}");
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, &partner, COLLECTORS));
    let customers = |samples: &Samples| value(samples, "avepoint_customers{partner=\"main\"}");
    let listed = |samples: &Samples| {
        value(samples, "avepoint_discovery_last_success_timestamp_seconds{partner=\"main\"}").unwrap_or(0.0)
    };
    let samples = exporter.wait_for("a listing", |samples| listed(samples) > 0.0);
    assert_eq!(customers(&samples), Some(20.0));
    assert_eq!(exporter.get("/-/ready").0, 200);
    // The page and its JSON may be some seconds old.
    let left_out = |count: u64| {
        let expected = format!("\"left_out\":{count}");
        eventually(|| {
            let (_, status) = exporter.get("/api/v1/status");
            if status.contains(&expected) { Ok(()) } else { Err(format!("{expected} in {status}")) }
        });
    };
    left_out(10);
    assert!(exporter.get("/").1.contains("10 customers are left out"));

    // One listing later, the customer that left is still there, and no other has taken its place.
    let known = |id: &String| is_known(&samples, id);
    let leaver = simulator.with_dataset(Settings::CLIENT.0, |dataset| {
        let leaver = dataset.customers.iter().map(|customer| customer.id.clone()).find(known).unwrap();
        dataset.remove(&leaver);
        leaver
    });
    let leaver = leaver.unwrap();
    let removed = listed(&exporter.samples());
    let samples = exporter.wait_for("two listings", |samples| listed(samples) > removed + 2.0);
    assert_eq!((customers(&samples), is_known(&samples, &leaver)), (Some(20.0), true));
    left_out(10);

    // With room for all customers, it is removed.
    let wide = config(&simulator, &format!("{BUDGET}\ncustomers: {{ max: 40 }}"), COLLECTORS);
    std::fs::write(folder.path().join("config.yaml"), wide).unwrap();
    let hup = std::process::Command::new("kill").args(["-HUP", &exporter.child.id().to_string()]).status();
    assert!(hup.unwrap().success());
    exporter.wait_for("everybody", |samples| customers(samples) == Some(29.0) && !is_known(samples, &leaver));
    left_out(0);
}

#[test]
fn who_slips_between_two_pages_stays() {
    let simulator = Simulated::start(Settings::of_size(250, 2, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    let customers = "avepoint_customers{partner=\"main\"}";
    exporter.wait_for("everybody", |samples| value(samples, customers) == Some(250.0));
    for fault in [Fault::CustomerLeaves, Fault::CustomerJoins] {
        simulator.faults().set(vec![Rule::new(fault.clone())]);
        let end = listings(&simulator) + 12;
        while listings(&simulator) < end {
            let count = value(&exporter.samples(), customers).unwrap();
            // The service does not know the new customer by its id.
            assert!((250.0..=251.0).contains(&count), "{fault:?}: {count} customers");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[test]
fn who_is_left_out_of_an_answer_that_is_cut_short_stays() {
    let services = || Operation::Api(Collector::Services);
    let simulator = Simulated::start(Settings::of_size(30, 2, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    let customers = |samples: &Samples| value(samples, "avepoint_customers{partner=\"main\"}");
    exporter.wait_for("everybody", |samples| customers(samples) == Some(30.0));
    let no_total = Fault::Mutated(BodyMutation::Without { field: "totalCount", every: 1 });
    for cut in [Fault::EmptyPage(2), Fault::Mutated(BodyMutation::Without { field: "metadata", every: 1 })] {
        let faults = [Fault::SmallPages(5), no_total.clone(), cut];
        simulator.faults().set(faults.into_iter().map(|fault| Rule::new(fault).on(services())).collect());
        let end = listings(&simulator) + 40;
        while listings(&simulator) < end {
            assert_eq!(customers(&exporter.samples()), Some(30.0));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

#[test]
fn who_the_api_refuses_to_speak_of_leaves_the_second_time() {
    let simulator = Simulated::start(Settings::of_size(10, 2, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &config(&simulator, BUDGET, COLLECTORS));
    exporter.wait_for("everybody", |samples| value(samples, "avepoint_customers{partner=\"main\"}") == Some(10.0));
    simulator.faults().set(vec![Rule::new(Fault::RefuseIds)]);
    let gone = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.customers.remove(3).id).unwrap();
    exporter.wait_for("it leaves", |samples| !is_known(samples, &gone));
    let refusals = simulator.requests().answered(Operation::Api(Collector::Services), 403);
    assert!(refusals >= 2, "it left after {refusals} refusals");
}

#[test]
fn one_of_the_list_whom_the_api_refuses_to_speak_of_costs_the_others_nothing() {
    let services = Operation::Api(Collector::Services);
    let simulator = Simulated::start(Settings::of_size(40, 2, today()));
    simulator.faults().set(vec![Rule::new(Fault::RefuseUnknownIds)]);
    let ids: Vec<_> = simulator
        .with_dataset(Settings::CLIENT.0, |dataset| {
            dataset.customers.iter().map(|customer| customer.id.clone()).collect()
        })
        .unwrap();
    let ids: Vec<String> = ids;
    let list = [&ids[..], &["gone".to_owned()]].concat().iter().map(|id| format!("{{ id: {id} }}")).collect::<Vec<_>>();
    let customers = format!("{BUDGET}\ncustomers: {{ discover: false, list: [{}] }}", list.join(", "));
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, &customers, COLLECTORS));
    let listed = |samples: &Samples| {
        of(samples, "avepoint_collector_last_success_timestamp_seconds")
            .filter(|(series, _)| series.contains("collector=\"services\""))
            .count()
    };
    exporter.wait_for("everybody else", |samples| listed(samples) == ids.len());
    exporter.wait_for_logged("the service list does not contain this customer");
    let refusals = || simulator.requests().answered(services, 403);
    let (asked, refused) = (listings(&simulator), refusals());
    exporter.wait_for("ten more requests", |_| listings(&simulator) >= asked + 10);
    let (refused, asked) = (refusals() - refused, listings(&simulator) - asked);
    assert!(refused * 2 <= asked + 2, "{refused} refusals in {asked} requests: who is refused is asked for apart");

    // If all are refused, the cause is not one of them.
    simulator.faults().set(vec![Rule::new(Fault::RefuseIds)]);
    exporter.wait_for("the listing fails", |samples| targets(samples, "services", "failing") > 0.0);
    assert_eq!(listed(&exporter.samples()), ids.len(), "what is known stays");
}

#[test]
fn an_id_of_the_list_in_another_letter_case_is_told() {
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    let id = simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.customers[0].id.clone()).unwrap();
    let list = format!("{BUDGET}\ncustomers: {{ list: [{{ id: {} }}] }}", id.to_ascii_uppercase());
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::with_config(folder.path(), &config(&simulator, &list, ""));
    exporter.wait_for_logged(&format!("it contains {id}; use that spelling"));
}
