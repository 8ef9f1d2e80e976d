//! The expected series of the optional collectors, computed from a simulated data set without any code of the exporter
//! except its lists of names; and a configuration that enables them.

use elements::types::{
    BackupJob, CustomerJobStatus, JobKey, JobStatus, ManagementMode, ProtectedObjects, Quantity, RESULTS, STORAGES,
    ServiceInfo, TenantType,
};
use simulator::{Dataset, Expected, SimCustomer};

use super::Samples;

/// The optional collectors.
pub const NAMES: [&str; 3] = ["customers", "backup_jobs", "backup_overview"];

/// All collectors, with one schedule such as `interval: 1h`.
pub fn collectors(schedule: &str) -> String {
    let core = ["services", "tenant_seats", "customer_seats", "products_purchased", "products_available"];
    let lines = core.iter().chain(&NAMES).map(|name| format!("  {name}: {{ enabled: true, {schedule} }}\n"));
    format!("collectors:\n{}", lines.collect::<Vec<_>>().concat())
}

/// Whether a series is a value from an optional collector.
pub fn is_value(series: &str) -> bool {
    ["avepoint_backup_", "avepoint_customer_job_status", "avepoint_customer_management_info"]
        .iter()
        .any(|start| series.starts_with(start))
}

/// The values that are served.
pub fn served(samples: &Samples) -> Samples {
    samples.iter().filter(|(series, _)| is_value(series)).map(|(series, value)| (series.clone(), *value)).collect()
}

/// The values of a data set.
pub fn series(partner: &str, dataset: &Dataset) -> Samples {
    let mut samples = Samples::new();
    for customer in &dataset.customers {
        add_customer(partner, customer, &mut samples);
    }
    samples
}

fn add_customer(partner: &str, customer: &SimCustomer, samples: &mut Samples) {
    let Expected { listed, profile, backup_jobs, backup_overview, .. } = customer.expected();
    let mut add = |name: &str, labels: &[(&str, &str)], value: Option<f64>| {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!(",{label}=\"{value}\"")).collect();
        let labels = labels.concat();
        let series = format!("avepoint_{name}{{partner=\"{partner}\",customer_id=\"{}\"{labels}}}", customer.id);
        if let Some(value) = value {
            samples.insert(series, value);
        }
    };
    for status in CustomerJobStatus::ALL {
        let is_present = f64::from(u8::from(profile.job_status == Some(status)));
        add("customer_job_status", &[("status", status.as_str())], Some(is_present));
    }
    let mode = profile.management_mode.map_or("", ManagementMode::as_str);
    add("customer_management_info", &[("country", &profile.country), ("management_mode", mode)], Some(1.0));

    // Only who holds a backup is asked.
    let services = listed.subscriptions.unwrap();
    let backups = services.iter().map(|row| ServiceInfo::parse(&row.key.service)).filter(|service| service.is_backup);
    let is_m365 = backups.clone().any(|service| service.tenant_type == Some(TenantType::Microsoft365));
    let has_backup = backups.count() > 0 && !customer.unlisted;
    for job in backup_jobs.iter().filter(|_| has_backup) {
        let BackupJob { key: JobKey { job_type, job_module, plan }, status, objects, duration, ended, size, .. } = job;
        let (job_type, job_module) = (job_type.to_string(), job_module.to_string());
        let key = [("job_type", &*job_type), ("job_module", &*job_module), ("plan", &**plan)];
        for known in JobStatus::ALL {
            let is_present = f64::from(u8::from(*status == Some(known)));
            add("backup_job_status", &[key[0], key[1], key[2], ("status", known.as_str())], Some(is_present));
        }
        for (result, number) in RESULTS.into_iter().zip(objects) {
            add("backup_job_objects", &[key[0], key[1], key[2], ("result", result)], number.map(Quantity::get));
        }
        add("backup_job_duration_seconds", &key, duration.map(Quantity::get));
        add("backup_job_end_timestamp_seconds", &key, ended.map(|at| at.get().as_second() as f64));
        add("backup_job_size_bytes", &key, size.map(Quantity::get));
    }
    for module in backup_overview.iter().filter(|_| is_m365 && has_backup) {
        let ProtectedObjects { service_type, service_module, scanned, protected, stored } = module;
        let (service_type, service_module) = (service_type.to_string(), service_module.to_string());
        let key = [("service_type", &*service_type), ("service_module", &*service_module)];
        add("backup_objects_scanned", &key, scanned.map(Quantity::get));
        add("backup_objects_protected", &key, protected.map(Quantity::get));
        for (storage, size) in STORAGES.into_iter().zip(stored) {
            add("backup_stored_bytes", &[key[0], key[1], ("storage", storage)], size.map(Quantity::get));
        }
    }
}
