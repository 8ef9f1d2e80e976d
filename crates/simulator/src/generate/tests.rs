use std::collections::BTreeSet;

use elements::types::{Quantity, ServiceInfo};
use jiff::civil::date;

use super::*;
use crate::SimRow;

const TODAY: Date = date(2026, 2, 10);

fn dataset(customers: u32) -> Dataset {
    Generator::new(7, customers, TODAY).dataset()
}

fn customer(case: Scenario) -> SimCustomer {
    dataset(24).customers.swap_remove(case.index())
}

/// Days from today to a row's expiration.
fn days(row: &SimRow) -> Option<i64> {
    let start = jiff::tz::TimeZone::UTC.to_timestamp(TODAY.at(0, 0, 0, 0)).unwrap();
    Some(row.expiration_date.value?.duration_since(start).as_hours() / 24)
}

#[test]
fn a_world_follows_from_its_seed() {
    assert_eq!(dataset(60), dataset(60));
    assert_eq!(dataset(60).customers[..30], dataset(30).customers);
    assert_ne!(Generator::new(8, 60, TODAY).dataset(), dataset(60));
}

#[test]
fn ids_and_names_are_unique() {
    let dataset = dataset(3000);
    let ids: BTreeSet<_> = dataset.customers.iter().map(|customer| &customer.id).collect();
    let names: BTreeSet<_> = dataset.customers.iter().map(|customer| &customer.organization).collect();
    assert_eq!((ids.len(), names.len()), (3000, 3000));
}

#[test]
fn what_rows_say_agrees_with_tenants_and_products() {
    for customer in dataset(2000).customers {
        let name = &customer.organization;
        let implied: BTreeSet<_> = customer
            .rows
            .iter()
            .filter_map(|row| ServiceInfo::parse(row.service.as_deref().unwrap()).tenant_type)
            .collect();
        let held: BTreeSet<_> = customer.tenants.iter().map(|tenant| tenant.tenant_type).collect();
        assert_eq!(implied, held, "{name}");
        for row in customer.rows.iter().filter(|row| days(row).is_some_and(|days| days >= 0)) {
            let product = ServiceInfo::parse(row.service.as_deref().unwrap()).product;
            assert!(product.is_none_or(|product| customer.purchased.contains_key(&product)), "{name} {row:?}");
        }
        for row in &customer.rows {
            if let Some((assigned, available)) = row.follows.and_then(|followed| customer.seats(followed)) {
                assert_eq!(row.licenses_assigned.value, Some(assigned.into()));
                assert_eq!(row.licenses_available.value, Some(available.into()));
            }
        }
    }
}

#[test]
fn tenants_run_out() {
    let seats = |case| customer(case).seats(TenantType::Microsoft365).unwrap();
    let used = |(assigned, available): (u32, u32)| assigned * 100 / (assigned + available);
    assert_eq!(used(seats(Scenario::Exhausted)), 100);
    assert_eq!(seats(Scenario::Exhausted).1, 0);
    assert!((92..95).contains(&used(seats(Scenario::Low90))));
    assert!((98..100).contains(&used(seats(Scenario::Low97))));
    assert_eq!(seats(Scenario::NotApplicable), (0, 0));
    let over = customer(Scenario::OverAssigned);
    assert!(over.rows[0].licenses_assigned.value > over.rows[0].purchased_user_seats.value);
}

#[test]
fn subscriptions_expire() {
    for (case, expected) in [
        (Scenario::ExpiresIn2, 2),
        (Scenario::ExpiresIn10, 10),
        (Scenario::ExpiresIn25, 25),
        (Scenario::Expired5, -5),
        (Scenario::Renewed, -5),
        (Scenario::Expired90, -90),
    ] {
        assert_eq!(days(&customer(case).rows[0]), Some(expected), "{case:?}");
    }
    assert_eq!(customer(Scenario::Expired5).purchased[&ProductType::CLOUD_BACKUP_M365], 0);
    let renewed = customer(Scenario::Renewed);
    assert_eq!(renewed.rows[0].service, renewed.rows[1].service);
    assert!(days(&renewed.rows[1]) > Some(30));
    let ends = customer(Scenario::ContractEnds);
    assert!(ends.rows[0].contract_end_date.value.is_some());
    let (assigned, available) = ends.seats(TenantType::Microsoft365).unwrap();
    assert!(f64::from(assigned) < 0.7 * f64::from(assigned + available), "bought and unused before renewal");
}

#[test]
fn capacities_fill_and_limits_fall() {
    let used = |case| {
        let capacity = customer(case).rows[1].purchased_capacity.value.unwrap();
        capacity.used.unwrap().get() / capacity.purchased.get()
    };
    assert!((0.95..1.0).contains(&used(Scenario::Capacity95)));
    assert!(used(Scenario::CapacityOver) > 1.0);
    let unlimited = customer(Scenario::Unlimited);
    assert_eq!(unlimited.rows[0].subscription_model.as_deref(), Some("Unlimited organizations"));
    assert!(unlimited.rows[0].purchased_user_seats.value.is_some_and(|seats| !seats.is_unlimited()));
    assert_eq!(unlimited.rows[1].purchased_user_seats.value, Some(Quantity::UNLIMITED));
}

