//! Plans the queries about each customer. Pure.
//!
//! `auto` plans the queries that the service list implies, and none before the list is known. A configured list of
//! types is used unchanged, except for `products_available`: that old endpoint knows one product, so its list only
//! narrows what the customer holds, as far as the service list shows it.

use std::collections::{BTreeSet, HashSet};

use elements::types::{Collector, ProductType, Query, ServiceInfo, TenantType};

use super::cost::{Cost, hourly, listing_pages};
use crate::config::{CollectorSettings, Schedule, Selection};
use crate::inventory::{Customer, KnownSubscription, TargetState};

/// The products and tenant types that a customer's service list implies.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The products of its services.
    pub products: BTreeSet<ProductType>,
    /// The tenant types that its services protect.
    pub tenant_types: BTreeSet<TenantType>,
    /// Whether one of the services is a backup.
    pub backup: bool,
    /// Whether one of the services is a backup of Microsoft 365.
    pub m365_backup: bool,
    /// Whether the list is known and every service belongs to a known product; then a product that is not in the list
    /// is not held.
    pub complete: bool,
}

impl Holdings {
    /// Reads the stored services of a customer.
    #[must_use]
    pub fn of(customer: &Customer) -> Self {
        customer.services.as_ref().map(|services| Self::of_rows(&services.subscriptions)).unwrap_or_default()
    }

    /// Reads the rows of a customer's service list.
    #[must_use]
    pub fn of_rows(rows: &[KnownSubscription]) -> Self {
        let mut holdings = Self { complete: true, ..Self::default() };
        let services: HashSet<&str> = rows.iter().map(|known| &*known.subscription.key.service).collect();
        for service in services {
            let service = ServiceInfo::parse(service);
            holdings.complete &= service.product.is_some();
            holdings.products.extend(service.product);
            holdings.tenant_types.extend(service.tenant_type);
            holdings.backup |= service.is_backup;
            holdings.m365_backup |= service.is_backup && service.tenant_type == Some(TenantType::Microsoft365);
        }
        holdings
    }

    /// Whether the customer may hold the product: the list contains it, or is incomplete.
    #[must_use]
    pub fn may_hold(&self, product: ProductType) -> bool {
        self.products.contains(&product) || !self.complete
    }
}

/// The queries about a customer, sorted.
#[must_use]
pub fn queries(customer: &Customer, collectors: &CollectorSettings) -> Vec<Query> {
    queries_for(&Holdings::of(customer), customer.services.is_some(), collectors)
}

/// The queries about a customer with these holdings; `listed`: the service list contained the customer.
#[must_use]
pub fn queries_for(holdings: &Holdings, listed: bool, collectors: &CollectorSettings) -> Vec<Query> {
    let mut queries = Vec::new();
    let CollectorSettings { services, tenant_seats, customer_seats, products_purchased, products_available, optional } =
        collectors;
    queries.extend(selected(tenant_seats, &holdings.tenant_types).into_iter().map(Query::TenantSeats));
    queries.extend(selected(customer_seats, &holdings.tenant_types).into_iter().map(Query::CustomerSeats));
    queries.extend(selected(products_purchased, &holdings.products).into_iter().map(Query::ProductPurchased));
    let available = selected(products_available, &holdings.products).into_iter();
    // If a list is expected, wait for it; if it never comes, it cannot narrow the plan.
    let may = |holds: bool| if listed { holds } else { !services.enabled };
    let may_hold = |product| may(holdings.may_hold(product));
    queries.extend(available.filter(|&product| may_hold(product)).map(Query::ProductAvailable));
    let of_backups = [(Query::BackupJobs, holdings.backup), (Query::BackupOverview, holdings.m365_backup)];
    let of_backups =
        of_backups.into_iter().filter(|&(query, holds)| optional.contains_key(&query.collector()) && may(holds));
    queries.extend(of_backups.map(|(query, _)| query));
    queries.sort_unstable();
    queries
}

