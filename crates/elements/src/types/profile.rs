//! Rows of the list of customers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TenantId;

/// Job status, country and management of a customer. The decoder drops its owner's email address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// `jobStatus`
    pub job_status: Option<CustomerJobStatus>,
    /// `countryOrRegion`; empty if missing.
    pub country: Arc<str>,
    /// `managementMode`
    pub management_mode: Option<ManagementMode>,
    /// `tenants`, with an empty name if it is missing; ids are distinct and sorted.
    pub tenants: Arc<[(TenantId, Arc<str>)]>,
}

impl Profile {
    /// The row with the values of an earlier row for the fields that it lacks, and whether it is new: it is as old as its job
    /// status, so a status that is no longer reported becomes stale.
    #[must_use]
    pub fn or_known(self, known: &Self) -> (Self, bool) {
        let is_new = self.job_status.is_some() || known.job_status.is_none();
        let row = Self {
            job_status: self.job_status.or(known.job_status),
            country: if self.country.is_empty() { Arc::clone(&known.country) } else { self.country },
            management_mode: self.management_mode.or(known.management_mode),
            tenants: if self.tenants.is_empty() { Arc::clone(&known.tenants) } else { known.named(self.tenants) },
        };
        (row, is_new)
    }

    /// The same tenants; those without a name have the known one.
    fn named(&self, mut tenants: Arc<[(TenantId, Arc<str>)]>) -> Arc<[(TenantId, Arc<str>)]> {
        if tenants.iter().any(|(_, name)| name.is_empty()) {
            for (id, name) in Arc::make_mut(&mut tenants).iter_mut().filter(|(_, name)| name.is_empty()) {
                *name = self.known_name(id).map(Arc::clone).unwrap_or_default();
            }
        }
        tenants
    }

    /// The name of a tenant; empty if it is not known.
    #[must_use]
    pub fn tenant_name(&self, id: &TenantId) -> &str {
        self.known_name(id).map_or("", |name| name)
    }

    fn known_name(&self, id: &TenantId) -> Option<&Arc<str>> {
        let index = self.tenants.binary_search_by(|(known, _)| known.cmp(id)).ok()?;
        self.tenants.get(index).map(|(_, name)| name)
    }
}

/// `jobStatus` of `customers`: of all backups of a customer together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerJobStatus {
    /// 0, `N/A`
    NotAvailable,
    /// 1
    Working,
    /// 2
    Failed,
    /// 3
    WaitingForConfiguration,
    /// 4
    MultipleIssues,
    /// 5
    FinishedWithException,
    /// 6
    NoBackupUpdates,
    /// A number or a text that is not documented.
    #[serde(other)]
    Unknown,
}

impl CustomerJobStatus {
    /// Every status; those with a number first, in its order.
    pub const ALL: [Self; 8] = [
        Self::NotAvailable,
        Self::Working,
        Self::Failed,
        Self::WaitingForConfiguration,
        Self::MultipleIssues,
        Self::FinishedWithException,
        Self::NoBackupUpdates,
        Self::Unknown,
    ];

    /// Converts from the API's number.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|place| Self::ALL.get(place)).copied().unwrap_or(Self::Unknown)
    }

    /// Converts from the text of an older revision, such as `Waiting for configuration`, in any case.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let word = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        Self::ALL.into_iter().find(|status| status.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// The label `status`, and the text on the status page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAvailable => "not_available",
            Self::Working => "working",
            Self::Failed => "failed",
            Self::WaitingForConfiguration => "waiting_for_configuration",
            Self::MultipleIssues => "multiple_issues",
            Self::FinishedWithException => "finished_with_exception",
            Self::NoBackupUpdates => "no_backup_updates",
            Self::Unknown => "unknown",
        }
    }
}

/// `managementMode` of `customers`: the party that manages the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagementMode {
    /// 0
    Customer,
    /// 1
    Partner,
    /// 2, to be configured
    Unconfigured,
    /// A number that is not documented.
    #[serde(other)]
    Unknown,
}

impl ManagementMode {
    /// Every mode; those with a number first, in its order.
    pub const ALL: [Self; 4] = [Self::Customer, Self::Partner, Self::Unconfigured, Self::Unknown];

    /// Converts from the API's number.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        usize::try_from(number).ok().and_then(|place| Self::ALL.get(place)).copied().unwrap_or(Self::Unknown)
    }

    /// The label `management_mode`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Partner => "partner",
            Self::Unconfigured => "unconfigured",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_the_same_status() {
        for (number, text, status) in [
            (1, "Working", CustomerJobStatus::Working),
            (3, "waiting for configuration", CustomerJobStatus::WaitingForConfiguration),
            (4, "Multiple issues", CustomerJobStatus::MultipleIssues),
            (6, "No backup updates", CustomerJobStatus::NoBackupUpdates),
            (7, "Something new", CustomerJobStatus::Unknown),
            (u64::MAX, "", CustomerJobStatus::Unknown),
        ] {
            assert_eq!(CustomerJobStatus::from_number(number), status);
            assert_eq!(CustomerJobStatus::from_text(text), status);
        }
        assert_eq!(ManagementMode::from_number(2), ManagementMode::Unconfigured);
        assert_eq!(ManagementMode::from_number(3), ManagementMode::Unknown);
    }
}
