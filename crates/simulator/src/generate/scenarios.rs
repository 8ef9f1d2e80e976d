//! Special cases: each of the first customers of a seed demonstrates one of them.

use elements::types::TenantType;

use super::CustomerBuilder;
use super::offers::{BACKUP, DYNAMICS, EXTRAS, GOOGLE, IAAS, Offer, SALESFORCE, UNKNOWN, later, set_capacity};
use crate::dataset::{SeatTrend, SimRow};
use crate::rng::SeededRng;
use crate::wire_value::{DateForm, WireValue};

/// The special case of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A healthy customer.
    Healthy,
    /// A tenant with assigned seats and no available ones.
    Exhausted,
    /// A tenant with more than 90 % of its seats assigned, and growing.
    Low90,
    /// A tenant with at least 97 % of its seats assigned.
    Low97,
    /// More licences assigned than seats purchased.
    OverAssigned,
    /// A subscription that expires in 2 days.
    ExpiresIn2,
    /// A subscription that expires in 10 days.
    ExpiresIn10,
    /// A subscription that expires in 25 days.
    ExpiresIn25,
    /// The only row of a service, expired 5 days ago.
    Expired5,
    /// A row that expired 5 days ago; another row of the same service is valid.
    Renewed,
    /// A row expired 90 days ago.
    Expired90,
    /// A contract that ends in 40 days, with less than half of the seats assigned.
    ContractEnds,
    /// A capacity that is 95 % used.
    Capacity95,
    /// A capacity that is used beyond what was purchased.
    CapacityOver,
    /// Plans without a limit, one of which still has a seat number.
    Unlimited,
    /// Pooled subscriptions with a change, one of them negative.
    Pooled,
    /// No rows, no tenants.
    NoProducts,
    /// Rows with equal identifying fields, some of them equal in all fields: 242, 242 and 5 seats, of which 167 in total
    /// are assigned.
    EqualRows,
    /// A row in which only the service is applicable, and a tenant of 0 seats.
    NotApplicable,
    /// An unknown service and an unknown product.
    Unknown,
    /// Google only.
    Google,
    /// Microsoft 365 and Salesforce.
    Salesforce,
    /// Microsoft 365 and Dynamics 365.
    Dynamics,
    /// IaaS + PaaS only, which implies no tenant.
    Iaas,
}

impl Scenario {
    /// Every case; the customer at an index has the case at this index.
    pub const ALL: [Self; 24] = [
        Self::Healthy,
        Self::Exhausted,
        Self::Low90,
        Self::Low97,
        Self::OverAssigned,
        Self::ExpiresIn2,
        Self::ExpiresIn10,
        Self::ExpiresIn25,
        Self::Expired5,
        Self::Renewed,
        Self::Expired90,
        Self::ContractEnds,
        Self::Capacity95,
        Self::CapacityOver,
        Self::Unlimited,
        Self::Pooled,
        Self::NoProducts,
        Self::EqualRows,
        Self::NotApplicable,
        Self::Unknown,
        Self::Google,
        Self::Salesforce,
        Self::Dynamics,
        Self::Iaas,
    ];

    /// One of the cases that need attention, for a few of the other customers.
    pub(super) fn attention(rng: &mut SeededRng) -> Option<Self> {
        // From `Exhausted` to `CapacityOver`.
        let case = rng.between(1, 13) as usize;
        Self::ALL.get(case).copied().filter(|_| rng.chance(0.06))
    }

    /// The index of the customer with this case, in a data set with special cases.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Applies the case to an empty customer.
    pub(super) fn build(self, builder: &mut CustomerBuilder) {
        // Enough seats that 98 % leave at least one available.
        let seats = builder.rng.between(50, 320);
        let seats = if self == Self::EqualRows { 242 } else { seats };
        match self {
            Self::NoProducts => {}
            Self::Google => builder.buy_with_tenant(GOOGLE, TenantType::Google, seats, seats * 7 / 10),
            Self::Iaas => {
                let count = builder.rng.between(1, 20);
                builder.buy(IAAS, count);
            }
            Self::NotApplicable => {
                builder.buy_with_tenant(BACKUP, TenantType::Microsoft365, 0, 0);
                builder.change_rows(|_, row| {
                    *row = SimRow {
                        licenses_assigned: WireValue::not_applicable(),
                        licenses_available: WireValue::not_applicable(),
                        ..SimRow::new(BACKUP.service)
                    };
                });
            }
            _ => {
                let assigned = self.assigned(seats, &mut builder.rng);
                builder.buy_with_tenant(BACKUP, TenantType::Microsoft365, seats, assigned);
                self.apply(builder, seats);
            }
        }
    }

