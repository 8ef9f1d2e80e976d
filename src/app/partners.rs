//! The running partners, and how a reload replaces those that changed.
//!
//! A partner whose settings did not change is not touched: its polls in flight, its token, its budget and its due times
//! stay. A partner that connects in the same way but polls something else keeps its client. Tokens and budget belong to
//! the app registration: all its partners share them, and they survive when partners are renamed or changed. The stored
//! customers belong to the app registration too, so a renamed partner keeps them. All clients of a new configuration
//! are built before anything is changed, so that a client that cannot be built changes nothing.

use std::sync::Arc;

use elements::Registrations;
use elements::clock::Clock;
use elements::recording::Recorder;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::partner::{Partner, PartnerError, PreparedPartner};
use crate::config::{Config, PartnerSettings};
use crate::ha::Watcher;
use crate::inventory::{Inventory, PriorState};
use crate::panics::{self, Task};
use crate::polling::Poller;

/// The running configuration, for everything except the pollers; replaced as a whole.
#[derive(Debug, Default)]
pub struct ActiveConfig {
    /// In the order of the configuration.
    pub partners: Vec<Partner>,
    /// Whether every series of a customer has its name as a label.
    pub customer_name_label: bool,
    /// The configuration as shown at `/config`.
    pub config_yaml: String,
}

impl ActiveConfig {
    /// The values of every partner, with wall-clock times.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Inventory> {
        self.partners.iter().map(Partner::snapshot).collect()
    }
}

/// The pollers of the running configuration.
#[derive(Debug)]
pub struct Partners {
    running: watch::Sender<Arc<ActiveConfig>>,
    pollers: Vec<PollerHandle>,
    changed: watch::Sender<()>,
    tasks: JoinSet<()>,
    /// The runtime of the pollers.
    runtime: Handle,
    /// Whether this replica may poll; `None` without replicas.
    leadership: Option<Watcher>,
    clock: Clock,
    recorder: Option<Recorder>,
}

/// What a reload does with a partner of the new configuration.
enum ReloadAction {
    Keep(PollerHandle),
    Start(PreparedPartner),
}

/// A partner with its running poller.
#[derive(Debug)]
struct PollerHandle {
    partner: Partner,
    stop: watch::Sender<bool>,
    /// `None` after [`Self::stop`].
    ended: Option<oneshot::Receiver<()>>,
}

impl PollerHandle {
    /// Polls until it is stopped, or until the leadership is lost.
    fn start(
        partner: Partner,
        poller: Poller,
        leadership: Option<Watcher>,
        tasks: &mut JoinSet<()>,
        runtime: &Handle,
    ) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let polling = async move {
            let stop_signalled = async move {
                tokio::select! {
                    // A dropped sender means the same.
                    _ = stopped.wait_for(|&stopped| stopped) => {}
                    () = leadership_lost(leadership) => {}
                }
            };
            panics::scope(Task::Poll, poller.run(stop_signalled)).await;
            let _ = end.send(());
        };
        tasks.spawn_on(polling, runtime);
        Self { partner, stop, ended: Some(ended) }
    }

    /// Ends the polls in flight. After it returns, nothing changes the inventory any more.
    async fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(ended) = self.ended.take() {
            // It ended, or it panicked, which is reported elsewhere.
            let _ = ended.await;
        }
    }
}

/// Resolves when the leadership is lost; never without replicas.
async fn leadership_lost(leadership: Option<Watcher>) {
    match leadership {
        Some(leadership) => leadership.lost().await,
        None => std::future::pending().await,
    }
}

impl Partners {
    /// Starts without partners. Pollers will run on `runtime`, while `leadership` lasts.
    #[must_use]
    pub fn none(clock: Clock, runtime: Handle, leadership: Option<Watcher>) -> Self {
        Self {
            running: watch::Sender::default(),
            pollers: Vec::new(),
            changed: watch::Sender::default(),
            tasks: JoinSet::new(),
            runtime,
            leadership,
            clock,
            recorder: None,
        }
    }

