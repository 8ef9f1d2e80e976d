//! JSON of one customer; the customer's page renders it as HTML. See [`super::api`] for the fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use elements::types::{Collector, CompactTimestamp, FailureReason, Observation, Quantity, Query, Seats};
use jiff::Timestamp;
use serde::Serialize;

use super::backups::{self, JobJson, ModuleJson, ProfileJson};
use super::service_json::{ServiceJson, UtilizationJson};
use super::service_summary::Service;
use super::summary::{self, CustomerSummary};
use super::utilization::{Utilization, tenant_ratio};
use crate::inventory::{Absence, KnownSubscription, is_expired};

/// One customer.
#[derive(Clone, Debug, Serialize)]
pub struct CustomerJson {
    /// The partner's name.
    pub partner: String,
    /// The customer's id.
    pub customer_id: String,
    /// `None` while it is unknown.
    pub customer_name: Option<Arc<str>>,
    /// The configured labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the configured label `alerting="off"` mutes its alerts.
    pub muted: bool,
    /// The worst severity of its issues, without those about the collection of data.
    pub severity: Option<&'static str>,
    /// The names of its [`Issue`](super::issue::Issue)s, the most severe first.
    #[serde(rename = "findings")]
    pub issues: Vec<&'static str>,
    /// The resource with the highest utilization.
    #[serde(rename = "tightest")]
    pub most_utilized: Option<UtilizationJson>,
    /// The most urgent expiration date.
    pub expires: Option<Timestamp>,
    /// The service that it belongs to.
    pub expires_service: Option<Arc<str>>,
    /// When the oldest value was received.
    pub oldest_data: Option<Timestamp>,
    /// Seats of its tenants, or of a type as a whole.
    pub seats: Vec<SeatsJson>,
    /// Seats of its products, by product type.
    pub products: Vec<ProductJson>,
    /// Its row of the list of customers; `None` unless the collector is enabled and has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileJson>,
    /// The newest backup job of each plan; `None` unless the collector is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_jobs: Option<Vec<JobJson>>,
    /// Backup coverage by module; `None` unless the collector is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_overview: Option<Vec<ModuleJson>>,
    /// Its services, the most severe first.
    pub services: Vec<ServiceJson>,
    /// The rows of its service list.
    pub subscriptions: Vec<SubscriptionJson>,
    /// Its targets, failing ones first.
    pub targets: Vec<TargetJson>,
}