#[test]
fn rows_can_be_odd() {
    let pooled = customer(Scenario::Pooled);
    assert_eq!(pooled.rows.iter().filter_map(|row| row.change.value).collect::<Vec<_>>(), [5, -3]);
    let none = customer(Scenario::NoProducts);
    assert!(none.rows.is_empty() && none.tenants.is_empty() && none.purchased.is_empty());
    let equal = customer(Scenario::EqualRows);
    assert_eq!(equal.rows[0], equal.rows[1]);
    let purchased: Vec<_> = equal.rows.iter().map(|row| row.purchased_user_seats.value.unwrap().get()).collect();
    assert_eq!((purchased, equal.rows[2].licenses_assigned.value), (vec![242.0, 242.0, 5.0], Some(167.into())));
    assert_eq!(equal.rows[0].expected().key, equal.rows[2].expected().key);
    assert_ne!(equal.rows[0], equal.rows[2]);
    let applicable = customer(Scenario::NotApplicable);
    assert_eq!(applicable.rows[0].fields().iter().filter(|(_, text)| *text == Some("N/A")).count(), 17);
    assert!(ServiceInfo::parse(customer(Scenario::Unknown).rows[1].service.as_deref().unwrap()).product.is_none());
}

#[test]
fn every_kind_of_tenant_is_there() {
    let types = |case| customer(case).tenants.iter().map(|tenant| tenant.tenant_type).collect::<Vec<_>>();
    assert_eq!(types(Scenario::Google), [TenantType::Google]);
    assert_eq!(types(Scenario::Salesforce), [TenantType::Microsoft365, TenantType::Salesforce]);
    assert_eq!(types(Scenario::Dynamics), [TenantType::Microsoft365, TenantType::Dynamics365]);
    assert_eq!(types(Scenario::Iaas), []);
}

#[test]
fn most_customers_are_well() {
    let dataset = Generator { mix: Mix::Ordinary, ..Generator::new(7, 1000, TODAY) }.dataset();
    let soon = dataset.customers.iter().filter(|c| c.rows.iter().any(|row| days(row).is_some_and(|days| days < 30)));
    let exhausted = dataset.customers.iter().filter(|c| c.tenants.iter().any(|t| t.assigned > 0 && t.available == 0));
    let (soon, exhausted) = (soon.count(), exhausted.count());
    assert!((5..80).contains(&soon) && (1..40).contains(&exhausted), "{soon} {exhausted}");
}

#[test]
fn averages_can_be_exact() {
    for with_backup in [0, 1, 700, 1000] {
        let mix = Mix::Exact { tenant_types: 1300, products: 2000, cloud_backup_m365: with_backup };
        let totals = Totals::of(&Generator { mix, ..Generator::new(3, 1000, TODAY) }.dataset());
        let expected = Totals {
            customers: 1000,
            rows: 2000,
            tenant_types: 1300,
            implied_tenant_types: 1300,
            tenants: 1300,
            implied_products: 2000,
            products: 2000,
            cloud_backup_m365: with_backup as usize,
        };
        assert_eq!(totals, expected);
    }
}

#[test]
fn twenty_thousand_customers_are_no_effort() {
    let dataset = dataset(20_000);
    assert_eq!(dataset.customers.len(), 20_000);
    assert!(Totals::of(&dataset).rows > 20_000);
}

/// The totals that determine the number of requests of a full pass.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    customers: usize,
    rows: usize,
    /// The total number of tenant types with a tenant.
    tenant_types: usize,
    /// The total number of tenant types implied by service names.
    implied_tenant_types: usize,
    tenants: usize,
    implied_products: usize,
    /// The total number of products held.
    products: usize,
    /// The number of customers that have product 2048.
    cloud_backup_m365: usize,
}

impl Totals {
    fn of(dataset: &Dataset) -> Self {
        let mut totals = Self { customers: dataset.customers.len(), ..Self::default() };
        for customer in &dataset.customers {
            let services = || customer.rows.iter().filter_map(|row| Some(ServiceInfo::parse(row.service.as_deref()?)));
            let holds = |product| customer.purchased.get(&product).is_some_and(|&seats| seats > 0);
            totals.rows += customer.rows.len();
            totals.tenants += customer.tenants.len();
            totals.tenant_types += customer.tenants.iter().map(|t| t.tenant_type).collect::<BTreeSet<_>>().len();
            totals.implied_tenant_types += services().filter_map(|s| s.tenant_type).collect::<BTreeSet<_>>().len();
            totals.products += customer.purchased.values().filter(|&&seats| seats > 0).count();
            totals.implied_products += services().filter_map(|s| s.product).collect::<BTreeSet<_>>().len();
            totals.cloud_backup_m365 += usize::from(holds(ProductType::CLOUD_BACKUP_M365));
        }
        totals
    }
}
