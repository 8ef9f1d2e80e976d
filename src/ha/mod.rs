//! Leader election: of several replicas one polls, the others stand by.
//!
//! The lease is kept by an engine that exists already: Kubernetes, etcd or Azure Blob storage. [`Election`] is the one
//! algorithm, with the rules of Kubernetes' client-go; a `Backend` acquires, renews and releases the lease. The right to
//! poll is a time, [`Leadership::until`]: the start of the last successful renewal plus `renew_deadline`. Whoever polls
//! stops at that time, whatever an attempt in flight does. Since `renew_deadline` is shorter than `lease_duration`, the old
//! leader has stopped before a new one can begin.

mod azure_blob;
mod election;
mod etcd;
mod kubernetes;

use jiff::Timestamp;

pub use election::{Election, Leadership, Watcher};

use crate::remote::RemoteError;

/// Maximum bytes of an answer about a lease.
const MAX_BODY: usize = 64 << 10;

/// Who holds the lease after an attempt to acquire or renew it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// This replica.
    Us,
    /// Another one, by its identity.
    Other(String),
    /// It changed hands during the attempt; the next one will tell.
    Unknown,
}

/// An engine that keeps the lease.
trait Backend: Send + 'static {
    /// Renews the lease if this replica holds it, else acquires it if it is free.
    fn acquire_or_renew(&mut self, now: Timestamp) -> impl Future<Output = Result<Holder, RemoteError>> + Send;

    /// Gives the lease back, if this replica holds it.
    fn release(&mut self) -> impl Future<Output = Result<(), RemoteError>> + Send;
}
