//! The data set of one app registration: customers as plain data, written by hand in a test or generated.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use elements::types::{ProductType, Quantity, TenantType};
use jiff::Timestamp;

use super::backups::{SimJob, SimModule};
use super::customer_list::SimProfile;
use super::rng::SeededRng;
use super::wire_value::{Capacity, Text, WireValue};

/// The customers that one app registration can see, and some that it cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// In the order of the service list; ids are distinct.
    pub customers: Vec<SimCustomer>,
    /// Ids of customers that exist but are outside the app's scope: 403, and never listed.
    pub out_of_scope: BTreeSet<String>,
}

/// One customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimCustomer {
    /// `customerId`
    pub id: String,
    /// `organization`; `N/A` means that there is no name.
    pub organization: Text,
    /// `customer`, an email address that no exporter may show.
    pub email: String,
    /// Its tenants, in the order of `tenant_seats`.
    pub tenants: Vec<SimTenant>,
    /// The values of `products_purchased` by product; other products return 0.
    pub purchased: BTreeMap<ProductType, u32>,
    /// The values of `products_available` by product; other products return 404.
    pub available: BTreeMap<ProductType, u32>,
    /// Its rows of the service list.
    pub rows: Vec<SimRow>,
    /// Its row of the list of customers.
    pub profile: SimProfile,
    /// Whether it is missing in the service list.
    pub unlisted: bool,
    /// Its rows of `backup_jobs`.
    pub jobs: Vec<SimJob>,
    /// Its rows of `backup_overview`.
    pub modules: Vec<SimModule>,
}

/// One tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct SimTenant {
    /// `type`
    pub tenant_type: TenantType,
    /// `tenantId`
    pub id: String,
    /// `tenantName`
    pub name: String,
    /// `assignedUserSeat` at the start.
    pub assigned: u32,
    /// `availableUserSeat` at the start.
    pub available: u32,
    /// How the seats change over time; the sum of assigned and available is constant.
    pub trend: SeatTrend,
}

/// How the assigned seats of a tenant change, as a pure function of the time since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeatTrend {
    /// They do not change.
    #[default]
    Still,
    /// A slow random walk, never further than `swing` from the start.
    Walk {
        /// The seed of this tenant's walk.
        seed: u64,
        /// Maximum distance from the start, in seats.
        swing: u32,
    },
    /// Steady growth until no seats are left.
    Growing {
        /// Seats per day.
        per_day: u32,
    },
}

/// One row of `products` in the service list: every field as a string of the response, with its value.
///
/// A text field that is `None` omits its key from the response; `N/A` means that there is no value.
#[derive(Clone, Debug, PartialEq)]
pub struct SimRow {
    /// `service`
    pub service: Option<Text>,
    /// `subscriptionModel`
    pub subscription_model: Option<Text>,
    /// `purchasedUserSeats`
    pub purchased_user_seats: WireValue<Quantity>,
    /// `purchasedUnits`
    pub purchased_units: WireValue<Quantity>,
    /// `microsoftLicenseAssigned`
    pub licenses_assigned: WireValue<Quantity>,
    /// `microsoftLicenseAvailable`
    pub licenses_available: WireValue<Quantity>,
    /// `purchasedCapacity`
    pub purchased_capacity: WireValue<Capacity>,
    /// `protectedCapacity`
    pub protected_capacity: WireValue<Quantity>,
    /// `storage`
    pub storage: Option<Text>,
    /// `retention`
    pub retention: Option<Text>,
    /// `consumedStorage`
    pub consumed_storage: WireValue<Quantity>,
    /// `expirationDate`
    pub expiration_date: WireValue<Timestamp>,
    /// `change`
    pub change: WireValue<i64>,
    /// `source`
    pub source: Option<Text>,
    /// `paymentType`
    pub payment_type: Option<Text>,
    /// `subscriptionName`
    pub subscription_name: Option<Text>,
    /// `package`
    pub package: Option<Text>,
    /// `contractEndDate`
    pub contract_end_date: WireValue<Timestamp>,
    /// The licence fields are the sums over the customer's tenants of this type, and change with them.
    pub follows: Option<TenantType>,
}