    /// Records every exchange of partners that are applied later.
    #[must_use]
    pub fn with_recorder(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Subscribes to the running configuration.
    #[must_use]
    pub fn running(&self) -> watch::Receiver<Arc<ActiveConfig>> {
        self.running.subscribe()
    }

    /// Signalled at every change of the values and of the partners.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Makes this the running configuration. `restored` returns the state of a new partner from an earlier process.
    pub async fn apply(
        &mut self,
        config: Config,
        mut restored: impl FnMut(&PartnerSettings) -> Option<PriorState>,
    ) -> Result<(), PartnerError> {
        let config_yaml = config.to_redacted_yaml();
        let collectors = Arc::new(config.collectors);
        let mut registrations = Registrations::recorded_by(self.recorder.clone());
        for partner in self.pollers.iter().map(|poller| &poller.partner) {
            registrations.add(partner.settings.registration_key(), partner.registration());
        }
        let mut prepared_partners = Vec::new();
        for settings in config.partners {
            let position = self.pollers.iter().position(|poller| poller.partner.settings.name == settings.name);
            let before = position.and_then(|position| self.pollers.get(position)).map(|poller| &poller.partner);
            let prepared = {
                let (before, collectors, clock) = (before.cloned(), collectors.clone(), self.clock);
                let registration = registrations.get(settings.registration_key(), settings.budget);
                // Not on the runtime's threads, because it reads `ca_file`.
                tokio::task::spawn_blocking(move || {
                    PreparedPartner::new(settings, collectors, registration, before.as_ref(), clock)
                })
                .await??
            };
            let unchanged = before.is_some_and(|before| prepared.is_unchanged_from(before));
            prepared_partners.push((prepared, position, unchanged));
        }

        let mut pollers: Vec<_> = std::mem::take(&mut self.pollers).into_iter().map(Some).collect();
        let before: Vec<_> = pollers.iter().flatten().map(|poller| poller.partner.clone()).collect();
        // First stop all partners that do not continue, because another partner may take over their values.
        let mut actions = Vec::new();
        for (prepared, position, unchanged) in prepared_partners {
            let predecessor = position.and_then(|position| pollers.get_mut(position)?.take());
            actions.push(match predecessor {
                Some(poller) if unchanged => ReloadAction::Keep(poller),
                Some(mut poller) => {
                    poller.stop().await;
                    ReloadAction::Start(prepared)
                }
                None => ReloadAction::Start(prepared),
            });
        }
        for mut removed in pollers.into_iter().flatten() {
            removed.stop().await;
        }
        for action in actions {
            let poller = match action {
                ReloadAction::Keep(poller) => poller,
                ReloadAction::Start(prepared) => {
                    let PartnerSettings { name, client_id, api_url, .. } = &*prepared.settings;
                    let mut same = before.iter().filter(|partner| partner.settings.client_id == *client_id);
                    let known = same.clone().find(|partner| partner.settings.name == *name);
                    let known = known.or_else(|| same.find(|partner| partner.settings.api_url == *api_url));
                    let restored = known
                        .map(|known| known.prior_state_for(&prepared.settings))
                        .or_else(|| restored(&prepared.settings));
                    let (partner, poller) = Partner::new(prepared, restored, self.changed.clone(), self.clock);
                    self.poll(partner, poller)
                }
            };
            self.pollers.push(poller);
        }
        self.publish(config.customer_name_label, config_yaml);
        Ok(())
    }

    /// Shows a configuration at `/config` without polling anything.
    pub fn show(&mut self, config: &Config) {
        self.publish(config.customer_name_label, config.to_redacted_yaml());
    }

    fn publish(&mut self, customer_name_label: bool, config_yaml: String) {
        let partners = self.pollers.iter().map(|poller| poller.partner.clone()).collect();
        self.running.send_replace(Arc::new(ActiveConfig { partners, customer_name_label, config_yaml }));
        self.changed.send_replace(());
    }

    fn poll(&mut self, partner: Partner, poller: Poller) -> PollerHandle {
        PollerHandle::start(partner, poller, self.leadership.clone(), &mut self.tasks, &self.runtime)
    }

    /// Resolves when a poller ended unexpectedly (a bug). Otherwise it never resolves.
    pub async fn first_panic(&mut self) -> tokio::task::JoinError {
        super::first_panic(&mut self.tasks).await
    }

    /// Ends all polls. The last known values are still served.
    pub async fn pause(&mut self) {
        for poller in &self.pollers {
            poller.stop.send_replace(true);
        }
        for poller in &mut self.pollers {
            poller.stop().await;
        }
    }

    /// Polls again after [`Self::pause`], each target when it is due.
    pub fn resume(&mut self) {
        for handle in std::mem::take(&mut self.pollers) {
            let (partner, poller) = handle.partner.resumed();
            let handle = self.poll(partner, poller);
            self.pollers.push(handle);
        }
        let running = Arc::clone(&self.running.borrow());
        self.publish(running.customer_name_label, running.config_yaml.clone());
    }
}
