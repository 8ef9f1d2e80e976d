//! Utilization: used of purchased seats or capacity.

use elements::types::{Quantity, Seats};

/// The seats or the capacity of one service of one customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Utilization<'a> {
    /// Seats or capacity of a service.
    pub resource: Resource<'a>,
    /// Microsoft licences assigned, or bytes protected.
    pub used: Quantity,
    /// Seats or bytes purchased; above 0 and limited.
    pub total: Quantity,
}

/// A resource that can run out, with the name of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// Seats.
    Seats(&'a str),
    /// Bytes.
    Capacity(&'a str),
}

impl<'a> Utilization<'a> {
    /// `None` if the total is zero or unlimited.
    #[must_use]
    pub fn new(resource: Resource<'a>, used: Quantity, total: Quantity) -> Option<Self> {
        let is_limited = !total.is_zero() && !total.is_unlimited() && !used.is_unlimited();
        is_limited.then_some(Self { resource, used, total })
    }

    /// Used divided by total; above 1 if more is used than was purchased.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.used.get() / self.total.get()
    }

    /// Total minus used; negative if more is used than was purchased.
    #[must_use]
    pub fn headroom(self) -> f64 {
        self.total.get() - self.used.get()
    }
}

/// Licences assigned as a share of those assigned and available, as the alerts on tenants compute it; 0/0 is `None`.
///
/// What *available* counts is not documented: most likely licences of the third party that the customer owns and has
/// not assigned. So this says how full the tenant is, not how much of AvePoint is left.
#[must_use]
pub fn tenant_ratio(seats: Seats) -> Option<f64> {
    let (assigned, available) = (seats.assigned?.get(), seats.available?.get());
    let total = assigned + available;
    (total > 0.0 && total.is_finite()).then(|| assigned / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_needs_something_to_divide_by() {
        let ratio = |assigned: Option<u32>, available: Option<Quantity>| {
            tenant_ratio(Seats { assigned: assigned.map(Into::into), available })
        };
        assert_eq!(ratio(Some(15), Some(5.into())), Some(0.75));
        assert_eq!(ratio(Some(14), Some(0.into())), Some(1.0));
        assert_eq!(ratio(Some(0), Some(0.into())), None, "0/0");
        assert_eq!(ratio(Some(5), Some(Quantity::UNLIMITED)), None);
        assert_eq!(ratio(None, Some(5.into())), None);
        assert_eq!(ratio(Some(5), None), None);

        let of = |used: u32, total: Quantity| Utilization::new(Resource::Seats("Opus"), used.into(), total);
        assert_eq!(of(12, 10.into()).map(|of| (of.ratio(), of.headroom())), Some((1.2, -2.0)));
        assert_eq!(of(12, 0.into()), None);
        assert_eq!(of(12, Quantity::UNLIMITED), None);
    }
}
