//! Families of the list of customers: how a customer is managed, and how its backups are.

use super::customer_view::CustomerView;
use super::family_writer::FamilyWriter;
use crate::catalog;
use crate::domain::{CustomerJobStatus, ManagementMode};

/// The families of profiles.
pub(super) fn render(views: &[CustomerView<'_>]) -> [FamilyWriter; 2] {
    let mut status = FamilyWriter::new(&catalog::CUSTOMER_JOB_STATUS);
    let mut management = FamilyWriter::new(&catalog::CUSTOMER_MANAGEMENT_INFO);
    for (view, profile) in views.iter().filter_map(|view| Some((view, view.profile?))) {
        for known in CustomerJobStatus::ALL {
            let value = profile.job_status.map(|present| f64::from(u8::from(present == known)));
            status.push_of(view, &status.labels(&[known.as_str()]), value);
        }
        let mode = profile.management_mode.map_or("", ManagementMode::as_str);
        management.push_of(view, &management.labels(&[&profile.country, mode]), Some(1.0));
    }
    [status, management]
}