impl Dataset {
    /// The customer with an id.
    pub fn customer_mut(&mut self, id: &str) -> Option<&mut SimCustomer> {
        self.customers.iter_mut().find(|customer| customer.id == id)
    }

    /// Removes a customer; from now on its id is unknown.
    pub fn remove(&mut self, id: &str) -> Option<SimCustomer> {
        let place = self.customers.iter().position(|customer| customer.id == id)?;
        Some(self.customers.remove(place))
    }
}

impl SimCustomer {
    /// A customer without any data.
    #[must_use]
    pub fn new(id: impl Into<String>, organization: impl Into<Text>) -> Self {
        let id = id.into();
        Self { email: format!("admin@{id}.example"), id, organization: organization.into(), ..Self::default() }
    }

    /// The seats of all tenants of a type, assigned and available; `None` without such a tenant.
    #[must_use]
    pub fn seats(&self, tenant_type: TenantType) -> Option<(u32, u32)> {
        let tenants = self.tenants.iter().filter(|tenant| tenant.tenant_type == tenant_type);
        tenants.map(|tenant| (tenant.assigned, tenant.available)).reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// The customer some minutes after the start, with changed tenants and the rows derived from them.
    #[must_use]
    pub fn at(&self, minutes: u64) -> Cow<'_, Self> {
        let still = self.tenants.iter().all(|tenant| tenant.trend == SeatTrend::Still);
        if minutes == 0 || still {
            return Cow::Borrowed(self);
        }
        let mut moved = self.clone();
        for tenant in &mut moved.tenants {
            (tenant.assigned, tenant.available) = tenant.seats_at(minutes);
        }
        moved.sync_license_fields();
        Cow::Owned(moved)
    }

    /// Recomputes the licence fields of the rows derived from tenants; call it after changing a tenant by hand.
    pub fn sync_license_fields(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        for row in &mut rows {
            if let Some((assigned, available)) = row.follows.and_then(|tenant_type| self.seats(tenant_type)) {
                row.licenses_assigned = WireValue::count(assigned);
                row.licenses_available = WireValue::count(available);
            }
        }
        self.rows = rows;
    }
}

impl SimTenant {
    /// A tenant with constant seats.
    #[must_use]
    pub fn new(
        tenant_type: TenantType,
        id: impl Into<String>,
        name: impl Into<String>,
        assigned: u32,
        available: u32,
    ) -> Self {
        Self { tenant_type, id: id.into(), name: name.into(), assigned, available, trend: SeatTrend::Still }
    }

    /// Assigned and available seats some minutes after the start.
    #[must_use]
    pub fn seats_at(&self, minutes: u64) -> (u32, u32) {
        let total = self.assigned.saturating_add(self.available);
        let offset = match self.trend {
            SeatTrend::Still => 0,
            SeatTrend::Walk { seed, swing } => walk(seed, swing, minutes),
            SeatTrend::Growing { per_day } => i64::try_from(u64::from(per_day) * minutes / 1440).unwrap_or(i64::MAX),
        };
        let assigned = i64::from(self.assigned).saturating_add(offset).clamp(0, total.into());
        let assigned = u32::try_from(assigned).unwrap_or(total);
        (assigned, total - assigned)
    }
}

/// The distance of a walk from its start: linear between points six hours apart. The first point is 0, and the others
/// are random numbers within `swing` of 0.
fn walk(seed: u64, swing: u32, minutes: u64) -> i64 {
    const KNOTS: u64 = 360;
    let knot = |index: u64| match index {
        0 => 0,
        _ => i64::from(SeededRng::of(&[seed, index]).between(0, swing * 2)) - i64::from(swing),
    };
    let (from, to) = (knot(minutes / KNOTS), knot(minutes / KNOTS + 1));
    from + (to - from) * i64::try_from(minutes % KNOTS).unwrap_or(0) / i64::try_from(KNOTS).unwrap_or(1)
}

