//! AvePoint's offers, and the service list row of a customer that bought one.

use elements::types::{ProductType, TenantType};
use jiff::civil::Date;

use crate::dataset::SimRow;
use crate::rng::SeededRng;
use crate::wire_value::{DateForm, Text, WireValue};

/// A product on offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) product: ProductType,
    /// The name in the service list.
    pub(super) service: &'static str,
    pub(super) sold_by: SoldBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SoldBy {
    Seat,
    Unit,
    Capacity,
}

const fn offer(product: u64, service: &'static str, sold_by: SoldBy) -> Offer {
    Offer { product: ProductType(product), service, sold_by }
}

/// Cloud Backup for Microsoft 365, which most customers have.
pub(super) const BACKUP: Offer = offer(2048, "Cloud Backup for Microsoft 365 - Microsoft 365 services", SoldBy::Seat);
pub(super) const SALESFORCE: Offer = offer(32, "Cloud Backup for Salesforce", SoldBy::Seat);
pub(super) const GOOGLE: Offer = offer(33_554_432, "Cloud Backup for Google Workspace", SoldBy::Seat);
pub(super) const DYNAMICS: Offer = offer(131_072, "Cloud Backup for Dynamics 365", SoldBy::Seat);
pub(super) const IAAS: Offer = offer(1_073_741_824, "Cloud Backup for IaaS + PaaS - Unit", SoldBy::Capacity);
/// With an undocumented name.
pub(super) const UNKNOWN: Offer = offer(536_870_912, "Quantum Vault for Microsoft 365", SoldBy::Seat);

/// Extra offers for a customer with a Microsoft 365 tenant; one offer per product.
pub(super) const EXTRAS: &[Offer] = &[
    offer(4, "Cloud Governance", SoldBy::Seat),
    offer(65536, "Opus - Information Lifecycle for Microsoft 365", SoldBy::Seat),
    offer(4_194_304, "Insights for Microsoft 365", SoldBy::Seat),
    offer(8_388_608, "Policies for Microsoft 365", SoldBy::Seat),
    offer(49, "User and device management", SoldBy::Seat),
    offer(40, "Baseline management", SoldBy::Unit),
    offer(42, "Workspace management", SoldBy::Seat),
    offer(41, "Risk management", SoldBy::Seat),
    offer(16_777_216, "Fly Migration to Google", SoldBy::Seat),
    offer(257, "tyGraph - Copilot", SoldBy::Seat),
    offer(134_217_728, "EnPower", SoldBy::Seat),
    offer(60, "MyHub", SoldBy::Seat),
    offer(65, "Workspace management - Storage optimization", SoldBy::Seat),
    offer(8192, "Cloud Archiving", SoldBy::Seat),
    offer(4096, "Cloud Management", SoldBy::Seat),
    offer(67_108_864, "Cense", SoldBy::Seat),
    offer(1, "DocAve Online", SoldBy::Seat),
];

/// A row with its product and the underlying number.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) row: SimRow,
    pub(super) product: ProductType,
    /// Seats or units, as `products_purchased` counts them while the subscription is valid.
    pub(super) count: u32,
    /// Whether the expiration date has passed.
    pub(super) expired: bool,
}

impl Offer {
    /// The row of a healthy customer that bought this `count`.
    pub(super) fn holding(self, count: u32, today: Date, rng: &mut SeededRng) -> Holding {
        let mut row = SimRow::new(self.service);
        match self.sold_by {
            SoldBy::Seat => {
                let grouped = count > 999 && rng.chance(0.5);
                row.purchased_user_seats = if grouped { WireValue::grouped(count) } else { WireValue::count(count) };
            }
            SoldBy::Unit => row.purchased_units = WireValue::count(count),
            SoldBy::Capacity => {
                let purchased = rng.pick(&[51_200, 102_400, 204_800, 307_200]);
                set_capacity(&mut row, purchased / 100 * rng.between(20, 80), purchased);
            }
        }
        row.payment_type = Some("Prepaid".into());
        row.source = Some(rng.pick(&["AvePoint subscription", "AvePoint pooled subscription"]).into());
        self.add_product_fields(&mut row, count, rng);
        if rng.chance(0.03) {
            (row.subscription_name, row.package) = (None, None);
        }
        let mut holding = Holding { row, product: self.product, count, expired: false };
        holding.expire(today, i64::from(rng.between(60, 700)), form(rng));
        holding
    }

