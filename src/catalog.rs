//! The metric catalogue: name, type, HELP text and labels of every metric of this exporter.
//!
//! Every series has ids as labels; names appear once, in the `_info` series. The help of a gauge names the field and
//! the endpoint that it comes from, and says that it is polled and not read at scrape time.

/// The metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A gauge.
    Gauge,
    /// A counter; the name ends in `_total`.
    Counter,
    /// A histogram: buckets, sum and count.
    Histogram,
    /// Always 1, with the content in its labels; the name ends in `_info`.
    Info,
}

/// A metric family.
#[derive(Debug)]
pub struct Family {
    /// The full name, `_total` and `_info` included.
    pub name: &'static str,
    /// One or two sentences without line breaks.
    pub help: &'static str,
    /// The metric type.
    pub kind: Kind,
    /// The labels of every series, in order; the configured labels of a customer follow them.
    pub labels: &'static [&'static str],
}

/// The unit suffix of a family's name, if OpenMetrics defines that unit.
#[must_use]
pub fn unit_of(name: &str) -> Option<&'static str> {
    let base = name.strip_suffix("_total").unwrap_or(name);
    ["seconds", "bytes"].into_iter().find(|unit| base.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
}

/// For the counters and gauges that other modules register with the `prometheus` crate.
impl From<&Family> for prometheus::Opts {
    fn from(family: &Family) -> Self {
        Self::new(family.name, family.help)
    }
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Family =
                Family { name: $name, help: $help, kind: Kind::$kind, labels: &[$($label),*] };
        )*
        /// The whole catalogue, in the order of the documentation.
        pub const ALL: &[&Family] = &[$(&$constant),*];
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

    // Freshness and health of the collection.
    COLLECTOR_LAST_SUCCESS = Gauge "avepoint_collector_last_success_timestamp_seconds" ["partner", "customer_id", "collector"]
        "When the customer's data of this collector was last read, Unix time: the oldest last success among its targets that are not absent.";
    COLLECTOR_INTERVAL = Gauge "avepoint_collector_interval_seconds" ["partner", "collector"]
        "The configured time between two polls of a target.";
    COLLECTOR_MAX_AGE = Gauge "avepoint_collector_max_age_seconds" ["partner", "collector"]
        "The configured age at which a value that could not be renewed is no longer served.";
    COLLECTOR_TARGETS = Gauge "avepoint_collector_targets" ["partner", "collector", "state"]
        "Targets by state: pending (never polled), absent (the customer does not have it), stale (older than max_age), failing (last poll failed, value not stale) or fresh.";
    COLLECTOR_POLLS = Counter "avepoint_collector_polls_total" ["partner", "collector"]
        "Finished polls of targets, failed ones included.";
    COLLECTOR_POLL_FAILURES = Counter "avepoint_collector_poll_failures_total" ["partner", "collector", "reason"]
        "Polls of targets that failed, after all retries.";
    POLL_LAG = Gauge "avepoint_poll_lag_seconds" ["partner"]
        "How late the most overdue target is; 0 when nothing is overdue.";
    UP = Gauge "avepoint_up" ["partner"]
        "1 while some request of the partner to the API has succeeded within its shortest interval and two minutes, else 0.";
    DISCOVERY_LAST_SUCCESS = Gauge "avepoint_discovery_last_success_timestamp_seconds" ["partner"]
        "When the list of customers was last read completely, Unix time.";
    CUSTOMERS = Gauge "avepoint_customers" ["partner"]
        "Customers known, after include, exclude and list.";
    API_REQUESTS = Counter "avepoint_api_requests_total" ["partner", "operation"]
        "HTTP requests sent, retries included; the operation is the endpoint, or token.";
    API_REQUEST_FAILURES = Counter "avepoint_api_request_failures_total" ["partner", "operation", "reason"]
        "HTTP requests that failed, retried ones included; 404 that means absence is not a failure.";
    API_REQUEST_DURATION = Histogram "avepoint_api_request_duration_seconds" ["partner", "operation"]
        "Time from sending a request to its complete response or its failure.";
    API_RETRIES = Counter "avepoint_api_retries_total" ["partner", "operation"]
        "Requests that repeated a failed one.";
    API_THROTTLED = Gauge "avepoint_api_throttled" ["partner"]
        "1 while requests of the app registration are paused after a 429, else 0.";
    API_THROTTLED_SECONDS = Counter "avepoint_api_throttled_seconds_total" ["partner"]
        "Time that requests of the app registration were paused after a 429.";
    API_RATE_LIMIT = Gauge "avepoint_api_rate_limit_requests_per_second" ["partner"]
        "The current rate limit of all requests of the app registration; lower than configured after a 429, then rising again.";
    COLLECTOR_PLANNED_REQUESTS = Gauge "avepoint_collector_planned_requests_per_second" ["partner", "collector"]
        "The minimum request rate that the intervals of the current targets need; compare with avepoint_api_rate_limit_requests_per_second.";
    AUTH_TOKEN_EXPIRATION = Gauge "avepoint_auth_token_expiration_timestamp_seconds" ["partner", "scope"]
        "When the last access token of the app registration expires or expired, Unix time; absent before the first.";
    AUTH_TOKEN_REQUESTS = Counter "avepoint_auth_token_requests_total" ["partner", "scope"]
        "Requests for an access token; one is shared by all partners with the same app registration.";
    AUTH_TOKEN_REQUEST_FAILURES = Counter "avepoint_auth_token_request_failures_total" ["partner", "scope", "reason"]
        "Requests for an access token that failed.";
    AUTH_CREDENTIAL_EXPIRATION = Gauge "avepoint_auth_credential_expiration_timestamp_seconds" ["partner", "credential"]
        "When the partner's own credential expires, Unix time: notAfter of the certificate, or the configured date of the client secret.";
    UNREADABLE_VALUES = Counter "avepoint_unreadable_values_total" ["partner", "field"]
        "Values of the API that could not be read and were omitted, by field.";
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

/// Label names that a customer's configured labels must not use: the labels of the families that carry them, and the
/// labels that Prometheus sets on targets or uses internally.
#[must_use]
pub fn is_taken(label: &str) -> bool {
    const PROMETHEUS: [&str; 5] = ["job", "instance", "le", "quantile", "exported_job"];
    PROMETHEUS.contains(&label)
        || label.starts_with("__")
        || label == "customer_name"
        || ALL.iter().any(|family| family.labels.contains(&"customer_id") && family.labels.contains(&label))
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
