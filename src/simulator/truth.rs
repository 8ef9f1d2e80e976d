//! What a correct exporter knows of a customer, in the domain's types, for tests to compare with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::shown::Text;
use super::world::{SimCustomer, SimRow, SimTenant, World};
use crate::domain::{
    CustomerId, ListedCustomer, ProductType, Quantity, Seats, Service, Subscription, SubscriptionKind, TenantSeats,
    TenantType,
};

/// A customer as the five endpoints describe it, all of them read without a mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// Endpoint 5.
    pub listed: ListedCustomer,
    /// Endpoint 1, for the types that the customer has a tenant of.
    pub customer_seats: BTreeMap<TenantType, Seats>,
    /// Endpoint 3, for the types that the customer has a tenant of; ordered by id.
    pub tenant_seats: BTreeMap<TenantType, Vec<TenantSeats>>,
    /// Endpoint 4, for the products that the customer holds; an answer of 0 is no holding.
    pub purchased: BTreeMap<ProductType, Quantity>,
    /// Endpoint 2, for the products that it knows.
    pub available: BTreeMap<ProductType, Quantity>,
}

/// The numbers that the requests of a full pass follow from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Customers listed.
    pub customers: usize,
    /// Rows of the service list.
    pub rows: usize,
    /// Tenant types that a customer has a tenant of, summed over the customers.
    pub tenant_types: usize,
    /// Tenant types that the service names of a customer imply, summed over the customers.
    pub implied_tenant_types: usize,
    /// Tenants.
    pub tenants: usize,
    /// Products that the service names of a customer imply, summed over the customers.
    pub implied_products: usize,
    /// Products held, summed over the customers.
    pub products: usize,
    /// Customers that hold product 2048.
    pub cloud_backup_m365: usize,
}

impl SimCustomer {
    /// What this customer's data means, now; see [`SimCustomer::at`] for later.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let mut tenant_seats: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for tenant in &self.tenants {
            tenant_seats.entry(tenant.tenant_type).or_default().push(tenant.truth());
        }
        for tenants in tenant_seats.values_mut() {
            tenants.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let customer_seats =
            tenant_seats.keys().filter_map(|&tenant_type| Some((tenant_type, seats(self.seats(tenant_type)?))));
        let held = |seats: &BTreeMap<ProductType, u32>| {
            seats.iter().filter(|&(_, &seats)| seats > 0).map(|(&product, &seats)| (product, seats.into())).collect()
        };
        Truth {
            listed: ListedCustomer {
                id: CustomerId::from(self.id.as_str()),
                name: Some(text(Some(&self.organization))).filter(|name| !name.is_empty()),
                subscriptions: Some(self.rows.iter().map(SimRow::truth).collect()),
            },
            customer_seats: customer_seats.collect(),
            purchased: held(&self.purchased),
            available: self.available.iter().map(|(&product, &seats)| (product, seats.into())).collect(),
            tenant_seats,
        }
    }

    /// The products and the tenant types that the service names imply.
    fn implied(&self) -> (BTreeSet<ProductType>, BTreeSet<TenantType>) {
        let services = || self.rows.iter().filter_map(|row| Some(Service::from_name(row.service.as_deref()?)));
        (
            services().filter_map(|service| service.product).collect(),
            services().filter_map(|service| service.tenant_type).collect(),
        )
    }
}

impl SimTenant {
    /// What the tenant's data means.
    #[must_use]
    pub fn truth(&self) -> TenantSeats {
        TenantSeats {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            seats: seats((self.assigned, self.available)),
        }
    }
}

impl SimRow {
    /// What the row means.
    #[must_use]
    pub fn truth(&self) -> Subscription {
        let capacity = self.purchased_capacity.value;
        Subscription {
            kind: SubscriptionKind {
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

impl World {
    /// Counted over all customers.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { customers: self.customers.len(), ..Totals::default() };
        for customer in &self.customers {
            let (products, tenant_types) = customer.implied();
            totals.rows += customer.rows.len();
            totals.tenants += customer.tenants.len();
            totals.tenant_types += customer.tenants.iter().map(|t| t.tenant_type).collect::<BTreeSet<_>>().len();
            totals.implied_tenant_types += tenant_types.len();
            totals.products += customer.purchased.values().filter(|&&seats| seats > 0).count();
            totals.implied_products += products.len();
            totals.cloud_backup_m365 +=
                usize::from(customer.purchased.get(&ProductType::CLOUD_BACKUP_M365).is_some_and(|&seats| seats > 0));
        }
        totals
    }
}

fn seats((assigned, available): (u32, u32)) -> Seats {
    Seats { assigned: Some(assigned.into()), available: Some(available.into()) }
}

/// A label: `N/A` and what is left out are empty.
fn text(text: Option<&Text>) -> Arc<str> {
    text.map(AsRef::as_ref).filter(|&text| text != "N/A").unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Shown;

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
            purchased_user_seats: Shown::grouped(1024),
            purchased_units: Shown::unreadable("some"),
            ..SimRow::new("MyHub")
        }];
        let truth = customer.truth();
        assert_eq!(truth.listed.name, None);
        assert_eq!(truth.customer_seats[&TenantType::Google], seats((11, 22)));
        assert_eq!(truth.tenant_seats[&TenantType::Google][0].id.as_str(), "a");
        assert_eq!(truth.purchased, [(ProductType(4), 7.into())].into());
        let row = &truth.listed.subscriptions.unwrap()[0];
        assert_eq!((&*row.kind.service, &*row.kind.model, &*row.kind.storage), ("MyHub", "", ""));
        assert_eq!((row.seats_purchased, row.units_purchased, row.expires), (Some(1024.into()), None, None));
    }
}
