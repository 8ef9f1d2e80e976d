//! The work of the leader: polling, and restoring and saving the state. An exporter without replicas is always the leader.

use elements::clock::Clock;
use prometheus::Registry;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::partners::Partners;
use super::state::{self, StateMetrics, StateWriter, StateWriterHandle};
use super::{Error, blocking};
use crate::config::{Config, PartnerSettings, StateSettings};
use crate::health::Progress;
use crate::inventory::PriorState;
use crate::inventory::state_file::State;

/// The time limit for polls to end; after it the state is saved without waiting for them.
const POLL_STOP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// The lease that every write to the state blob must name.
#[derive(Clone, Debug)]
pub(super) struct LeasedBlob {
    pub(super) lease_id: String,
    pub(super) identity: String,
}

/// State that several replicas share.
#[derive(Clone, Debug)]
pub(super) struct SharedState {
    /// The lease, if the leased blob is the state blob.
    pub(super) lease: Option<LeasedBlob>,
}

/// The leader's work, whether or not this replica leads at the moment.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) partners: Partners,
    pub(super) state: Option<StateSettings>,
    /// `None` without replicas.
    shared_state: Option<SharedState>,
    /// Registered when the state is first opened: a standby has none.
    metrics: Option<StateMetrics>,
    registry: Registry,
    saving: Progress,
    writer: Option<StateWriterHandle>,
    clock: Clock,
}

impl Leader {
    /// Opens and polls nothing yet.
    pub(super) fn new(
        partners: Partners,
        state: Option<StateSettings>,
        shared_state: Option<SharedState>,
        registry: Registry,
        clock: Clock,
    ) -> Self {
        let saving = Progress::default();
        Self { partners, state, shared_state, metrics: None, registry, saving, writer: None, clock }
    }

    /// The health check of the saves, if there is a state to save.
    pub(super) fn saving(&self) -> Option<Progress> {
        self.state.as_ref().map(|_| self.saving.clone())
    }

    /// Restores the state and starts polling, as after a restart.
    pub(super) async fn begin(&mut self, config: Config) -> Result<(), Error> {
        let (writer, restored) = self.open_state().await?.unzip();
        let restored = restored_state_for(restored.flatten(), &config);
        // Subscribed before the first poll, so that its results are saved.
        let changed = self.partners.changed();
        self.partners.apply(config, restored).await?;
        self.writer = writer.map(|writer| writer.start(self.partners.running(), changed));
        Ok(())
    }

    /// Stops polling, then saves and releases the state. The last known values are still served.
    pub(super) async fn pause(&mut self, deadline: Instant) {
        if timeout(POLL_STOP_TIMEOUT, self.partners.pause()).await.is_err() {
            warn!("polls did not end in time; saving the state without them");
        }
        if let Some(writer) = self.writer.take() {
            writer.end(deadline).await;
        }
    }

    /// Polls and saves again, without restoring: this replica's values are newer than the saved ones.
    pub(super) async fn resume(&mut self) -> Result<(), Error> {
        let changed = self.partners.changed();
        let writer = self.open_state().await?.map(|(writer, _)| writer);
        self.partners.resume();
        self.writer = writer.map(|writer| writer.start(self.partners.running(), changed));
        Ok(())
    }

    async fn open_state(&mut self) -> Result<Option<(StateWriter, Option<State>)>, Error> {
        let Some(settings) = self.state.clone() else { return Ok(None) };
        let metrics = match &self.metrics {
            Some(metrics) => metrics.clone(),
            None => self.metrics.insert(StateMetrics::new(&self.registry)?).clone(),
        };
        let (shared_state, saving, clock) = (self.shared_state.clone(), self.saving.clone(), self.clock);
        blocking(move || StateWriter::open(&settings, shared_state, metrics, saving, clock))
            .await?
            .map(Some)
            .map_err(Error::State)
    }

    /// Resolves when a poller ended unexpectedly (a bug).
    pub(super) async fn first_panic(&mut self) -> JoinError {
        tokio::select! {
            error = self.partners.first_panic() => error,
            error = state::first_panic(self.writer.as_mut()) => error,
        }
    }
}

/// The restored state of a partner. If no other partner shares its app registration, the customers are moved and not
/// copied.
fn restored_state_for(
    mut restored: Option<State>,
    config: &Config,
) -> impl FnMut(&PartnerSettings) -> Option<PriorState> + use<> {
    let ids: Vec<_> = config.partners.iter().map(|settings| settings.client_id.clone()).collect();
    move |PartnerSettings { name, client_id, .. }| {
        let known = restored.as_mut()?;
        let alone = ids.iter().filter(|id| *id == client_id).count() == 1;
        if alone { known.take_prior_state(name, client_id) } else { known.prior_state(name, client_id) }
    }
}
