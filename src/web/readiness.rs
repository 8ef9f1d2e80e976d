//! Readiness: whether the customers of every partner are known. `/-/ready` returns it.
//!
//! A partner is complete after its first complete listing, or if it lists nothing. A listing restored from an earlier
//! process counts until it is older than `max_age`, because customers may have joined or left since. A partner that is
//! refused permanently (401, 403, an unknown credential) is named and does not delay the others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use elements::types::{Collector, FailureReason, PartnerName};
use jiff::Timestamp;

use crate::inventory::{Absence, Inventory, is_expired};
use crate::web::format::plural;

/// The readiness of all partners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether no partner is waiting and at least one is complete.
    pub ready: bool,
    /// In the order of the inventories.
    pub partners: Vec<PartnerReadiness>,
}

/// The readiness of one partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerReadiness {
    /// The partner.
    pub partner: PartnerName,
    /// The stage of its listing.
    pub stage: Stage,
    /// The number of known customers.
    pub customers: usize,
    /// Targets that have never been polled.
    pub pending: u64,
    /// The host and the message of the current request failure.
    pub detail: Option<Arc<str>>,
}

/// The stage of a partner's customer listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A listing is complete, or none is configured.
    Complete,
    /// Refused until an operator fixes the credential or its permissions.
    Refused(FailureReason),
    /// No listing is complete yet, or the restored one is too old; with the failure of the last attempt or of the current
    /// requests.
    Waiting(Option<FailureReason>),
}

/// Latch that stays set from the first time that all partners are ready. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ReadyLatch(Arc<AtomicBool>);

impl ReadyLatch {
    /// Sets the latch if `ready`; returns whether it is set.
    #[must_use]
    pub fn update(&self, ready: bool) -> bool {
        self.0.fetch_or(ready, Ordering::Relaxed) || ready
    }
}

/// The readiness of these partners.
#[must_use]
pub fn readiness(inventories: &[Inventory], now: Timestamp) -> Readiness {
    inventories
        .iter()
        .map(|inventory| PartnerReadiness::of(inventory, inventory.listing.request_failure, now))
        .collect()
}

impl FromIterator<PartnerReadiness> for Readiness {
    fn from_iter<I: IntoIterator<Item = PartnerReadiness>>(partners: I) -> Self {
        let partners: Vec<_> = partners.into_iter().collect();
        Self { ready: are_ready(partners.iter().map(|partner| partner.stage)), partners }
    }
}

impl PartnerReadiness {
    /// The readiness of a partner; `request_failure` is the current failure of its requests.
    #[must_use]
    pub fn of(inventory: &Inventory, request_failure: Option<FailureReason>, now: Timestamp) -> Self {
        let stage = match stage(inventory, now) {
            Stage::Waiting(reason) => Stage::Waiting(reason.or(request_failure)),
            stage => stage,
        };
        Self {
            partner: inventory.partner.clone(),
            stage,
            customers: inventory.customers.len(),
            pending: pending(inventory),
            detail: inventory.listing.request_failure_detail.clone(),
        }
    }

    /// The stage in words; while it is not ready, with the host and the message of the failure.
    #[must_use]
    pub fn state(&self) -> String {
        match &self.detail {
            Some(detail) if self.stage != Stage::Complete => format!("{} ({detail})", self.stage),
            _ => self.stage.to_string(),
        }
    }
}

/// Whether no partner is waiting and at least one is complete.
#[must_use]
pub fn are_ready(stages: impl IntoIterator<Item = Stage>) -> bool {
    let mut complete = false;
    for stage in stages {
        match stage {
            Stage::Waiting(_) => return false,
            Stage::Complete => complete = true,
            Stage::Refused(_) => {}
        }
    }
    complete
}

/// The stage of a partner.
#[must_use]
pub fn stage(inventory: &Inventory, now: Timestamp) -> Stage {
    let listing = &inventory.listing;
    let counts = |completed| !listing.restored || !is_expired(completed, inventory.max_age(Collector::Services), now);
    if !listing.wanted || listing.completed.is_some_and(counts) {
        return Stage::Complete;
    }
    match listing.failure {
        Some(reason @ (FailureReason::Unauthorized | FailureReason::Forbidden)) => Stage::Refused(reason),
        reason => Stage::Waiting(reason),
    }
}

