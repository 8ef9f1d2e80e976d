//! Domain types: plain data types and their invariants.
//!
//! Nothing here knows HTTP, the API's JSON or an async runtime: wire formats are converted at the edge
//! (`elements::decode`). The types derive serde's traits for programs that save or print what they know.

mod backup;
mod compact_timestamp;
mod failure;
mod ids;
mod listed_row;
mod product;
mod profile;
mod quantity;
mod seats;
mod subscription;
mod target;
mod tenant_type;

pub use backup::{BackupJob, JobKey, JobStatus, ProtectedObjects, RESULTS, STORAGES};
pub use compact_timestamp::CompactTimestamp;
pub use failure::FailureReason;
pub use ids::{CustomerId, MAX_ID_CHARS, MAX_TEXT_CHARS, PartnerName, TenantId};
pub use listed_row::{ListedFacts, ListedRow};
pub use product::{ProductType, ServiceInfo};
pub use profile::{CustomerJobStatus, ManagementMode, Profile};
pub use quantity::Quantity;
pub use seats::{Seats, TenantSeats};
pub use subscription::{ListedCustomer, MAX_ROWS, Subscription, SubscriptionKey};
pub use target::{Collector, Endpoint, Observation, Query, Scope, Target};
pub use tenant_type::TenantType;
