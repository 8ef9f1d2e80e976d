//! Families of the subscriptions: one info family, and one gauge for each number and date of a row.

use elements::types::{Quantity, Subscription, SubscriptionKey};
use exposition::Family;
use exposition::FamilyWriter;
use exposition::syntax::unix_time;

use super::customer_view::CustomerView;
use crate::catalog;

/// The field that a gauge is read from.
type Value = fn(&Subscription) -> Option<f64>;

/// The gauges, in the order of the catalogue. All have the same labels.
const GAUGES: [(&Family, Value); 12] = [
    (&catalog::SUBSCRIPTION_SEATS_PURCHASED, |row| row.seats_purchased.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_UNITS_PURCHASED, |row| row.units_purchased.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_LICENSES_ASSIGNED, |row| row.licenses_assigned.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_LICENSES_AVAILABLE, |row| row.licenses_available.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_CAPACITY_PURCHASED, |row| row.capacity_purchased.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_CAPACITY_USED, |row| row.capacity_used.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_CAPACITY_PROTECTED, |row| row.capacity_protected.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_CAPACITY_PER_SEAT, |row| row.key.capacity_per_seat().map(Quantity::get)),
    (&catalog::SUBSCRIPTION_STORAGE_CONSUMED, |row| row.storage_consumed.map(Quantity::get)),
    (&catalog::SUBSCRIPTION_SEATS_CHANGE, |row| row.seats_change.map(|change| change as f64)),
    (&catalog::SUBSCRIPTION_EXPIRATION, |row| row.expires.map(|at| unix_time(at.get()))),
    (&catalog::SUBSCRIPTION_CONTRACT_END, |row| row.contract_ends.map(|at| unix_time(at.get()))),
];

/// The subscription families.
pub(super) fn render(views: &[CustomerView<'_>]) -> Vec<FamilyWriter> {
    let mut info = FamilyWriter::new(&catalog::SUBSCRIPTION_INFO);
    let mut gauges = GAUGES.map(|(family, value)| (FamilyWriter::new(family), value));
    for view in views {
        for known in &view.subscriptions {
            let id: &str = &known.id.to_string();
            let row = &known.subscription;
            let SubscriptionKey { service, model, source, payment_type, storage, name, package } = &*row.key;
            let labels = [id, service, model, storage, &row.retention, source, payment_type, name, package];
            let labels = info.labels(&labels);
            view.push(&mut info, &labels, Some(1.0));
            let labels = gauges.first().map(|(lines, _)| lines.labels(&[id, service])).unwrap_or_default();
            for (lines, value) in &mut gauges {
                view.push(lines, &labels, value(row));
            }
        }
    }
    let mut families = vec![info];
    families.extend(gauges.map(|(lines, _)| lines));
    families
}
