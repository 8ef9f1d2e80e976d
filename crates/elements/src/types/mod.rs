//! Domain types: plain data types and their invariants.
//!
//! Nothing here knows JSON, YAML, HTTP or an async runtime. Wire formats are converted at the edge (`elements::decode`),
//! labels are rendered at the other (`exposition`).

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
pub use seats::{Observation, Seats, TenantSeats};
pub use subscription::{ListedCustomer, MAX_ROWS, Subscription, SubscriptionKey};
pub use target::{Collector, Endpoint, Query, Scope, Target};
pub use tenant_type::TenantType;