    /// The number of assigned seats.
    fn assigned(self, seats: u32, rng: &mut SeededRng) -> u32 {
        let percent = match self {
            Self::Exhausted => 100,
            Self::Low90 => 92,
            Self::Low97 => 98,
            Self::OverAssigned => 114,
            Self::ContractEnds => 45,
            Self::EqualRows => 69,
            _ => rng.between(50, 78),
        };
        (seats * percent).div_ceil(100)
    }

    /// What distinguishes this case from a healthy customer with a Microsoft 365 tenant and a backup of it.
    fn apply(self, builder: &mut CustomerBuilder, seats: u32) {
        let today = builder.today;
        let extra = |place: usize| EXTRAS.get(place).copied().unwrap_or(BACKUP);
        let days = match self {
            Self::ExpiresIn2 => 2,
            Self::ExpiresIn10 => 10,
            Self::ExpiresIn25 => 25,
            Self::Expired5 | Self::Renewed => -5,
            Self::Expired90 => -90,
            _ => i64::from(builder.rng.between(120, 500)),
        };
        if self == Self::Renewed {
            builder.holdings.extend(builder.holdings.first().cloned());
        }
        if let Some(holding) = builder.holdings.first_mut() {
            holding.expire(today, days, DateForm::Live);
        }
        match self {
            Self::Low90 => builder.set_tenant_trend(SeatTrend::Growing { per_day: 2 }),
            Self::Healthy => {
                builder.buy(extra(0), seats);
                builder.buy(extra(2), seats);
                builder.buy(extra(5), 6);
                builder.set_tenant_trend(SeatTrend::Growing { per_day: 1 });
            }
            Self::ContractEnds => builder.change_rows(|_, row| {
                row.contract_end_date = WireValue::date(later(today, 40), DateForm::Live);
            }),
            Self::Capacity95 => builder.buy_capacity(97_300, 102_400),
            Self::CapacityOver => builder.buy_capacity(54_000, 51_200),
            Self::Unlimited => {
                builder.buy(extra(0), 20);
                builder.change_rows(|place, row| match place {
                    0 => row.subscription_model = Some("Unlimited organizations".into()),
                    _ => row.purchased_user_seats = WireValue::unlimited(),
                });
            }
            Self::Pooled => {
                builder.buy(extra(1), seats);
                builder.change_rows(|place, row| {
                    row.source = Some("AvePoint pooled subscription".into());
                    row.change = WireValue::change(if place == 0 { 5 } else { -3 });
                });
            }
            Self::EqualRows => {
                let first = builder.holdings.first().cloned();
                builder.holdings.extend(first.iter().cloned().chain(first.clone()));
                if let Some(last) = builder.holdings.last_mut() {
                    last.count = 5;
                    last.row.purchased_user_seats = WireValue::count(5);
                    last.expire(today, 120, DateForm::Live);
                }
            }
            Self::Unknown => builder.buy(UNKNOWN, seats),
            Self::Salesforce => builder.buy_with_tenant(SALESFORCE, TenantType::Salesforce, 50, 30),
            Self::Dynamics => builder.buy_with_tenant(DYNAMICS, TenantType::Dynamics365, 40, 25),
            _ => {}
        }
    }
}

impl CustomerBuilder {
    /// Adds an offer together with a tenant of `seats` seats and this many assigned.
    pub(super) fn buy_with_tenant(&mut self, offer: Offer, tenant_type: TenantType, seats: u32, assigned: u32) {
        self.tenant(tenant_type, assigned, seats.saturating_sub(assigned));
        self.buy(offer, seats);
    }

    fn buy_capacity(&mut self, used: u32, purchased: u32) {
        self.buy(IAAS, 1);
        if let Some(holding) = self.holdings.last_mut() {
            set_capacity(&mut holding.row, used, purchased);
        }
    }

    fn change_rows(&mut self, mut change: impl FnMut(usize, &mut SimRow)) {
        for (place, holding) in self.holdings.iter_mut().enumerate() {
            change(place, &mut holding.row);
        }
    }

    fn set_tenant_trend(&mut self, trend: SeatTrend) {
        for tenant in &mut self.customer.tenants {
            tenant.trend = trend;
        }
    }
}
