//! Expected values of a customer in domain types, for tests to compare with.

use std::collections::BTreeMap;
use std::sync::Arc;

use elements::types::{
    BackupJob, CustomerId, ListedCustomer, ProductType, Profile, ProtectedObjects, Quantity, Seats, Subscription,
    SubscriptionKey, TenantSeats, TenantType,
};

use super::backups::{SimJob, SimModule};
use super::dataset::{SimCustomer, SimRow, SimTenant};
use super::wire_value::Text;

/// The correctly read results of the endpoints for a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its rows of the service list.
    pub listed: ListedCustomer,
    /// For the customer's tenant types.
    pub customer_seats: BTreeMap<TenantType, Seats>,
    /// For the customer's tenant types; sorted by id.
    pub tenant_seats: BTreeMap<TenantType, Vec<TenantSeats>>,
    /// For the known products; 0 for those sold by capacity or not held.
    pub purchased: BTreeMap<ProductType, Quantity>,
    /// For the known products.
    pub available: BTreeMap<ProductType, Quantity>,
    /// Its row of the list of customers.
    pub profile: Profile,
    /// The newest job of each plan.
    pub backup_jobs: Arc<[BackupJob]>,
    /// What backups protect.
    pub backup_overview: Arc<[ProtectedObjects]>,
}

impl SimCustomer {
    /// The expected values at the start; see [`SimCustomer::at`] for later.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let mut tenant_seats: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for tenant in &self.tenants {
            tenant_seats.entry(tenant.tenant_type).or_default().push(tenant.expected());
        }
        for tenants in tenant_seats.values_mut() {
            tenants.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let customer_seats =
            tenant_seats.keys().filter_map(|&tenant_type| Some((tenant_type, seats(self.seats(tenant_type)?))));
        let products = |seats: &BTreeMap<ProductType, u32>| {
            seats.iter().map(|(&product, &seats)| (product, seats.into())).collect()
        };
        Expected {
            listed: ListedCustomer {
                id: CustomerId::from(self.id.as_str()),
                name: Some(text(Some(&self.organization))).filter(|name| !name.is_empty()),
                subscriptions: Some(self.rows.iter().map(SimRow::expected).collect()),
            },
            customer_seats: customer_seats.collect(),
            purchased: products(&self.purchased),
            available: products(&self.available),
            profile: self.expected_profile(),
            backup_jobs: BackupJob::newest(self.jobs.iter().map(SimJob::expected)),
            backup_overview: ProtectedObjects::by_module(self.modules.iter().map(SimModule::expected)),
            tenant_seats,
        }
    }
}

impl SimTenant {
    /// The expected values of the tenant.
    #[must_use]
    pub fn expected(&self) -> TenantSeats {
        TenantSeats {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            seats: seats((self.assigned, self.available)),
        }
    }
}

impl SimRow {
    /// The expected values of the row.
    #[must_use]
    pub fn expected(&self) -> Subscription {
        let capacity = self.purchased_capacity.value;
        Subscription {
            key: SubscriptionKey {
                service: text(self.service.as_ref()),
                model: text(self.subscription_model.as_ref()),
                source: text(self.source.as_ref()),
                payment_type: text(self.payment_type.as_ref()),
                storage: text(self.storage.as_ref()),
                name: text(self.subscription_name.as_ref()),
                package: text(self.package.as_ref()),
            }
            .into(),
            retention: text(self.retention.as_ref()),
            seats_purchased: self.purchased_user_seats.value,
            units_purchased: self.purchased_units.value,
            licenses_assigned: self.licenses_assigned.value,
            licenses_available: self.licenses_available.value,
            capacity_purchased: capacity.map(|capacity| capacity.purchased),
            capacity_used: capacity.and_then(|capacity| capacity.used),
            capacity_protected: self.protected_capacity.value,
            storage_consumed: self.consumed_storage.value,
            seats_change: self.change.value,
            expires: self.expiration_date.value.map(Into::into),
            contract_ends: self.contract_end_date.value.map(Into::into),
        }
    }
}

fn seats((assigned, available): (u32, u32)) -> Seats {
    Seats { assigned: Some(assigned.into()), available: Some(available.into()) }
}

/// A label: `N/A` and missing values are empty.
fn text(text: Option<&Text>) -> Arc<str> {
    text.map(AsRef::as_ref).filter(|&text| text != "N/A").unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WireValue;

    #[test]
    fn truth_has_numbers_and_no_stand_ins() {
        let mut customer = SimCustomer::new("c", "N/A");
        customer.tenants = vec![
            SimTenant::new(TenantType::Google, "z", "Z", 1, 2),
            SimTenant::new(TenantType::Google, "a", "A", 10, 20),
        ];
        customer.purchased = [(ProductType(1), 0), (ProductType(4), 7)].into();
        customer.rows = vec![SimRow {
            subscription_model: None,
            purchased_user_seats: WireValue::grouped(1024),
            purchased_units: WireValue::unreadable("some"),
            ..SimRow::new("MyHub")
        }];
        let expected = customer.expected();
        assert_eq!(expected.listed.name, None);
        assert_eq!(expected.customer_seats[&TenantType::Google], seats((11, 22)));
        assert_eq!(expected.tenant_seats[&TenantType::Google][0].id.as_str(), "a");
        assert_eq!(expected.purchased, [(ProductType(1), 0.into()), (ProductType(4), 7.into())].into());
        let row = &expected.listed.subscriptions.unwrap()[0];
        assert_eq!((&*row.key.service, &*row.key.model, &*row.key.storage), ("MyHub", "", ""));
        assert_eq!((row.seats_purchased, row.units_purchased, row.expires), (Some(1024.into()), None, None));
    }
}
