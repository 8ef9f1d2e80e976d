//! The row of a profile in a state file, and its conversion in both directions.

use std::borrow::Cow;

use elements::types::{CustomerJobStatus, ManagementMode, Profile, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::is_default;
use crate::inventory::KnownProfile;

#[derive(Serialize, Deserialize)]
pub(super) struct ProfileRow<'a> {
    seen: Timestamp,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    job_status: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    country: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    management_mode: Option<Cow<'a, str>>,
    /// Ids and names.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    tenants: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> ProfileRow<'a> {
    pub(super) fn of(known: &'a KnownProfile, seen: Timestamp) -> Self {
        let Profile { job_status, country, management_mode, tenants } = &known.profile;
        Self {
            seen,
            job_status: job_status.map(|status| status.as_str().into()),
            country: (&**country).into(),
            management_mode: management_mode.map(|mode| mode.as_str().into()),
            tenants: tenants.iter().map(|(id, name)| (id.as_str().into(), (&**name).into())).collect(),
        }
    }
}

impl From<ProfileRow<'_>> for KnownProfile {
    /// A word that this version does not know is unknown.
    fn from(row: ProfileRow<'_>) -> Self {
        let mode = |word: &str| ManagementMode::ALL.into_iter().find(|mode| mode.as_str() == word);
        let mut tenants: Vec<_> =
            row.tenants.iter().map(|(id, name)| (TenantId::from(&**id), name.as_ref().into())).collect();
        tenants.sort_by(|(a, _), (b, _)| a.cmp(b));
        let profile = Profile {
            job_status: row.job_status.map(|word| CustomerJobStatus::from_text(&word)),
            country: row.country.as_ref().into(),
            management_mode: row.management_mode.map(|word| mode(&word).unwrap_or(ManagementMode::Unknown)),
            tenants: tenants.into(),
        };
        Self { seen: row.seen, profile, missed: false }
    }
}
