//! Leadership changes of this replica: the lease is acquired, lost, or held by another replica.

use elements::clock::Clock;
use tokio::task::JoinError;

use super::leader::LeasedBlob;
use super::{Error, blocking};
use crate::config::{BlobSettings, HaSettings, LeaseSettings};
use crate::ha::{Election, Watcher};

/// This replica.
#[derive(Debug)]
pub(super) struct Replica {
    election: Election,
    watcher: Watcher,
    phase: Phase,
    pub(super) settings: HaSettings,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Standby,
    Leading,
    /// It was the leader and lost the lease.
    Paused,
}

/// What the daemon must do after a change of the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeadershipChange {
    /// Restore the state and poll.
    Begin,
    /// Stop polling; the last known values are still served.
    Pause,
    /// Poll again: no other replica has held the lease meanwhile.
    Resume,
    /// Exit: another replica, with this name, has newer values.
    Replaced(String),
}

impl Replica {
    /// Joins the election, if there is one.
    pub(super) async fn join(settings: Option<HaSettings>, clock: Clock) -> Result<Option<Self>, Error> {
        let Some(settings) = settings else { return Ok(None) };
        let election = {
            let settings = settings.clone();
            blocking(move || Election::start(&settings, clock)).await??
        };
        Ok(Some(Self { watcher: election.watcher.clone(), election, phase: Phase::Standby, settings }))
    }

    pub(super) fn watcher(&self) -> Watcher {
        self.election.watcher.clone()
    }

    /// The lease of the state blob, if that is the leased blob.
    pub(super) fn lease_of(&self, state: &BlobSettings) -> Option<LeasedBlob> {
        let LeaseSettings::AzureBlob(leased) = &self.settings.lease else { return None };
        let lease_id = self.election.lease_id.clone().filter(|_| leased.address == state.address)?;
        Some(LeasedBlob { lease_id, identity: self.settings.identity.clone() })
    }

    /// Releases the lease. Polls have stopped, and the state is released.
    pub(super) async fn resign(self) {
        self.election.resign().await;
    }
}

/// The next change, or the panic of the election (a bug); neither without replicas.
pub(super) async fn next(replica: &mut Option<Replica>) -> Result<LeadershipChange, JoinError> {
    let Some(Replica { election, watcher, phase, .. }) = replica else { return std::future::pending().await };
    tokio::select! {
        error = election.failed() => Err(error),
        change = change(watcher, phase) => Ok(change),
    }
}

async fn change(watcher: &mut Watcher, phase: &mut Phase) -> LeadershipChange {
    match phase {
        Phase::Standby => {
            watcher.acquired().await;
            *phase = Phase::Leading;
            LeadershipChange::Begin
        }
        Phase::Leading => {
            watcher.lost().await;
            *phase = Phase::Paused;
            LeadershipChange::Pause
        }
        Phase::Paused => {
            let mut others = watcher.clone();
            tokio::select! {
                () = watcher.acquired() => {
                    *phase = Phase::Leading;
                    LeadershipChange::Resume
                }
                leader = others.replaced() => LeadershipChange::Replaced(leader),
            }
        }
    }
}
