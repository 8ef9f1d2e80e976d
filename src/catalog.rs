//! The metric catalogue: name, type, HELP text and labels of every metric of this exporter.
//!
//! Every series has ids as labels; names appear once, in the `_info` series. The help of a gauge names the field and
//! the endpoint that it comes from, and says that it is polled and not read at scrape time.

use exposition::{Family, Kind};

const fn first(names: &[&'static str]) -> Option<&'static str> {
    match names {
        [first, ..] => Some(first),
        [] => None,
    }
}

/// One family: its name, labels and help, or a metric of the API client, which has its help there.
macro_rules! family {
    ($kind:ident elements [$metric:ident] $help:literal) => {{
        const METRIC: elements::metrics::Metric = elements::metrics::$metric;
        Family { name: METRIC.name, help: METRIC.help, kind: Kind::$kind, labels: METRIC.labels }
    }};
    ($kind:ident $name:literal [$($label:literal),*] $help:literal) => {
        Family { name: $name, help: $help, kind: Kind::$kind, labels: &[$($label),*] }
    };
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:tt $labels:tt $(of $collector:literal)? $help:literal;)*) => {
        $(
            #[doc = concat!("The family `", stringify!($constant), "`.")]
            pub const $constant: Family = family!($kind $name $labels $help);
        )*
        /// The whole catalogue, in the order of the documentation.
        pub const ALL: &[&Family] = &[$(&$constant),*];
        /// For each family of [`ALL`], the optional collector without which it has no series.
        const OPTIONAL: &[Option<&str>] = &[$(first(&[$($collector)?])),*];
    };
}