fn selected<T: Copy + Ord>((schedule, selection): &(Schedule, Selection<T>), implied: &BTreeSet<T>) -> BTreeSet<T> {
    match selection {
        _ if !schedule.enabled => BTreeSet::new(),
        Selection::Auto => implied.clone(),
        Selection::Only(types) => types.iter().copied().collect(),
    }
}

/// The estimated cost of a partner's customers before the first poll, without the listing.
#[must_use]
pub fn cost<'a>(customers: impl IntoIterator<Item = &'a Customer>, collectors: &CollectorSettings) -> Cost {
    let mut cost = Cost::default();
    for customer in customers {
        for query in queries(customer, collectors) {
            cost.add(query, &TargetState::default());
        }
    }
    cost
}

/// The holdings of a typical customer, for estimates before the first poll.
pub const TYPICAL: &str = "a customer with 1.3 tenant types and 2 products";

/// The same for customers without known services: each counts as [`TYPICAL`] where types are `auto`.
#[must_use]
pub fn typical_requests_per_hour(customers: usize, collectors: &CollectorSettings) -> Vec<(Collector, f64)> {
    fn count<T>(selection: &Selection<T>, typical: f64) -> f64 {
        match selection {
            Selection::Auto => typical,
            Selection::Only(types) => types.len() as f64,
        }
    }
    let pages = listing_pages(Some(customers), 0) as f64;
    let customers = customers as f64;
    let polls = |collector| match collector {
        list if list.is_list() => pages,
        Collector::TenantSeats => customers * count(&collectors.tenant_seats.1, 1.3),
        Collector::CustomerSeats => customers * count(&collectors.customer_seats.1, 1.3),
        Collector::ProductsPurchased => customers * count(&collectors.products_purchased.1, 2.0),
        // A customer holds at most one of the products that `products_available` knows.
        Collector::ProductsAvailable => customers * count(&collectors.products_available.1, 1.0).min(1.0),
        // One of the products is a backup of Microsoft 365.
        _ => customers,
    };
    let cost = |collector| (collector, polls(collector) * hourly(collectors.schedule(collector).interval));
    collectors.enabled().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::inventory::Inventory;
    use elements::types::{ListedCustomer, Subscription, SubscriptionKey};

    const M365: ProductType = ProductType::CLOUD_BACKUP_M365;

    fn schedule(minutes: u64) -> Schedule {
        let interval = Duration::from_mins(minutes);
        Schedule { enabled: true, interval, max_age: interval * 4 }
    }

    fn defaults() -> CollectorSettings {
        CollectorSettings {
            services: schedule(15),
            tenant_seats: (schedule(15), Selection::Auto),
            customer_seats: (schedule(15), Selection::Auto),
            products_purchased: (schedule(60), Selection::Auto),
            products_available: (schedule(60), Selection::Only(vec![M365])),
            optional: [].into(),
        }
    }

    fn customer(services: &[&str]) -> Customer {
        let row = |service: &&str| Subscription {
            key: SubscriptionKey { service: (*service).into(), ..SubscriptionKey::default() }.into(),
            ..Subscription::default()
        };
        let mut inventory = Inventory::new("main".into(), defaults().into(), true, &[]);
        let subscriptions = Some(services.iter().map(row).collect());
        inventory.upsert_listed(ListedCustomer { id: "a".into(), name: None, subscriptions }, Timestamp::UNIX_EPOCH);
        Customer::clone(&inventory.customers[&"a".into()])
    }

    #[test]
    fn auto_asks_what_the_service_list_implies_and_nothing_before_it() {
        let mut unknown = customer(&[]);
        unknown.services = None;
        assert_eq!(queries(&unknown, &defaults()), []);
        let mut unlisted = defaults();
        unlisted.services.enabled = false;
        assert_eq!(queries(&unknown, &unlisted), [Query::ProductAvailable(M365)], "nobody will ever tell");
        assert_eq!(queries(&customer(&[]), &defaults()), [], "the list is known and empty");
        let planned = queries(
            &customer(&["Cloud Backup for Microsoft 365 - x", "cloud backup for Salesforce", "Fly", "Fly Aviator"]),
            &defaults(),
        );
        assert_eq!(
            planned,
            [
                Query::TenantSeats(TenantType::Microsoft365),
                Query::TenantSeats(TenantType::Salesforce),
                Query::CustomerSeats(TenantType::Microsoft365),
                Query::CustomerSeats(TenantType::Salesforce),
                Query::ProductPurchased(ProductType(32)),
                Query::ProductPurchased(M365),
                Query::ProductPurchased(ProductType(16_777_216)),
                Query::ProductAvailable(M365),
            ]
        );
    }

    #[test]
    fn endpoint_2_is_asked_of_those_who_hold_the_product_or_may() {
        let asks =
            |services: &[&str]| queries(&customer(services), &defaults()).contains(&Query::ProductAvailable(M365));
        assert!(asks(&["Cloud Backup for Microsoft 365"]));
        assert!(!asks(&["Opus"]));
        assert!(asks(&["Opus", "Something new"]), "the list cannot tell what something new is");
    }

    #[test]
    fn backups_are_asked_of_those_who_have_one_once_their_collectors_are_enabled() {
        let mut collectors = defaults();
        collectors.tenant_seats.0.enabled = false;
        collectors.customer_seats.0.enabled = false;
        collectors.products_purchased.0.enabled = false;
        collectors.products_available.0.enabled = false;
        let planned = |services: &[&str], collectors: &CollectorSettings| queries(&customer(services), collectors);
        assert_eq!(planned(&["Cloud Backup for Microsoft 365"], &collectors), []);
        collectors.optional =
            [(Collector::BackupJobs, schedule(60)), (Collector::BackupOverview, schedule(360))].into();
        let both = [Query::BackupJobs, Query::BackupOverview];
        assert_eq!(planned(&["Opus", "Cloud Backup for Microsoft 365 - x"], &collectors), both);
        assert_eq!(planned(&["Cloud Backup for Exchange Online & OneDrive"], &collectors), both);
        assert_eq!(planned(&["Cloud Backup for Salesforce"], &collectors), [Query::BackupJobs]);
        assert_eq!(planned(&["Opus", "Something new"], &collectors), []);
        let mut unknown = customer(&[]);
        unknown.services = None;
        assert_eq!(queries(&unknown, &collectors), [], "the list will tell");
        collectors.services.enabled = false;
        assert_eq!(queries(&unknown, &collectors), both, "nobody will ever tell");
    }

    #[test]
    fn a_configured_list_is_asked_as_it_is_and_a_disabled_collector_never() {
        let mut collectors = defaults();
        collectors.tenant_seats.1 = Selection::Only(vec![TenantType::Other(7), TenantType::Google]);
        collectors.customer_seats.0.enabled = false;
        collectors.products_available.0.enabled = false;
        assert_eq!(
            queries(&customer(&["Cloud Backup for IaaS + PaaS"]), &collectors),
            [
                Query::TenantSeats(TenantType::Google),
                Query::TenantSeats(TenantType::Other(7)),
                Query::ProductPurchased(ProductType(1_073_741_824)),
            ]
        );
    }

    #[test]
    fn the_cost_counts_polls_over_intervals_and_pages_of_the_list() {
        let customers = vec![customer(&["Cloud Backup for Microsoft 365"]); 250];
        let mut cost = cost(&customers, &defaults());
        cost.set_list_requests(Collector::Services, listing_pages(Some(customers.len()), 0));
        let per_hour = cost.requests_per_hour(&defaults());
        let expected =
            [(Collector::Services, 12.0), (Collector::TenantSeats, 1000.0), (Collector::CustomerSeats, 1000.0)];
        assert_eq!(per_hour[..3], expected);
        assert_eq!(per_hour[3..], [(Collector::ProductsPurchased, 250.0), (Collector::ProductsAvailable, 250.0)]);
    }
}
