//! Generates data sets from a seed: a pure function of (settings, index), so any customer is cheap to compute and
//! always the same.
//!
//! The first customers of a seed are the special cases, one each ([`Scenario::ALL`]); most of the others are healthy. The
//! rows of a customer are consistent with its tenants and products.

mod names;
mod offers;
mod scenarios;

use jiff::civil::Date;

pub use self::scenarios::Scenario;
use elements::types::{ProductType, TenantType};

use self::offers::{BACKUP, DYNAMICS, EXTRAS, GOOGLE, Holding, IAAS, Offer, SALESFORCE};
use super::backups::{self, BackupScenario};
use super::customer_list::SimProfile;
use super::dataset::{Dataset, SeatTrend, SimCustomer, SimTenant};
use super::rng::SeededRng;

/// The generator settings.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// The seed for everything that the other fields do not determine.
    pub seed: u64,
    /// The number of customers.
    pub customers: u32,
    /// The day from which expiration dates are counted.
    pub today: Date,
    /// The kind of data.
    pub mix: Mix,
    /// Whether two of the first four customers have hostile names: one with HTML, one with a line break.
    pub hostile_names: bool,
}

/// What the customers of a data set have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Realistic customers; the first ones are [`Scenario::ALL`].
    Realistic,
    /// Realistic customers, without the special cases first.
    Ordinary,
    /// Healthy customers with exact totals: one row per product, one tenant per tenant type. The service names imply
    /// exactly these products and tenant types. Each total is spread evenly over all customers; there must be at least
    /// one tenant type per customer, no customer can have more than 4, and each tenant type needs its own product.
    Exact {
        /// The total number of tenant types.
        tenant_types: u32,
        /// The total number of products.
        products: u32,
        /// The number of customers that have product 2048.
        cloud_backup_m365: u32,
    },
}

/// Builder of a customer.
struct CustomerBuilder {
    customer: SimCustomer,
    holdings: Vec<Holding>,
    today: Date,
    rng: SeededRng,
}

impl Generator {
    /// A data set with this many customers, special cases first.
    #[must_use]
    pub const fn new(seed: u64, customers: u32, today: Date) -> Self {
        Self { seed, customers, today, mix: Mix::Realistic, hostile_names: false }
    }

    /// All customers; one additional customer is out of scope.
    #[must_use]
    pub fn dataset(&self) -> Dataset {
        Dataset {
            customers: (0..self.customers).map(|index| self.customer(index)).collect(),
            out_of_scope: [SeededRng::of(&[self.seed, 0x0075]).guid()].into(),
        }
    }

    /// One customer.
    #[must_use]
    pub fn customer(&self, index: u32) -> SimCustomer {
        let mut rng = SeededRng::of(&[self.seed, 1, index.into()]);
        let cases = self.mix == Mix::Realistic;
        let mut customer = SimCustomer::new(rng.guid(), names::company(self.seed, index, cases, self.hostile_names));
        customer.email = format!("admin@{}.example", names::short(&customer.organization).to_lowercase());
        let mut builder = CustomerBuilder { customer, holdings: Vec::new(), today: self.today, rng };
        match self.mix {
            Mix::Exact { tenant_types, products, cloud_backup_m365 } => {
                let [tenant_types, products, backups] =
                    [tenant_types, products, cloud_backup_m365].map(|total| self.share(total, index));
                builder.fill_exactly(tenant_types, products, backups > 0);
            }
            Mix::Realistic | Mix::Ordinary => {
                let case = Scenario::ALL.get(index as usize).copied().filter(|_| cases);
                match case.or_else(|| Scenario::attention(&mut builder.rng)) {
                    Some(case) => case.build(&mut builder),
                    None => builder.fill(),
                }
            }
        }
        let mut customer = builder.finish();
        // Numbers of their own, so that the rest of a customer does not depend on its backups.
        let mut rng = SeededRng::of(&[self.seed, 0x4242, index.into()]);
        let case = BackupScenario::of(index);
        backups::fill(&mut customer, case, self.today, &mut rng);
        customer.profile = SimProfile::generate(&customer, case, &mut rng);
        customer
    }

    /// One customer's share of a total that is spread evenly.
    fn share(&self, sum: u32, index: u32) -> u32 {
        let up_to = |index: u64| index * u64::from(sum) / u64::from(self.customers.max(1));
        u32::try_from(up_to(u64::from(index) + 1) - up_to(index.into())).unwrap_or(0)
    }
}