families! {
    // Values from the API.
    CUSTOMER_INFO = Info "avepoint_customer_info" ["partner", "customer_id", "customer_name"]
        "A known customer; its name is organization of the service list (endpoint services) or comes from the configuration. Always 1.";
    CUSTOMER_SEATS_ASSIGNED = Gauge "avepoint_customer_seats_assigned" ["partner", "customer_id", "tenant_type"]
        "Licences assigned to users in all tenants of the type: assignedUserSeat of endpoint customer_seats, as last polled.";
    CUSTOMER_SEATS_AVAILABLE = Gauge "avepoint_customer_seats_available" ["partner", "customer_id", "tenant_type"]
        "Seats that the API calls available in all tenants of the type: availableUserSeat of endpoint customer_seats, as last polled.";
    TENANT_INFO = Info "avepoint_tenant_info" ["partner", "customer_id", "tenant_type", "tenant_id", "tenant_name"]
        "A tenant of a customer and its name (tenantName of endpoint tenant_seats, as last polled). Always 1.";
    TENANT_SEATS_ASSIGNED = Gauge "avepoint_tenant_seats_assigned" ["partner", "customer_id", "tenant_type", "tenant_id"]
        "Licences assigned to users in the tenant: assignedUserSeat of endpoint tenant_seats, as last polled.";
    TENANT_SEATS_AVAILABLE = Gauge "avepoint_tenant_seats_available" ["partner", "customer_id", "tenant_type", "tenant_id"]
        "Seats that the API calls available in the tenant: availableUserSeat of endpoint tenant_seats, as last polled.";
    PRODUCT_SEATS_PURCHASED = Gauge "avepoint_product_seats_purchased" ["partner", "customer_id", "product_type", "product"]
        "Seats purchased of the product (units where it is sold by unit): purchasedUserSeat of endpoint products_purchased, as last polled.";
    PRODUCT_SEATS_AVAILABLE = Gauge "avepoint_product_seats_available" ["partner", "customer_id", "product_type", "product"]
        "Seats of the product that the API calls available: availableUserSeat of endpoint products_available, as last polled. Not comparable with assigned seats.";
    SUBSCRIPTION_INFO = Info "avepoint_subscription_info" ["partner", "customer_id", "subscription_id", "service_name", "subscription_model", "storage", "retention", "source", "payment_type", "subscription_name", "package"]
        "A row of the customer's service list (endpoint services, as last polled); labels that do not apply are empty. Always 1.";
    SUBSCRIPTION_SEATS_PURCHASED = Gauge "avepoint_subscription_seats_purchased" ["partner", "customer_id", "subscription_id", "service_name"]
        "Seats purchased: purchasedUserSeats of endpoint services, as last polled; +Inf if unlimited.";
    SUBSCRIPTION_UNITS_PURCHASED = Gauge "avepoint_subscription_units_purchased" ["partner", "customer_id", "subscription_id", "service_name"]
        "Units purchased: purchasedUnits of endpoint services, as last polled; +Inf if unlimited.";
    SUBSCRIPTION_LICENSES_ASSIGNED = Gauge "avepoint_subscription_microsoft_licenses_assigned" ["partner", "customer_id", "subscription_id", "service_name"]
        "Microsoft licences assigned to users: microsoftLicenseAssigned of endpoint services, as last polled.";
    SUBSCRIPTION_LICENSES_AVAILABLE = Gauge "avepoint_subscription_microsoft_licenses_available" ["partner", "customer_id", "subscription_id", "service_name"]
        "Microsoft licences that the API calls available: microsoftLicenseAvailable of endpoint services, as last polled.";
    SUBSCRIPTION_CAPACITY_PURCHASED = Gauge "avepoint_subscription_capacity_purchased_bytes" ["partner", "customer_id", "subscription_id", "service_name"]
        "Capacity purchased: purchasedCapacity of endpoint services (the second number of used/purchased), 1 GB read as 2^30 bytes, as last polled; +Inf if unlimited.";
    SUBSCRIPTION_CAPACITY_USED = Gauge "avepoint_subscription_capacity_used_bytes" ["partner", "customer_id", "subscription_id", "service_name"]
        "Capacity used: the first number of purchasedCapacity of endpoint services where it reads used/purchased, as last polled.";
    SUBSCRIPTION_CAPACITY_PROTECTED = Gauge "avepoint_subscription_capacity_protected_bytes" ["partner", "customer_id", "subscription_id", "service_name"]
        "Capacity protected: protectedCapacity of endpoint services, as last polled.";
    SUBSCRIPTION_CAPACITY_PER_SEAT = Gauge "avepoint_subscription_capacity_per_seat_bytes" ["partner", "customer_id", "subscription_id", "service_name"]
        "Storage capacity per seat: N GB of a subscriptionModel of endpoint services that reads N GB/User/Year, 1 GB read as 2^30 bytes, as last polled.";
    SUBSCRIPTION_STORAGE_CONSUMED = Gauge "avepoint_subscription_storage_consumed_bytes" ["partner", "customer_id", "subscription_id", "service_name"]
        "Storage consumed: consumedStorage of endpoint services, as last polled.";
    SUBSCRIPTION_SEATS_CHANGE = Gauge "avepoint_subscription_seats_change" ["partner", "customer_id", "subscription_id", "service_name"]
        "Seats added, or removed if negative, in the pooled licence since the first day of this month: change of endpoint services, as last polled.";
    SUBSCRIPTION_EXPIRATION = Gauge "avepoint_subscription_expiration_timestamp_seconds" ["partner", "customer_id", "subscription_id", "service_name"]
        "When the subscription expires, Unix time: expirationDate of endpoint services, as last polled.";
    SUBSCRIPTION_CONTRACT_END = Gauge "avepoint_subscription_contract_end_timestamp_seconds" ["partner", "customer_id", "subscription_id", "service_name"]
        "When the contract ends, Unix time: contractEndDate of endpoint services, as last polled.";

    CUSTOMER_JOB_STATUS = Gauge "avepoint_customer_job_status" ["partner", "customer_id", "status"] of "customers"
        "Status of the customer's backups together: 1 for the present one, 0 for the others; jobStatus of endpoint customers, as last polled.";
    CUSTOMER_MANAGEMENT_INFO = Info "avepoint_customer_management_info" ["partner", "customer_id", "country", "management_mode"] of "customers"
        "Where the customer is and who manages it: countryOrRegion and managementMode of endpoint customers, as last polled; what is not known is empty. Always 1.";
    BACKUP_JOB_STATUS = Gauge "avepoint_backup_job_status" ["partner", "customer_id", "job_type", "job_module", "plan", "status"] of "backup_jobs"
        "Status of the newest job of a plan: 1 for the present one, 0 for the others; status of endpoint backup_jobs, as last polled.";
    BACKUP_JOB_OBJECTS = Gauge "avepoint_backup_job_objects" ["partner", "customer_id", "job_type", "job_module", "plan", "result"] of "backup_jobs"
        "Objects of the newest job of a plan by result: successfulCount, failedCount, skippedCount and warningCount of endpoint backup_jobs, as last polled.";
    BACKUP_JOB_DURATION = Gauge "avepoint_backup_job_duration_seconds" ["partner", "customer_id", "job_type", "job_module", "plan"] of "backup_jobs"
        "How long the newest job of a plan ran: jobDuration of endpoint backup_jobs, as last polled.";
    BACKUP_JOB_END = Gauge "avepoint_backup_job_end_timestamp_seconds" ["partner", "customer_id", "job_type", "job_module", "plan"] of "backup_jobs"
        "When the newest job of a plan ended, Unix time: endTime of endpoint backup_jobs, as last polled.";
    BACKUP_JOB_SIZE = Gauge "avepoint_backup_job_size_bytes" ["partner", "customer_id", "job_type", "job_module", "plan"] of "backup_jobs"
        "Data that the newest job of a plan backed up: backupSize of endpoint backup_jobs, 1 GB read as 2^30 bytes, as last polled.";
    BACKUP_OBJECTS_SCANNED = Gauge "avepoint_backup_objects_scanned" ["partner", "customer_id", "service_type", "service_module"] of "backup_overview"
        "Objects found in all tenants: totalScannedObjects of endpoint backup_overview, as last polled.";
    BACKUP_OBJECTS_PROTECTED = Gauge "avepoint_backup_objects_protected" ["partner", "customer_id", "service_type", "service_module"] of "backup_overview"
        "Objects that a backup covers in all tenants: totalProtectedObjects of endpoint backup_overview, as last polled.";
    BACKUP_STORED = Gauge "avepoint_backup_stored_bytes" ["partner", "customer_id", "service_type", "service_module", "storage"] of "backup_overview"
        "Data stored in AvePoint's storage or the customer's own: dataSizeStoredInAvePoint and dataSizeStoredInBYOS of endpoint backup_overview, 1 GB read as 2^30 bytes, as last polled.";

    // Freshness and health of the collection.
    COLLECTOR_LAST_SUCCESS = Gauge "avepoint_collector_last_success_timestamp_seconds" ["partner", "customer_id", "collector"]
        "When the customer's data of this collector was last read, Unix time: the oldest last success among its targets that are not absent.";
    COLLECTOR_INTERVAL = Gauge "avepoint_collector_interval_seconds" ["partner", "collector"]
        "The configured time between two polls of a target.";
    COLLECTOR_MAX_AGE = Gauge "avepoint_collector_max_age_seconds" ["partner", "collector"]
        "The configured age at which a value that could not be renewed is no longer served.";
    COLLECTOR_TARGETS = Gauge "avepoint_collector_targets" ["partner", "collector", "state"]
        "Targets by state: pending (never polled), absent (the customer does not have it), stale (older than max_age), failing (last poll failed, no stale value), fresh, or not_granted (an optional collector whose permission the app registration lacks).";
    COLLECTOR_POLLS = Counter "avepoint_collector_polls_total" ["partner", "collector"]
        "Finished polls of targets, failed ones included.";
    COLLECTOR_POLL_FAILURES = Counter "avepoint_collector_poll_failures_total" ["partner", "collector", "reason"]
        "Polls of targets that failed, after all retries.";
    POLL_LAG = Gauge "avepoint_poll_lag_seconds" ["partner"]
        "How late the most overdue target is; 0 when nothing is overdue.";
    UP = Gauge "avepoint_up" ["partner"]
        "1 while some request of the partner to the API has succeeded within its shortest interval and two minutes, else 0.";
    DISCOVERY_LAST_SUCCESS = Gauge "avepoint_discovery_last_success_timestamp_seconds" ["partner"]
        "When the service list was last read completely, Unix time.";
    CUSTOMERS = Gauge "avepoint_customers" ["partner"]
        "Customers known, after include, exclude and list.";
    API_REQUESTS = Counter elements [API_REQUESTS] "";
    API_REQUEST_FAILURES = Counter elements [API_REQUEST_FAILURES] "";
    API_REQUEST_DURATION = Histogram elements [API_REQUEST_DURATION] "";
    API_RETRIES = Counter elements [API_RETRIES] "";
    API_THROTTLED = Gauge elements [API_THROTTLED] "";
    API_THROTTLED_SECONDS = Counter elements [API_THROTTLED_SECONDS] "";
    API_RATE_LIMIT = Gauge elements [API_RATE_LIMIT] "";
    COLLECTOR_PLANNED_REQUESTS = Gauge "avepoint_collector_planned_requests_per_second" ["partner", "collector"]
        "The minimum request rate that the intervals of the current targets need; compare with avepoint_api_rate_limit_requests_per_second.";
    AUTH_TOKEN_EXPIRATION = Gauge elements [AUTH_TOKEN_EXPIRATION] "";
    AUTH_TOKEN_REQUESTS = Counter elements [AUTH_TOKEN_REQUESTS] "";
    AUTH_TOKEN_REQUEST_FAILURES = Counter elements [AUTH_TOKEN_REQUEST_FAILURES] "";
    AUTH_CREDENTIAL_EXPIRATION = Gauge elements [AUTH_CREDENTIAL_EXPIRATION] "";
    UNREADABLE_VALUES = Counter elements [UNREADABLE_VALUES] "";
    BUILD_INFO = Info "avepoint_exporter_build_info" ["version", "revision", "rustc"]
        "The build that is running. Always 1.";
    CONFIG_RELOAD_SUCCESSFUL = Gauge "avepoint_exporter_config_last_reload_successful" []
        "1 if the configuration was last loaded or reloaded successfully, else 0.";
    CONFIG_RELOAD_TIMESTAMP = Gauge "avepoint_exporter_config_last_reload_success_timestamp_seconds" []
        "When the configuration was last loaded or reloaded successfully, Unix time.";
    STATE_LAST_SAVE = Gauge "avepoint_exporter_state_last_save_timestamp_seconds" []
        "When the state file was last written, Unix time, by an earlier process too; 0 before the first time, absent without a state file.";
    STATE_SAVE_FAILURES = Counter "avepoint_exporter_state_save_failures_total" []
        "Attempts to write the state file that failed; absent without one.";
    STATE_RESTORE_SUCCESSFUL = Gauge "avepoint_exporter_state_restore_successful" []
        "0 if the state file could not be used at the start (quarantined, or not readable), else 1; absent without one.";
    PANICS = Counter "avepoint_exporter_panics_total" ["task"]
        "Panics, each of them a bug: poll, render, state (restoring or saving), connection (serving a peer) or other. Each has a log line.";
    LEADING = Gauge "avepoint_exporter_leading" []
        "1 while this exporter polls, 0 while it stands by; one without replicas always does. With replicas, the label lease is the name of the lease.";
    LEASE_RENEW = Gauge "avepoint_exporter_lease_renew_timestamp_seconds" ["lease"]
        "When the lease was last renewed, Unix time; on a standby, when another replica was last seen to hold it. Absent without replicas.";
    LEASE_TRANSITIONS = Counter "avepoint_exporter_lease_transitions_total" ["lease"]
        "Changes of the replica that holds the lease, as seen by this one; absent without replicas.";
    TASKS = Gauge "avepoint_exporter_tasks" []
        "Running tasks of the asynchronous runtime: its own, polls in flight, and about one per connection.";
    SERIES = Gauge "avepoint_exporter_series" []
        "Series rendered from the inventory; the exporter's own are not counted.";
    SCRAPES = Counter "avepoint_exporter_scrapes_total" []
        "Responses sent on the telemetry path.";
}

