//! Families of the list of customers: management mode and backup status of a customer.

use elements::types::{CustomerJobStatus, ManagementMode};
use exposition::FamilyWriter;

use super::customer_view::CustomerView;
use crate::catalog;

/// The families of profiles.
pub(super) fn render(views: &[CustomerView<'_>]) -> [FamilyWriter; 2] {
    let mut status = FamilyWriter::new(&catalog::CUSTOMER_JOB_STATUS);
    let mut management = FamilyWriter::new(&catalog::CUSTOMER_MANAGEMENT_INFO);
    for (view, profile) in views.iter().filter_map(|view| Some((view, view.profile()?))) {
        for known in CustomerJobStatus::ALL {
            let value = profile.job_status.map(|present| f64::from(u8::from(present == known)));
            let labels = status.labels(&[known.as_str()]);
            view.push(&mut status, &labels, value);
        }
        let mode = profile.management_mode.map_or("", ManagementMode::as_str);
        let labels = management.labels(&[&profile.country, mode]);
        view.push(&mut management, &labels, Some(1.0));
    }
    [status, management]
}
