//! Everything known of one customer, as its page shows it and as JSON has it. See [`super::api`] for the shapes.

use std::collections::BTreeMap;
use std::sync::Arc;

use elements::types::{Answer, Collector, FailureReason, Moment, Quantity, Question, Seats, Subscription};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::backups::{self, JobDetail, ModuleDetail, ProfileDetail};
use super::headroom::Service;
use super::service_json::{ServiceDetail, UtilizationDetail};
use super::summary::{self, Row};
use super::utilization::{Utilization, tenant_ratio};
use crate::inventory::{Absence, TargetState, TargetStatus, is_expired};

/// A number; "unlimited" where there is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub Quantity);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Up to here, every whole number is exact in an `f64`.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let value = self.0.get();
        if self.0.is_unlimited() {
            serializer.serialize_str("unlimited")
        } else if value.fract() == 0.0 && value < EXACT {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within range")]
            serializer.serialize_u64(value as u64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

/// One customer.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    /// The partner's name.
    pub partner: String,
    /// Its id.
    pub customer_id: String,
    /// `None` while it is nameless.
    pub customer_name: Option<Arc<str>>,
    /// Its configured labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its alerts are muted by the configured label `alerting="off"`.
    pub muted: bool,
    /// The worst severity of what is wrong; `None` if nothing is but the age of the data.
    pub severity: Option<&'static str>,
    /// The words of [`Issue`](super::issue::Issue), the worst first.
    #[serde(rename = "findings")]
    pub issues: Vec<&'static str>,
    /// What is used most.
    #[serde(rename = "tightest")]
    pub most_utilized: Option<UtilizationDetail>,
    /// The expiration that matters first.
    pub expires: Option<Timestamp>,
    /// Whose.
    pub expires_service: Option<Arc<str>>,
    /// When the oldest value was seen.
    pub oldest_data: Option<Timestamp>,
    /// Of its tenants, and of types whose tenants are not known.
    pub seats: Vec<SeatsDetail>,
    /// By product type.
    pub products: Vec<ProductDetail>,
    /// Its row of the list of customers; `None` unless the collector is enabled and has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileDetail>,
    /// The newest backup job of each plan; `None` unless the collector is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_jobs: Option<Vec<JobDetail>>,
    /// What backups cover; `None` unless the collector is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_overview: Option<Vec<ModuleDetail>>,
    /// Its service list, the rows of a service taken together; the worst first.
    pub services: Vec<ServiceDetail>,
    /// Its service list.
    pub subscriptions: Vec<SubscriptionDetail>,
    /// What is asked about it.
    pub targets: Vec<TargetDetail>,
}

/// The seats of a tenant, or of all tenants of a type.
#[derive(Clone, Debug, Serialize)]
pub struct SeatsDetail {
    /// The label `tenant_type`.
    pub tenant_type: String,
    /// `None`: all tenants of the type.
    pub tenant_id: Option<String>,
    /// `None` if it has none, or for all tenants.
    pub tenant_name: Option<Arc<str>>,
    /// `assignedUserSeat`
    pub assigned: Option<Number>,
    /// `availableUserSeat`
    pub available: Option<Number>,
    /// See [`tenant_ratio`].
    pub utilization: Option<f64>,
    /// When it was seen.
    pub seen: Timestamp,
    /// Older than its `max_age`.
    pub stale: bool,
}

/// The seats of a product.
#[derive(Clone, Debug, Serialize)]
pub struct ProductDetail {
    /// The API's number.
    pub product_type: u64,
    /// Its name, `unknown` if it is new.
    pub product: &'static str,
    /// `purchasedUserSeat`
    pub purchased: Option<Number>,
    /// `availableUserSeat`
    pub available: Option<Number>,
    /// When the older of the two was seen.
    pub seen: Timestamp,
    /// One of the two is older than its `max_age`.
    pub stale: bool,
}

/// A row of the service list. Texts that do not apply are empty.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of domain::Subscription and SubscriptionKind")]
pub struct SubscriptionDetail {
    pub subscription_id: String,
    pub service_name: Arc<str>,
    pub subscription_model: Arc<str>,
    pub subscription_name: Arc<str>,
    pub package: Arc<str>,
    pub source: Arc<str>,
    pub payment_type: Arc<str>,
    pub storage: Arc<str>,
    pub retention: Arc<str>,
    pub seats_purchased: Option<Number>,
    pub units_purchased: Option<Number>,
    pub licenses_assigned: Option<Number>,
    pub licenses_available: Option<Number>,
    pub seats_utilization: Option<f64>,
    pub capacity_purchased_bytes: Option<Number>,
    pub capacity_used_bytes: Option<Number>,
    pub capacity_protected_bytes: Option<Number>,
    pub capacity_per_seat_bytes: Option<Number>,
    pub storage_consumed_bytes: Option<Number>,
    pub capacity_utilization: Option<f64>,
    pub seats_change: Option<i64>,
    pub expires: Option<Timestamp>,
    /// `expired` or `expiring`, where the alert about it, or the page, says so.
    pub expiry: Option<&'static str>,
    /// The severity of that.
    pub expiry_severity: Option<&'static str>,
    pub contract_ends: Option<Timestamp>,
    pub seen: Timestamp,
    pub stale: bool,
}

/// One thing that is asked.
#[derive(Clone, Debug, Serialize)]
pub struct TargetDetail {
    /// The collector's name.
    pub collector: &'static str,
    /// The tenant type or product type; empty for `services`.
    pub about: String,
    /// The word of [`TargetStatus`].
    pub condition: &'static str,
    /// When it was last answered.
    pub last_success: Option<Timestamp>,
    /// When a poll last ended, in whatever way.
    pub last_poll: Option<Timestamp>,
    /// Why the last poll failed, if it did.
    pub failure: Option<&'static str>,
}

impl Detail {
    /// Everything known of the customer of a row.
    #[must_use]
    pub fn new(row: &Row<'_>, now: Timestamp) -> Self {
        let Row { inventory, customer, .. } = *row;
        Self {
            partner: inventory.partner.to_string(),
            customer_id: customer.id.to_string(),
            customer_name: (!customer.name.is_empty()).then(|| Arc::clone(&customer.name)),
            labels: customer.labels.iter().cloned().collect(),
            muted: summary::is_muted(customer),
            severity: row.issues.worst().map(|(severity, _)| severity.as_str()),
            issues: row.issues.by_severity().into_iter().map(|(issue, _)| issue.as_str()).collect(),
            most_utilized: row.most_utilized.map(UtilizationDetail::new),
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

/// Every answer that is not absent, when it was seen, and whether it is stale.
pub(super) fn answers<'a>(
    row: &Row<'a>,
    now: Timestamp,
) -> impl Iterator<Item = (Question, &'a Answer, Timestamp, bool)> + use<'a> {
    let Row { inventory, customer, .. } = *row;
    customer.targets.iter().filter(|(_, known)| known.absence != Absence::Confirmed).filter_map(
        move |(question, known)| {
            let (seen, answer) = known.answer.as_ref().map(|(seen, answer)| (seen.get(), answer))?;
            Some((*question, answer, seen, is_expired(seen, inventory.max_age(question.collector()), now)))
        },
    )
}

fn seats(row: &Row<'_>, now: Timestamp) -> Vec<SeatsDetail> {
    let mut details = Vec::new();
    for (question, answer, seen, stale) in answers(row, now) {
        let detail = |tenant_type: String, Seats { assigned, available }: Seats| SeatsDetail {
            tenant_type,
            tenant_id: None,
            tenant_name: None,
            assigned: assigned.map(Number),
            available: available.map(Number),
            utilization: tenant_ratio(Seats { assigned, available }),
            seen,
            stale,
        };
        match (question, answer) {
            (Question::TenantSeats(tenant_type), Answer::TenantSeats(tenants)) => {
                details.extend(tenants.iter().map(|tenant| SeatsDetail {
                    tenant_id: Some(tenant.id.to_string()),
                    tenant_name: (!tenant.name.is_empty()).then(|| Arc::clone(&tenant.name)),
                    ..detail(tenant_type.label().into(), tenant.seats)
                }));
            }
            (Question::CustomerSeats(tenant_type), Answer::CustomerSeats(seats)) => {
                details.push(detail(tenant_type.label().into(), *seats));
            }
            _ => {}
        }
    }
    details
}

fn products(row: &Row<'_>, now: Timestamp) -> Vec<ProductDetail> {
    let mut details: BTreeMap<u64, ProductDetail> = BTreeMap::new();
    for (question, answer, seen, stale) in answers(row, now) {
        let (Question::ProductPurchased(product) | Question::ProductAvailable(product)) = question else { continue };
        let detail = details.entry(product.0).or_insert(ProductDetail {
            product_type: product.0,
            product: product.name(),
            purchased: None,
            available: None,
            seen,
            stale,
        });
        match answer {
            Answer::ProductPurchased(purchased) => detail.purchased = purchased.map(Number),
            Answer::ProductAvailable(available) => detail.available = available.map(Number),
            _ => {}
        }
        detail.seen = detail.seen.min(seen);
        detail.stale |= stale;
    }
    details.into_values().collect()
}

fn services(row: &Row<'_>) -> Vec<ServiceDetail> {
    let mut services: Vec<_> = row.services.iter().map(|service| (service.issues(), service)).collect();
    services.sort_by_key(|(issues, _)| (issues.worst().is_none(), issues.worst()));
    services.into_iter().map(|(issues, service)| ServiceDetail::new(service, &issues)).collect()
}

fn subscriptions(row: &Row<'_>, now: Timestamp) -> Vec<SubscriptionDetail> {
    let Row { inventory, customer, .. } = *row;
    let Some(services) = &customer.services else { return Vec::new() };
    let stale = is_expired(services.seen, inventory.max_age(Collector::Services), now);
    let detail = |service: &Service<'_>, id: String, subscription: &Subscription| {
        let kind = &subscription.kind;
        let expiry = service.expiry(subscription);
        SubscriptionDetail {
            subscription_id: id,
            service_name: Arc::clone(&kind.service),
            subscription_model: Arc::clone(&kind.model),
            subscription_name: Arc::clone(&kind.name),
            package: Arc::clone(&kind.package),
            source: Arc::clone(&kind.source),
            payment_type: Arc::clone(&kind.payment_type),
            storage: Arc::clone(&kind.storage),
            retention: Arc::clone(&subscription.retention),
            seats_purchased: subscription.seats_purchased.map(Number),
            units_purchased: subscription.units_purchased.map(Number),
            licenses_assigned: subscription.licenses_assigned.map(Number),
            licenses_available: subscription.licenses_available.map(Number),
            seats_utilization: service.seats.map(Utilization::ratio),
            capacity_purchased_bytes: subscription.capacity_purchased.map(Number),
            capacity_used_bytes: subscription.capacity_used.map(Number),
            capacity_protected_bytes: subscription.capacity_protected.map(Number),
            capacity_per_seat_bytes: kind.capacity_per_seat().map(Number),
            storage_consumed_bytes: subscription.storage_consumed.map(Number),
            capacity_utilization: service.capacity.map(Utilization::ratio),
            seats_change: subscription.seats_change,
            expires: subscription.expires.map(Moment::get),
            expiry: expiry.map(|(issue, _)| issue.as_str()),
            expiry_severity: expiry.map(|(_, severity)| severity.as_str()),
            contract_ends: subscription.contract_ends.map(Moment::get),
            seen: services.seen,
            stale,
        }
    };
    let rows = row.services.iter().flat_map(|service| service.rows.iter().map(move |known| (service, known)));
    let mut details: Vec<_> =
        rows.map(|(service, known)| detail(service, known.id.to_string(), &known.subscription)).collect();
    // What expires first stands first; what has no date, last.
    details.sort_by_key(|detail| detail.expires.unwrap_or(Timestamp::MAX));
    details
}

fn targets(row: &Row<'_>, now: Timestamp) -> Vec<TargetDetail> {
    let Row { inventory, customer, .. } = *row;
    let lists = [
        (Collector::Services, &inventory.listing, summary::services_condition(inventory, customer, now)),
        (Collector::Customers, &inventory.profiles, summary::profile_condition(inventory, customer, now)),
    ];
    let lists = lists.into_iter().filter_map(|(collector, list, condition)| {
        let condition = condition?;
        let detail = TargetDetail {
            collector: collector.as_str(),
            about: String::new(),
            condition: condition.as_str(),
            last_success: customer.last_success(collector),
            last_poll: list.polled,
            failure: list.failure.map(FailureReason::as_str),
        };
        Some((condition, detail))
    });
    let questions = customer.targets.iter().map(|(question, known)| {
        let condition = inventory.status(*question, known, now);
        (condition, target(*question, known, condition))
    });
    let mut targets: Vec<_> = lists.chain(questions).collect();
    targets.sort_by_key(|&(condition, _)| summary::attention(condition));
    targets.into_iter().map(|(_, detail)| detail).collect()
}

fn target(question: Question, known: &TargetState, condition: TargetStatus) -> TargetDetail {
    TargetDetail {
        collector: question.collector().as_str(),
        about: question.about(),
        condition: condition.as_str(),
        last_success: known.answer.as_ref().map(|&(seen, _)| seen.get()),
        last_poll: known.polled.map(Moment::get),
        failure: known.failure.map(FailureReason::as_str),
    }
}