/// The optional collector without which a family has no series.
#[must_use]
pub fn optional_collector(name: &str) -> Option<&'static str> {
    ALL.iter().zip(OPTIONAL).find(|(family, _)| family.name == name).and_then(|(_, collector)| *collector)
}

/// Label names that a customer's configured labels must not use: the labels of the families that carry them, those of an
/// optional collector only while it is enabled, and the labels that Prometheus sets on targets or uses internally.
#[must_use]
pub fn is_taken(label: &str, is_enabled: impl Fn(&str) -> bool) -> bool {
    const PROMETHEUS: [&str; 5] = ["job", "instance", "le", "quantile", "exported_job"];
    PROMETHEUS.contains(&label)
        || label.starts_with("__")
        || label == "customer_name"
        || ALL
            .iter()
            .zip(OPTIONAL)
            .filter(|(_, collector)| collector.is_none_or(&is_enabled))
            .any(|(family, _)| family.labels.contains(&"customer_id") && family.labels.contains(&label))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let names: HashSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for family in ALL {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
            assert_eq!(family.name.ends_with("_info"), family.kind == Kind::Info, "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
        }
    }

    #[test]
    fn no_label_is_one_that_users_set_on_targets() {
        let theirs = [
            "customer",
            "service",
            "owner",
            "region",
            "env",
            "team",
            "type",
            "job",
            "instance",
            "endpoint",
            "namespace",
            "pod",
            "container",
            "node",
            "cluster",
        ];
        for family in ALL {
            assert!(family.labels.iter().all(|label| !theirs.contains(label)), "{}", family.name);
        }
    }
}
