//! The health of the daemon: whether polling, rendering and saving make progress. See [`crate::health`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use elements::clock::Clock;
use jiff::SignedDuration;
use tokio::sync::watch;

use super::partners::ActiveConfig;
use super::publisher::Publisher;
use crate::health::Monitor;
use crate::health::Progress;

/// The interval of the checks, which does not depend on requests.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A render has no deadline of its own; a million series take seconds.
const RENDER_LIMIT: Duration = Duration::from_mins(2);
/// A save has no deadline of its own; a million series take seconds, longer on slow disks.
const SAVE_LIMIT: Duration = Duration::from_mins(5);

/// Cheap to clone; clones share the monitors.
#[derive(Clone, Debug)]
pub(super) struct Health {
    running: watch::Receiver<Arc<ActiveConfig>>,
    others: Arc<[Monitor]>,
    clock: Clock,
}

impl Health {
    pub(super) fn new(
        running: watch::Receiver<Arc<ActiveConfig>>,
        publisher: &Publisher,
        saving: Option<Progress>,
        clock: Clock,
    ) -> Self {
        let rendering = Monitor::new("rendering", publisher.progress(), RENDER_LIMIT);
        let saving = saving.map(|progress| Monitor::new("saving the state", progress, SAVE_LIMIT));
        Self { running, others: std::iter::once(rendering).chain(saving).collect(), clock }
    }

    /// A line for each kind of work that is stalled, with the time since when, if it has a name.
    pub(super) fn check(&self) -> Result<(), String> {
        let running = Arc::clone(&self.running.borrow());
        let polling = running.partners.iter().filter_map(super::Partner::stalled);
        let others = self.others.iter().filter_map(|monitor| Some((monitor.name.as_str(), monitor.stalled(0, false)?)));
        let mut stalled = String::new();
        for (name, time) in polling.chain(others) {
            let since = self.clock.wall_now().saturating_sub(SignedDuration::try_from(time).unwrap_or_default());
            let since = since.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
            let _ = writeln!(stalled, "{name} has been stalled since {since}: no attempt has ended since then");
        }
        if stalled.is_empty() { Ok(()) } else { Err(stalled) }
    }
}
