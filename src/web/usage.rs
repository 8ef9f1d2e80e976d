//! How much of what was bought is in use: the one place of this room where a ratio is made.

use crate::domain::{Quantity, Seats, Subscription, TenantType};

/// Something that can run out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage<'a> {
    /// What it is.
    pub what: What<'a>,
    /// In use.
    pub used: Quantity,
    /// Of how many; above 0 and limited.
    pub total: Quantity,
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The seats of a tenant: its name, else its id.
    Tenant(&'a str),
    /// The seats of all tenants of a type, where the single tenants are not known.
    TenantType(TenantType),
    /// The seats of a subscription: its service.
    SubscriptionSeats(&'a str),
    /// The capacity of a subscription, in bytes: its service.
    Capacity(&'a str),
}

impl<'a> Usage<'a> {
    /// `None` where there is nothing to divide by: a total of 0, or none.
    fn new(what: What<'a>, used: Quantity, total: Quantity) -> Option<Self> {
        (!total.is_zero() && !total.is_unlimited() && !used.is_unlimited()).then_some(Self { what, used, total })
    }

    /// The seats of a tenant or of a type of tenants.
    ///
    /// The API does not say what *available* counts. Every sample and live answer fits "what is left", so the total is
    /// assigned + available. Should it turn out to be "all there are", the total is `available` alone, and what is
    /// exhausted is what has assigned >= available: change it here and in `exhausted`, and in the recording rule.
    #[must_use]
    pub fn of_seats(what: What<'a>, seats: Seats) -> Option<Self> {
        let Seats { assigned, available } = seats;
        let (assigned, available) = (assigned?, available?);
        Self::new(what, assigned, Quantity::new(assigned.get() + available.get())?)
    }

    /// Microsoft licences assigned, of the seats purchased.
    #[must_use]
    pub fn of_subscription_seats(subscription: &'a Subscription) -> Option<Self> {
        let what = What::SubscriptionSeats(&subscription.kind.service);
        Self::new(what, subscription.licenses_assigned?, subscription.seats_purchased?)
    }

    /// The larger of the capacity used and protected, of the capacity purchased.
    #[must_use]
    pub fn of_capacity(subscription: &'a Subscription) -> Option<Self> {
        let Subscription { capacity_used, capacity_protected, capacity_purchased, .. } = subscription;
        let used = match (*capacity_used, *capacity_protected) {
            (Some(used), Some(protected)) => Some(if used > protected { used } else { protected }),
            (used, protected) => used.or(protected),
        };
        Self::new(What::Capacity(&subscription.kind.service), used?, (*capacity_purchased)?)
    }

    /// From 0 (nothing used) over 1 (all) to more (over-used).
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.used.get() / self.total.get()
    }
}

/// Whether seats are in use and none is left; see [`Usage::of_seats`] for what *available* is taken to be.
#[must_use]
pub fn exhausted(seats: Seats) -> bool {
    seats.available.is_some_and(Quantity::is_zero) && seats.assigned.is_some_and(|assigned| !assigned.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(assigned: Option<u32>, available: Option<Quantity>) -> Option<f64> {
        let seats = Seats { assigned: assigned.map(Into::into), available };
        Usage::of_seats(What::TenantType(TenantType::Google), seats).map(Usage::ratio)
    }

    #[test]
    fn a_ratio_needs_something_to_divide_by() {
        assert_eq!(ratio(Some(15), Some(5.into())), Some(0.75));
        assert_eq!(ratio(Some(14), Some(0.into())), Some(1.0));
        assert_eq!(ratio(Some(0), Some(0.into())), None, "0/0");
        assert_eq!(ratio(Some(5), Some(Quantity::UNLIMITED)), None);
        assert_eq!(ratio(None, Some(5.into())), None);
        assert_eq!(ratio(Some(5), None), None);
    }

    #[test]
    fn nothing_assigned_is_not_exhausted() {
        let seats = |assigned: u32, available: u32| Seats {
            assigned: Some(assigned.into()),
            available: Some(available.into()),
        };
        assert!(exhausted(seats(14, 0)));
        assert!(!exhausted(seats(0, 0)));
        assert!(!exhausted(seats(14, 1)));
        assert!(!exhausted(Seats { assigned: Some(14.into()), available: None }));
    }
}