/// The seats of a tenant, or of all tenants of a type.
#[derive(Clone, Debug, Serialize)]
pub struct SeatsJson {
    /// The label `tenant_type`.
    pub tenant_type: String,
    /// `None`: all tenants of the type.
    pub tenant_id: Option<String>,
    /// `None` if it has none, or for all tenants.
    pub tenant_name: Option<Arc<str>>,
    /// `assignedUserSeat`
    pub assigned: Option<Quantity>,
    /// `availableUserSeat`
    pub available: Option<Quantity>,
    /// See [`tenant_ratio`].
    pub utilization: Option<f64>,
    /// When it was received.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// The seats of a product.
#[derive(Clone, Debug, Serialize)]
pub struct ProductJson {
    /// The API's number.
    pub product_type: u64,
    /// Its name, `unknown` if it is new.
    pub product: &'static str,
    /// `purchasedUserSeat`
    pub purchased: Option<Quantity>,
    /// `availableUserSeat`
    pub available: Option<Quantity>,
    /// When the older of the two was received.
    pub seen: Timestamp,
    /// One of the two is older than its `max_age`.
    pub stale: bool,
}

/// A row of the service list. Texts that do not apply are empty.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of elements::types::Subscription and SubscriptionKey")]
pub struct SubscriptionJson {
    pub subscription_id: String,
    pub service_name: Arc<str>,
    pub subscription_model: Arc<str>,
    pub subscription_name: Arc<str>,
    pub package: Arc<str>,
    pub source: Arc<str>,
    pub payment_type: Arc<str>,
    pub storage: Arc<str>,
    pub retention: Arc<str>,
    pub seats_purchased: Option<Quantity>,
    pub units_purchased: Option<Quantity>,
    pub licenses_assigned: Option<Quantity>,
    pub licenses_available: Option<Quantity>,
    pub seats_utilization: Option<f64>,
    pub capacity_purchased_bytes: Option<Quantity>,
    pub capacity_used_bytes: Option<Quantity>,
    pub capacity_protected_bytes: Option<Quantity>,
    pub capacity_per_seat_bytes: Option<Quantity>,
    pub storage_consumed_bytes: Option<Quantity>,
    pub capacity_utilization: Option<f64>,
    pub seats_change: Option<i64>,
    pub expires: Option<Timestamp>,
    /// `expired` or `expiring`, if there is such an issue.
    pub expiry: Option<&'static str>,
    /// The severity of that issue.
    pub expiry_severity: Option<&'static str>,
    pub contract_ends: Option<Timestamp>,
    pub seen: Timestamp,
    pub stale: bool,
}

/// A target of the customer.
#[derive(Clone, Debug, Serialize)]
pub struct TargetJson {
    /// The collector's name.
    pub collector: &'static str,
    /// The tenant type or product type; empty for `services`.
    pub about: String,
    /// The name of the [`TargetStatus`](crate::inventory::TargetStatus).
    pub condition: &'static str,
    /// When a poll last succeeded.
    pub last_success: Option<Timestamp>,
    /// When a poll last ended, successful or not.
    pub last_poll: Option<Timestamp>,
    /// Why the last poll failed, if it did.
    pub failure: Option<&'static str>,
}

impl CustomerJson {
    /// The JSON of a summarized customer.
    #[must_use]
    pub fn new(row: &CustomerSummary<'_>, now: Timestamp) -> Self {
        let CustomerSummary { inventory, customer, .. } = *row;
        Self {
            partner: inventory.partner.to_string(),
            customer_id: customer.id.to_string(),
            customer_name: (!customer.name.is_empty()).then(|| Arc::clone(&customer.name)),
            labels: customer.labels.iter().cloned().collect(),
            muted: summary::is_muted(customer),
            severity: row.issues.worst().map(|(severity, _)| severity.as_str()),
            issues: row.issues.by_severity().into_iter().map(|(issue, _)| issue.as_str()).collect(),
            most_utilized: row.most_utilized.map(UtilizationJson::new),
            expires: row.expiry.map(|expiry| expiry.at),
            expires_service: row.expiry.map(|expiry| expiry.service.into()),
            oldest_data: row.oldest,
            seats: seats(row, now),
            products: products(row, now),
            profile: backups::profile(row, now),
            backup_jobs: backups::jobs(row, now),
            backup_overview: backups::modules(row, now),
            services: services(row),
            subscriptions: subscriptions(row, now),
            targets: targets(row, now),
        }
    }
}

/// Every value that is not absent, when it was received, and whether it is stale.
pub(super) fn observations<'a>(
    row: &CustomerSummary<'a>,
    now: Timestamp,
) -> impl Iterator<Item = (Query, &'a Observation, Timestamp, bool)> + use<'a> {
    let CustomerSummary { inventory, customer, .. } = *row;
    customer.targets.iter().filter(|(_, known)| known.absence != Absence::Confirmed).filter_map(
        move |(query, known)| {
            let (seen, observation) =
                known.observation.as_ref().map(|(seen, observation)| (seen.get(), observation))?;
            Some((*query, observation, seen, is_expired(seen, inventory.max_age(query.collector()), now)))
        },
    )
}

fn seats(row: &CustomerSummary<'_>, now: Timestamp) -> Vec<SeatsJson> {
    let mut details = Vec::new();
    for (query, observation, seen, stale) in observations(row, now) {
        let detail = |tenant_type: String, Seats { assigned, available }: Seats| SeatsJson {
            tenant_type,
            tenant_id: None,
            tenant_name: None,
            assigned,
            available,
            utilization: tenant_ratio(Seats { assigned, available }),
            seen,
            stale,
        };
        match (query, observation) {
            (Query::TenantSeats(tenant_type), Observation::TenantSeats(tenants)) => {
                details.extend(tenants.iter().map(|tenant| SeatsJson {
                    tenant_id: Some(tenant.id.to_string()),
                    tenant_name: (!tenant.name.is_empty()).then(|| Arc::clone(&tenant.name)),
                    ..detail(tenant_type.label().into(), tenant.seats)
                }));
            }
            (Query::CustomerSeats(tenant_type), Observation::CustomerSeats(seats)) => {
                details.push(detail(tenant_type.label().into(), *seats));
            }
            _ => {}
        }
    }
    details
}

fn products(row: &CustomerSummary<'_>, now: Timestamp) -> Vec<ProductJson> {
    let mut details: BTreeMap<u64, ProductJson> = BTreeMap::new();
    for (query, observation, seen, stale) in observations(row, now) {
        let (Query::ProductPurchased(product) | Query::ProductAvailable(product)) = query else { continue };
        let detail = details.entry(product.0).or_insert(ProductJson {
            product_type: product.0,
            product: product.name(),
            purchased: None,
            available: None,
            seen,
            stale,
        });
        match observation {
            Observation::ProductPurchased(purchased) => detail.purchased = *purchased,
            Observation::ProductAvailable(available) => detail.available = *available,
            _ => {}
        }
        detail.seen = detail.seen.min(seen);
        detail.stale |= stale;
    }
    details.into_values().collect()
}

fn services(row: &CustomerSummary<'_>) -> Vec<ServiceJson> {
    let mut services: Vec<_> = row.services.iter().map(|service| (service.issues(), service)).collect();
    services.sort_by_key(|(issues, _)| (issues.worst().is_none(), issues.worst()));
    services.into_iter().map(|(issues, service)| ServiceJson::new(service, &issues)).collect()
}

fn subscriptions(row: &CustomerSummary<'_>, now: Timestamp) -> Vec<SubscriptionJson> {
    let CustomerSummary { inventory, customer, .. } = *row;
    let Some(services) = &customer.services else { return Vec::new() };
    let stale = is_expired(services.seen, inventory.max_age(Collector::Services), now);
    let detail = |(service, known): (&Service<'_>, &KnownSubscription)| {
        let subscription = &known.subscription;
        let key = &subscription.key;
        let expiry = service.expiry(subscription);
        SubscriptionJson {
            subscription_id: known.id.to_string(),
            service_name: Arc::clone(&key.service),
            subscription_model: Arc::clone(&key.model),
            subscription_name: Arc::clone(&key.name),
            package: Arc::clone(&key.package),
            source: Arc::clone(&key.source),
            payment_type: Arc::clone(&key.payment_type),
            storage: Arc::clone(&key.storage),
            retention: Arc::clone(&subscription.retention),
            seats_purchased: subscription.seats_purchased,
            units_purchased: subscription.units_purchased,
            licenses_assigned: subscription.licenses_assigned,
            licenses_available: subscription.licenses_available,
            seats_utilization: service.seats.map(Utilization::ratio),
            capacity_purchased_bytes: subscription.capacity_purchased,
            capacity_used_bytes: subscription.capacity_used,
            capacity_protected_bytes: subscription.capacity_protected,
            capacity_per_seat_bytes: key.capacity_per_seat(),
            storage_consumed_bytes: subscription.storage_consumed,
            capacity_utilization: service.capacity.map(Utilization::ratio),
            seats_change: subscription.seats_change,
            expires: subscription.expires.map(CompactTimestamp::get),
            expiry: expiry.map(|(issue, _)| issue.as_str()),
            expiry_severity: expiry.map(|(_, severity)| severity.as_str()),
            contract_ends: subscription.contract_ends.map(CompactTimestamp::get),
            seen: services.seen,
            stale,
        }
    };
    let rows = row.services.iter().flat_map(|service| service.rows.iter().map(move |&known| (service, known)));
    let mut details: Vec<_> = rows.map(detail).collect();
    // Sorted by expiration date; rows without a date come last.
    details.sort_by_key(|detail| detail.expires.unwrap_or(Timestamp::MAX));
    details
}

fn targets(row: &CustomerSummary<'_>, now: Timestamp) -> Vec<TargetJson> {
    let CustomerSummary { inventory, customer, .. } = *row;
    let lists = inventory.lists().filter_map(|(collector, list)| {
        let status = summary::customer_list_status(inventory, customer, collector, list, now)?;
        let detail = TargetJson {
            collector: collector.as_str(),
            about: String::new(),
            condition: status.as_str(),
            last_success: customer.last_success(collector),
            last_poll: list.polled,
            failure: list.failure.map(FailureReason::as_str),
        };
        Some((status, detail))
    });
    let queries = customer.targets.iter().map(|(query, known)| {
        let status = inventory.status(*query, known, now);
        let detail = TargetJson {
            collector: query.collector().as_str(),
            about: query.about(),
            condition: status.as_str(),
            last_success: known.last_success(),
            last_poll: known.polled.map(CompactTimestamp::get),
            failure: known.failure.map(FailureReason::as_str),
        };
        (status, detail)
    });
    let mut targets: Vec<_> = lists.chain(queries).collect();
    targets.sort_by_key(|&(status, _)| summary::display_order(status));
    targets.into_iter().map(|(_, detail)| detail).collect()
}
