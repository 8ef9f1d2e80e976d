//! Decodes the service list.

use super::json::{self, Json, Row};
use super::reader::FieldReader;
use super::{Decoded, Field, Malformed, Page, date, number, page, size};
use crate::types::{ListedCustomer, MAX_ROWS, Subscription, SubscriptionKey};

/// A page of customers with their products. Customers without an id are omitted; email addresses are not
/// read.
pub fn services(body: &[u8]) -> Result<Decoded<Page<ListedCustomer>>, Malformed> {
    let text = json::text(body);
    page::read(&json::parse(&text)?, page::Shape::Envelope, Field::CustomerId, customer)
}

fn customer(reader: &mut FieldReader, row: Row<'_>) -> Option<ListedCustomer> {
    let id = reader.read_id(row, Field::CustomerId, Field::CustomerId.as_str())?;
    let name = reader.text(row, Field::Organization);
    Some(ListedCustomer {
        id: id.into(),
        name: (!name.is_empty()).then_some(name),
        subscriptions: subscriptions(reader, row),
    })
}

/// Without a list, the customer's products are unknown; any other type is counted as unreadable. The same holds for a
/// list without a valid row: it does not mean that there are no products. Rows after [`MAX_ROWS`] are counted.
fn subscriptions(reader: &mut FieldReader, row: Row<'_>) -> Option<Vec<Subscription>> {
    let list = reader.read(row, Field::Products, |json| match json {
        Json::List(list) => Some(list).into(),
        _ => None.into(),
    });
    let list = list.value()?;
    let mut subscriptions = Vec::new();
    for json in list.iter().take(MAX_ROWS) {
        match json.row() {
            Some(row) => subscriptions.push(subscription(reader, row)),
            None => reader.record_unreadable(Field::Products, json.kind()),
        }
    }
    if list.len() > MAX_ROWS {
        let more = (list.len() - MAX_ROWS) as u64;
        reader.record_unreadable_many(Field::Products, format!("row {} of {}", MAX_ROWS + 1, list.len()), more);
    }
    (list.is_empty() || !subscriptions.is_empty()).then_some(subscriptions)
}

fn subscription(reader: &mut FieldReader, row: Row<'_>) -> Subscription {
    let key = SubscriptionKey {
        service: reader.text(row, Field::Service),
        model: reader.text(row, Field::SubscriptionModel),
        source: reader.text(row, Field::Source),
        payment_type: reader.text(row, Field::PaymentType),
        storage: reader.text(row, Field::Storage),
        name: reader.text(row, Field::SubscriptionName),
        package: reader.text(row, Field::Package),
    };
    let capacity = reader.read(row, Field::PurchasedCapacity, size::capacity).value();
    Subscription {
        key: key.into(),
        retention: reader.text(row, Field::Retention),
        seats_purchased: reader.read(row, Field::PurchasedUserSeats, number::quantity).value(),
        units_purchased: reader.read(row, Field::PurchasedUnits, number::quantity).value(),
        licenses_assigned: reader.read(row, Field::MicrosoftLicenseAssigned, number::quantity).value(),
        licenses_available: reader.read(row, Field::MicrosoftLicenseAvailable, number::quantity).value(),
        capacity_purchased: capacity.map(|capacity| capacity.purchased),
        capacity_used: capacity.and_then(|capacity| capacity.used),
        capacity_protected: reader.read(row, Field::ProtectedCapacity, size::bytes).value(),
        storage_consumed: reader.read(row, Field::ConsumedStorage, size::bytes).value(),
        seats_change: reader.read(row, Field::Change, number::integer).value(),
        expires: reader.read(row, Field::ExpirationDate, date::timestamp).value().map(Into::into),
        contract_ends: reader.read(row, Field::ContractEndDate, date::timestamp).value().map(Into::into),
    }
}