/// The number of targets of enabled and granted collectors that have never been polled. Iterates once, because it runs under the inventory's lock.
fn pending(inventory: &Inventory) -> u64 {
    let enabled = Collector::ALL.map(|collector| {
        inventory.collectors.schedule(collector).enabled && !inventory.not_granted.contains(&collector)
    });
    let is_enabled = |collector: Collector| enabled.get(collector as usize).copied().unwrap_or_default();
    let lists = inventory.lists().filter(|&(collector, list)| list.polled.is_none() && is_enabled(collector));
    let targets = inventory.customers.values().flat_map(|customer| &customer.targets);
    let pending = targets.filter(|(query, known)| {
        known.polled.is_none()
            && known.observation.is_none()
            && known.absence != Absence::Confirmed
            && is_enabled(query.collector())
    });
    lists.count() as u64 + pending.count() as u64
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("ready"),
            Self::Refused(reason) => write!(f, "refused ({reason}): see to its credential and permissions"),
            Self::Waiting(None) => f.write_str("waiting for the first customer listing"),
            Self::Waiting(Some(reason)) => write!(f, "waiting for the first customer listing: {reason}"),
        }
    }
}

/// One line per partner, then the total of pending targets.
impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for known in &self.partners {
            let PartnerReadiness { partner, customers, pending, .. } = known;
            if known.stage == Stage::Complete {
                let (customers, pending) = (plural(*customers as u64, "customer"), plural(*pending, "target"));
                writeln!(f, "{partner}: {}, {customers}, {pending} pending", known.state())?;
            } else {
                writeln!(f, "{partner}: {}", known.state())?;
            }
        }
        let pending: u64 = self.partners.iter().map(|partner| partner.pending).sum();
        writeln!(f, "{} pending in all", plural(pending, "target"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::samples::{at, bare};

    fn with_failure(name: &str, reason: FailureReason) -> Inventory {
        let mut inventory = bare(name);
        inventory.listing.record_failure(reason, at(0));
        inventory
    }

    fn complete(name: &str) -> Inventory {
        let mut inventory = bare(name);
        inventory.complete_listing(&[].into(), at(0));
        inventory
    }

    fn ready(inventories: &[Inventory]) -> bool {
        readiness(inventories, at(1)).ready
    }

    #[test]
    fn every_partner_must_have_listed_its_customers() {
        assert!(!ready(&[bare("a")]));
        assert!(ready(&[complete("a")]));
        assert!(!ready(&[complete("a"), bare("b")]));
        assert!(!ready(&[complete("a"), with_failure("b", FailureReason::Connect)]));
        assert!(ready(&[complete("a"), complete("b")]));
        assert!(!ready(&[]), "nothing is known of nobody");
    }

    #[test]
    fn one_that_is_refused_does_not_hold_back_the_others() {
        let refused = || with_failure("b", FailureReason::Unauthorized);
        assert!(ready(&[complete("a"), refused()]));
        assert!(ready(&[complete("a"), with_failure("b", FailureReason::Forbidden)]));
        assert!(!ready(&[refused()]), "but alone it is not ready");
        assert!(!ready(&[bare("a"), refused()]));
    }

    #[test]
    fn one_that_lists_nothing_counts_at_once() {
        let mut inventory = bare("a");
        inventory.listing.wanted = false;
        assert!(ready(&[inventory]));
    }

    #[test]
    fn what_was_complete_once_stays_so() {
        assert!(readiness(&[complete("a")], at(1_000_000)).ready);
    }

    #[test]
    fn what_was_restored_counts_until_it_is_too_old() {
        let mut restored = complete("a");
        restored.listing.restored = true;
        let max_age = i64::try_from(restored.max_age(Collector::Services).as_secs()).unwrap();
        assert!(readiness(&[restored.clone()], at(max_age - 1)).ready);
        assert!(!readiness(&[restored.clone()], at(max_age)).ready);
        restored.listing.record_failure(FailureReason::Forbidden, at(max_age));
        let stage = readiness(&[restored.clone()], at(max_age)).partners.remove(0).stage;
        assert_eq!(stage, Stage::Refused(FailureReason::Forbidden));
        restored.complete_listing(&[].into(), at(max_age));
        assert!(readiness(&[restored], at(1_000_000)).ready, "read by this process");
    }

    #[test]
    fn it_says_what_it_waits_for() {
        let inventories = [complete("a"), with_failure("b", FailureReason::Connect), bare("c")];
        let mut known = readiness(&inventories, at(1));
        known.partners[1].detail = Some("graph.example.com: no connection to the API".into());
        assert_eq!(
            known.to_string(),
            "a: ready, 0 customers, 0 targets pending\n\
             b: waiting for the first customer listing: connect (graph.example.com: no connection to the API)\n\
             c: waiting for the first customer listing\n\
             1 target pending in all\n"
        );
    }
}
