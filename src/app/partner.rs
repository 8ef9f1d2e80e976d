//! One partner's rooms, wired: its client, its inventory, its counters and its poller.

use std::sync::Arc;

use prometheus::proto::MetricFamily;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{CollectorSettings, PartnerSettings};
use crate::elements::{Client, ClientError};
use crate::inventory::{Inventory, Shared};
use crate::polling::{PollCounters, Poller};

/// What the rest of the daemon needs of a partner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Partner {
    /// What is known.
    pub inventory: Shared,
    client: Client,
    counters: PollCounters,
    clock: Clock,
}

impl Partner {
    /// Wires a partner. Nothing is asked until the poller runs.
    pub fn new(
        settings: &PartnerSettings,
        collectors: &Arc<CollectorSettings>,
        changed: watch::Sender<()>,
        clock: Clock,
    ) -> Result<(Self, Poller), ClientError> {
        let client = Client::new(settings, clock)?;
        let lists = settings.customers.discover || collectors.services.enabled;
        let inventory = Shared::new(
            Inventory::new(settings.name.clone(), collectors.clone(), lists, &settings.customers.list),
            changed,
        );
        let counters = PollCounters::new(&settings.name, collectors.enabled())?;
        let poller =
            Poller::new(settings, collectors.clone(), client.clone(), inventory.clone(), counters.clone(), clock);
        Ok((Self { inventory, client, counters, clock }, poller))
    }

    /// What is known, with the wall clock's times, and what requests fail with at the moment.
    #[must_use]
    pub fn snapshot(&self) -> Inventory {
        let mut inventory = self.inventory.snapshot();
        inventory.shift(self.clock.correction());
        inventory.listing.trouble = self.client.status().trouble;
        inventory
    }

    /// Whether the credential is refused, so that nothing will be read until somebody sees to it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.client.status().refused
    }

    /// The partner's own families as they are now.
    #[must_use]
    pub fn gather(&self) -> Vec<Vec<MetricFamily>> {
        vec![self.client.gather(), self.counters.gather(self.clock.now())]
    }
}
