//! The health of the daemon: whether polling, rendering and saving go on. See [`crate::health`].

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use super::partners::Running;
use super::publisher::Publisher;
use super::state::StateWriterHandle;
use crate::clock::Clock;
use crate::health::Monitor;

/// How often it is checked, whether or not somebody asks.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A render has no deadline of its own; of a million series it takes seconds.
const RENDER_LIMIT: Duration = Duration::from_mins(2);
/// A save has no deadline of its own; of a million series it takes seconds, and slow disks are slow.
const SAVE_LIMIT: Duration = Duration::from_mins(5);

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Health {
    running: watch::Receiver<Arc<Running>>,
    others: Arc<[Monitor]>,
    clock: Clock,
}

impl Health {
    pub(super) fn new(
        running: watch::Receiver<Arc<Running>>,
        publisher: &Publisher,
        writer: Option<&StateWriterHandle>,
        clock: Clock,
    ) -> Self {
        let rendering = Monitor::new("rendering", publisher.progress(), RENDER_LIMIT);
        let saving = writer.map(|writer| Monitor::new("saving the state", writer.progress(), SAVE_LIMIT));
        Self { running, others: std::iter::once(rendering).chain(saving).collect(), clock }
    }

    /// A line for each piece of work that stands still, and since when, if there is one.
    pub(super) fn check(&self) -> Result<(), String> {
        let running = Arc::clone(&self.running.borrow());
        let polling = running.partners.iter().filter_map(super::Partner::stalled);
        let others = self.others.iter().filter_map(|monitor| Some((monitor.name.as_str(), monitor.stalled(0, false)?)));
        let mut stalled = String::new();
        for (name, time) in polling.chain(others) {
            let since = self.clock.wall_now().saturating_sub(SignedDuration::try_from(time).unwrap_or_default());
            let since = since.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ");
            let _ = writeln!(stalled, "{name} has stood still since {since}: no attempt has ended since then");
        }
        if stalled.is_empty() { Ok(()) } else { Err(stalled) }
    }
}
