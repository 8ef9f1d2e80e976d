//! Simulated list of customers: rows, how they are generated, and the expected values.

use std::sync::Arc;

use elements::types::{CustomerJobStatus, ManagementMode, Profile, TenantId};
use serde_json::{Value, json};

use super::backups::BackupScenario;
use super::dataset::SimCustomer;
use super::rng::SeededRng;
use super::settings::Dialect;
use super::wire_value::Text;

/// The fields of a row besides name, address and tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimProfile {
    /// `jobStatus`
    pub job_status: u64,
    /// `countryOrRegion`
    pub country: Text,
    /// `managementMode`
    pub management_mode: u64,
}

impl SimProfile {
    /// The profile of a customer with such backups.
    pub(super) fn generate(customer: &SimCustomer, case: BackupScenario, rng: &mut SeededRng) -> Self {
        let job_status = if customer.jobs.is_empty() { 0 } else { case as u64 };
        let country = rng.pick(&["Germany", "France", "United States", "Norway"]).into();
        Self { job_status, country, management_mode: rng.pick(&[1, 1, 1, 0, 2]) }
    }
}

impl SimCustomer {
    /// Its row of the list of customers.
    pub(super) fn profile_json(&self, dialect: Dialect) -> Value {
        let SimProfile { job_status, country, management_mode } = &self.profile;
        let tenants: Vec<_> =
            self.tenants.iter().map(|tenant| json!({ "id": tenant.id, "name": tenant.name })).collect();
        let job_status = match dialect {
            // In words, with spaces.
            Dialect::Older => match CustomerJobStatus::from_number(*job_status) {
                CustomerJobStatus::NotAvailable => Value::from("N/A"),
                status => status.as_str().replace('_', " ").into(),
            },
            Dialect::Live | Dialect::Documented => (*job_status).into(),
        };
        json!({
            "id": self.id,
            "organization": self.organization,
            "ownerEmail": self.email,
            "jobStatus": job_status,
            "countryOrRegion": country,
            "managementMode": management_mode,
            "tenants": tenants,
        })
    }

    /// The expected value.
    pub(super) fn expected_profile(&self) -> Profile {
        let mut tenants: Vec<(TenantId, Arc<str>)> =
            self.tenants.iter().map(|tenant| (tenant.id.as_str().into(), tenant.name.as_str().into())).collect();
        tenants.sort_by(|(a, _), (b, _)| a.cmp(b));
        Profile {
            job_status: Some(CustomerJobStatus::from_number(self.profile.job_status)),
            country: self.profile.country.as_ref().into(),
            management_mode: Some(ManagementMode::from_number(self.profile.management_mode)),
            tenants: tenants.into(),
        }
    }
}