    /// Fields that only some products have.
    fn add_product_fields(self, row: &mut SimRow, count: u32, rng: &mut SeededRng) {
        let text = |text: &'static str| Some(Text::Borrowed(text));
        row.follows = Some(TenantType::Microsoft365);
        match self.product.0 {
            2048 => {
                row.subscription_model = text(rng.pick(&["Standard", "Enterprise"]));
                row.storage = text(rng.pick(&[
                    "AvePoint storage (Microsoft Azure Blob)",
                    "AvePoint storage",
                    "Bring your own storage",
                ]));
                row.retention =
                    text(rng.pick(&["Unlimited retention", "Retain data for 1 month", "Retain data for 1 years"]));
                row.consumed_storage = WireValue::size(count.saturating_mul(rng.between(80, 900)));
                row.package = text(rng.pick(&["Standard", "Core", "Flex"]));
            }
            65536 => {
                row.subscription_model = text("Action and store");
                row.storage = text("AvePoint storage");
                row.purchased_capacity = WireValue::purchased(104_400);
            }
            32 => {
                row.subscription_model = text("1 GB/User/Year");
                row.purchased_capacity = WireValue::purchased(count.saturating_mul(100));
                row.follows = None;
            }
            33_554_432 | 131_072 => {
                row.storage = text("AvePoint storage");
                row.follows = None;
            }
            16_777_216 => row.subscription_name = text("Migration project"),
            1_073_741_824 => row.follows = None,
            _ => {}
        }
    }
}

impl Holding {
    /// Sets the expiration to this many days after today; before today if negative.
    pub(super) fn expire(&mut self, today: Date, days: i64, form: DateForm) {
        self.row.expiration_date = WireValue::date(later(today, days), form);
        self.expired = days < 0;
    }
}

/// A row sold by capacity, in hundredths of a GB.
pub(super) fn set_capacity(row: &mut SimRow, used: u32, purchased: u32) {
    row.purchased_capacity = WireValue::used_of(used, purchased);
    row.protected_capacity = WireValue::size(used);
    row.storage = Some("Bring your own storage".into());
}

/// Mostly in the format of live responses.
pub(super) fn form(rng: &mut SeededRng) -> DateForm {
    if rng.chance(0.8) {
        return DateForm::Live;
    }
    rng.pick(&[DateForm::Iso, DateForm::IsoDate, DateForm::Slashes, DateForm::MonthFirst])
}

/// This many days after today; before today if negative.
pub(super) fn later(today: Date, days: i64) -> Date {
    today.saturating_add(jiff::SignedDuration::from_hours(days.saturating_mul(24)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use elements::types::ServiceInfo;

    #[test]
    fn names_lead_back_to_their_products() {
        for offer in EXTRAS.iter().chain(&[BACKUP, SALESFORCE, GOOGLE, DYNAMICS, IAAS]) {
            assert_eq!(ServiceInfo::parse(offer.service).product, Some(offer.product), "{}", offer.service);
        }
        assert_eq!(ServiceInfo::parse(UNKNOWN.service).product, None);
        for offer in EXTRAS {
            assert_eq!(ServiceInfo::parse(offer.service).tenant_type, Some(TenantType::Microsoft365));
        }
    }

    #[test]
    fn days_are_counted_from_today() {
        let today = jiff::civil::date(2026, 3, 1);
        assert_eq!(later(today, -1), jiff::civil::date(2026, 2, 28));
        assert_eq!(later(today, 40), jiff::civil::date(2026, 4, 10));
    }
}