impl CustomerBuilder {
    /// A realistic healthy customer.
    fn fill(&mut self) {
        let (low, high) = self.rng.pick(&[(5, 15), (10, 40), (20, 90), (60, 250), (250, 1500)]);
        let seats = self.rng.between(low, high);
        if self.rng.chance(0.08) {
            return self.buy_used(GOOGLE, TenantType::Google, seats);
        }
        if self.rng.chance(0.15) {
            self.used_tenant(seats / 2);
            self.used_tenant(seats.div_ceil(2));
        } else {
            self.used_tenant(seats);
        }
        if self.rng.chance(0.85) {
            self.buy(BACKUP, seats);
        }
        let extras = if self.holdings.is_empty() { 1 } else { self.rng.between(0, 2) };
        self.buy_extras(extras, seats);
        for (offer, tenant_type) in
            [(SALESFORCE, TenantType::Salesforce), (DYNAMICS, TenantType::Dynamics365), (GOOGLE, TenantType::Google)]
        {
            if self.rng.chance(0.04) {
                self.buy_used(offer, tenant_type, seats.div_ceil(3));
            }
        }
        if self.rng.chance(0.06) {
            let count = self.rng.between(1, 20);
            self.buy(IAAS, count);
        }
        for tenant in &mut self.customer.tenants {
            let swing = tenant.available.min(tenant.assigned) / 4;
            tenant.trend = if self.rng.chance(0.05) {
                SeatTrend::Growing { per_day: 1 + tenant.available / 30 }
            } else {
                SeatTrend::Walk { seed: self.rng.next_u64(), swing }
            };
        }
    }

    /// Exactly this many tenant types and products, including those that a tenant type needs.
    fn fill_exactly(&mut self, tenant_types: u32, products: u32, backup: bool) {
        let others =
            [(SALESFORCE, TenantType::Salesforce), (GOOGLE, TenantType::Google), (DYNAMICS, TenantType::Dynamics365)];
        let others = others.iter().cycle().skip(self.rng.between(0, 2) as usize).take(3);
        let others = others.take(tenant_types.saturating_sub(1) as usize);
        let seats = self.rng.between(10, 200);
        let assigned = seats * 6 / 10;
        self.tenant(TenantType::Microsoft365, assigned, seats - assigned);
        if backup {
            self.buy(BACKUP, seats);
        }
        for &(offer, tenant_type) in others {
            self.buy_with_tenant(offer, tenant_type, seats, assigned);
        }
        let missing = products.saturating_sub(u32::try_from(self.holdings.len()).unwrap_or(u32::MAX));
        self.buy_extras(missing, seats);
    }

    /// The assigned seats of a healthy tenant.
    fn used(&mut self, seats: u32) -> u32 {
        seats * self.rng.between(45, 80) / 100
    }

    fn used_tenant(&mut self, seats: u32) {
        let assigned = self.used(seats);
        self.tenant(TenantType::Microsoft365, assigned, seats - assigned);
    }

    fn buy_used(&mut self, offer: Offer, tenant_type: TenantType, seats: u32) {
        let assigned = self.used(seats);
        self.buy_with_tenant(offer, tenant_type, seats, assigned);
    }

    fn tenant(&mut self, tenant_type: TenantType, assigned: u32, available: u32) {
        let place = self.customer.tenants.iter().filter(|tenant| tenant.tenant_type == tenant_type).count();
        let name = names::short(&self.customer.organization);
        let name = if place == 0 { name } else { format!("{name}{}", place + 1) };
        self.customer.tenants.push(SimTenant::new(tenant_type, self.rng.guid(), name, assigned, available));
    }

    fn buy(&mut self, offer: Offer, count: u32) {
        self.holdings.push(offer.holding(count, self.today, &mut self.rng));
    }

    /// Some distinct extra offers.
    fn buy_extras(&mut self, number: u32, seats: u32) {
        let first = self.rng.between(0, u32::try_from(EXTRAS.len()).unwrap_or(1) - 1) as usize;
        let number = (number as usize).min(EXTRAS.len());
        for &offer in EXTRAS.iter().cycle().skip(first).take(number) {
            let count = if offer.sold_by == offers::SoldBy::Unit { self.rng.between(1, 5) } else { seats };
            self.buy(offer, count);
        }
    }

    /// The customer with the products that its rows imply.
    fn finish(self) -> SimCustomer {
        let mut customer = self.customer;
        for holding in self.holdings {
            let running = if holding.expired { 0 } else { holding.count };
            *customer.purchased.entry(holding.product).or_default() += running;
            customer.rows.push(holding.row);
        }
        let backup = customer.purchased.get(&ProductType::CLOUD_BACKUP_M365).copied().filter(|&seats| seats > 0);
        customer.available = backup.map(|seats| (ProductType::CLOUD_BACKUP_M365, seats)).into_iter().collect();
        customer.sync_license_fields();
        customer
    }
}

#[cfg(test)]
mod tests;
