//! Families of backups: the newest job of each plan, and the coverage.

use elements::types::{JobKey, JobStatus, Observation, Quantity, RESULTS, STORAGES};
use exposition::FamilyWriter;
use exposition::syntax::unix_time;

use super::customer_view::CustomerView;
use crate::catalog;

/// The backup families.
pub(super) fn render(views: &[CustomerView<'_>]) -> Vec<FamilyWriter> {
    let mut families: Vec<_> = jobs(views).into();
    families.extend(overviews(views));
    families
}

fn jobs(views: &[CustomerView<'_>]) -> [FamilyWriter; 5] {
    let mut status = FamilyWriter::new(&catalog::BACKUP_JOB_STATUS);
    let mut objects = FamilyWriter::new(&catalog::BACKUP_JOB_OBJECTS);
    let mut duration = FamilyWriter::new(&catalog::BACKUP_JOB_DURATION);
    let mut end = FamilyWriter::new(&catalog::BACKUP_JOB_END);
    let mut size = FamilyWriter::new(&catalog::BACKUP_JOB_SIZE);
    for view in views {
        let jobs = view.observations.iter().filter_map(|(_, observation)| match observation {
            Observation::BackupJobs(jobs) => Some(jobs.iter()),
            _ => None,
        });
        for job in jobs.flatten() {
            let JobKey { job_type, job_module, plan } = &job.key;
            let (job_type, job_module) = (&*job_type.to_string(), &*job_module.to_string());
            for known in JobStatus::ALL {
                let labels = status.labels(&[job_type, job_module, plan, known.as_str()]);
                view.push(&mut status, &labels, job.status.map(|present| f64::from(u8::from(present == known))));
            }
            for (result, number) in RESULTS.into_iter().zip(job.objects) {
                let labels = objects.labels(&[job_type, job_module, plan, result]);
                view.push(&mut objects, &labels, number.map(Quantity::get));
            }
            let labels = duration.labels(&[job_type, job_module, plan]);
            view.push(&mut duration, &labels, job.duration.map(Quantity::get));
            view.push(&mut end, &labels, job.ended.map(|at| unix_time(at.get())));
            view.push(&mut size, &labels, job.size.map(Quantity::get));
        }
    }
    [status, objects, duration, end, size]
}

fn overviews(views: &[CustomerView<'_>]) -> [FamilyWriter; 3] {
    let mut scanned = FamilyWriter::new(&catalog::BACKUP_OBJECTS_SCANNED);
    let mut protected = FamilyWriter::new(&catalog::BACKUP_OBJECTS_PROTECTED);
    let mut stored = FamilyWriter::new(&catalog::BACKUP_STORED);
    for view in views {
        let modules = view.observations.iter().filter_map(|(_, observation)| match observation {
            Observation::BackupOverview(modules) => Some(modules.iter()),
            _ => None,
        });
        for module in modules.flatten() {
            let (service_type, service_module) =
                (&*module.service_type.to_string(), &*module.service_module.to_string());
            let labels = scanned.labels(&[service_type, service_module]);
            view.push(&mut scanned, &labels, module.scanned.map(Quantity::get));
            view.push(&mut protected, &labels, module.protected.map(Quantity::get));
            for (storage, size) in STORAGES.into_iter().zip(module.stored) {
                let labels = stored.labels(&[service_type, service_module, storage]);
                view.push(&mut stored, &labels, size.map(Quantity::get));
            }
        }
    }
    [scanned, protected, stored]
}