impl SimRow {
    /// A row with only a service: the other fields are `N/A`, and the licences are 0.
    #[must_use]
    pub fn new(service: impl Into<Text>) -> Self {
        let none = || Some(Text::Borrowed("N/A"));
        Self {
            service: Some(service.into()),
            subscription_model: none(),
            purchased_user_seats: WireValue::not_applicable(),
            purchased_units: WireValue::not_applicable(),
            licenses_assigned: WireValue::count(0),
            licenses_available: WireValue::count(0),
            purchased_capacity: WireValue::not_applicable(),
            protected_capacity: WireValue::not_applicable(),
            storage: none(),
            retention: none(),
            consumed_storage: WireValue::not_applicable(),
            expiration_date: WireValue::not_applicable(),
            change: WireValue::not_applicable(),
            source: none(),
            payment_type: none(),
            subscription_name: none(),
            package: none(),
            contract_end_date: WireValue::not_applicable(),
            follows: None,
        }
    }

    /// Every key in the order of the documentation, with its string; `None` is omitted from the response.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, Option<&str>); 18] {
        [
            ("service", self.service.as_deref()),
            ("subscriptionModel", self.subscription_model.as_deref()),
            ("purchasedUserSeats", self.purchased_user_seats.text.as_deref()),
            ("purchasedUnits", self.purchased_units.text.as_deref()),
            ("microsoftLicenseAssigned", self.licenses_assigned.text.as_deref()),
            ("microsoftLicenseAvailable", self.licenses_available.text.as_deref()),
            ("purchasedCapacity", self.purchased_capacity.text.as_deref()),
            ("protectedCapacity", self.protected_capacity.text.as_deref()),
            ("storage", self.storage.as_deref()),
            ("retention", self.retention.as_deref()),
            ("consumedStorage", self.consumed_storage.text.as_deref()),
            ("expirationDate", self.expiration_date.text.as_deref()),
            ("change", self.change.text.as_deref()),
            ("source", self.source.as_deref()),
            ("paymentType", self.payment_type.as_deref()),
            ("subscriptionName", self.subscription_name.as_deref()),
            ("package", self.package.as_deref()),
            ("contractEndDate", self.contract_end_date.text.as_deref()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(trend: SeatTrend) -> SimTenant {
        SimTenant { trend, ..SimTenant::new(TenantType::Microsoft365, "t", "T", 40, 20) }
    }

    #[test]
    fn seats_move_from_where_they_start_and_their_sum_stays() {
        for trend in [SeatTrend::Still, SeatTrend::Walk { seed: 1, swing: 8 }, SeatTrend::Growing { per_day: 3 }] {
            let tenant = tenant(trend);
            assert_eq!(tenant.seats_at(0), (40, 20));
            assert!((0..100_000).step_by(97).all(|minutes| {
                let (assigned, available) = tenant.seats_at(minutes);
                assigned + available == 60
            }));
        }
    }

    #[test]
    fn a_walk_is_slow_and_bounded_and_growth_steady() {
        let walking = tenant(SeatTrend::Walk { seed: 1, swing: 8 });
        let seats: Vec<_> = (0..20_000).map(|minute| walking.seats_at(minute).0).collect();
        assert!(seats.iter().all(|assigned| (32..=48).contains(assigned)));
        assert!(seats.windows(2).all(|pair| pair[0].abs_diff(pair[1]) <= 1));
        assert!(seats.iter().any(|&assigned| assigned != 40));
        let growing = tenant(SeatTrend::Growing { per_day: 3 });
        assert_eq!(growing.seats_at(1440 * 2), (46, 14));
        assert_eq!(growing.seats_at(1440 * 365), (60, 0));
    }

    #[test]
    fn rows_follow_their_tenants() {
        let mut customer = SimCustomer::new("c", "C");
        customer.tenants = vec![tenant(SeatTrend::Growing { per_day: 3 }), tenant(SeatTrend::Still)];
        customer.rows = vec![SimRow { follows: Some(TenantType::Microsoft365), ..SimRow::new("Opus") }];
        let moved = customer.at(1440);
        assert_eq!(moved.seats(TenantType::Microsoft365), Some((83, 37)));
        assert_eq!(moved.rows[0].licenses_assigned, WireValue::count(83));
        assert_eq!(moved.rows[0].licenses_available, WireValue::count(37));
        assert_eq!(moved.seats(TenantType::Google), None);
    }
}
