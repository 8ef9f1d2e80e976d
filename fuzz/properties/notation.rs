//! The API's own notation of values, to write back what was read.

use elements::types::{ListedCustomer, Quantity, Subscription, TenantSeats};
use serde_json::{Value, json};

pub(super) fn quantity(quantity: Option<Quantity>) -> Value {
    match quantity {
        None => Value::Null,
        Some(unlimited) if unlimited.is_unlimited() => "Unlimited".into(),
        Some(number) => {
            let text = number.get().to_string();
            // Three digits after the point could be a thousands group.
            if text.contains('.') { (text + "0000").into() } else { text.into() }
        }
    }
}

fn bytes(quantity: Option<Quantity>) -> Value {
    match quantity {
        Some(number) if !number.is_unlimited() => format!("{} B", number.get()).into(),
        other => self::quantity(other),
    }
}

pub(super) fn tenant_json(tenant: &TenantSeats) -> Value {
    json!({
        "tenantId": tenant.id.as_str(),
        "tenantName": &*tenant.name,
        "assignedUserSeat": quantity(tenant.seats.assigned),
        "availableUserSeat": quantity(tenant.seats.available),
    })
}

pub(super) fn customer_json(customer: &ListedCustomer) -> Value {
    let products = customer.subscriptions.as_ref().map(|rows| rows.iter().map(subscription_json).collect::<Vec<_>>());
    json!({ "customerId": customer.id.as_str(), "organization": customer.name.as_deref(), "products": products })
}

fn subscription_json(row: &Subscription) -> Value {
    let key = &row.key;
    let capacity = match (row.capacity_used, row.capacity_purchased) {
        (None, purchased) => bytes(purchased),
        (used, purchased) => {
            let text = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
            format!("{}/{}", text(bytes(used)), text(bytes(purchased))).into()
        }
    };
    json!({
        "service": &*key.service,
        "subscriptionModel": &*key.model,
        "source": &*key.source,
        "paymentType": &*key.payment_type,
        "storage": &*key.storage,
        "subscriptionName": &*key.name,
        "package": &*key.package,
        "retention": &*row.retention,
        "purchasedUserSeats": quantity(row.seats_purchased),
        "purchasedUnits": quantity(row.units_purchased),
        "microsoftLicenseAssigned": quantity(row.licenses_assigned),
        "microsoftLicenseAvailable": quantity(row.licenses_available),
        "purchasedCapacity": capacity,
        "protectedCapacity": bytes(row.capacity_protected),
        "consumedStorage": bytes(row.storage_consumed),
        "change": row.seats_change.map(|change| change.to_string()),
        "expirationDate": row.expires.map(|time| time.get().to_string()),
        "contractEndDate": row.contract_ends.map(|time| time.get().to_string()),
    })
}
