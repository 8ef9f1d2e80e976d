//! Thresholds of the alerts as shipped in `deploy/prometheus/settings.rules.yml`; a test compares them. The page uses these
//! defaults even if the rules of a Prometheus are tuned differently, and says so.

/// Share of the purchased seats from which on a service is low.
pub const SEATS_LOW: f64 = 0.90;
/// Over-assignment is critical above this share of the purchased seats.
pub const SEATS_OVER: f64 = 0.10;
/// Share of the purchased seats below which a service counts as unused.
pub const SEATS_UNUSED: f64 = 0.70;
/// Fewest unused seats that matter.
pub const SEATS_UNUSED_MIN: f64 = 5.0;
/// Days before a renewal in which unused seats matter.
pub const SEATS_UNUSED_DAYS: i64 = 45;
/// Share of the licences of a tenant that are assigned from which on it is low.
pub const TENANT_SEATS_LOW: f64 = 0.90;
/// Days before the expiry from which on a row is expiring, as info.
pub const EXPIRING_INFO_DAYS: i64 = 30;
/// The same, as a warning.
pub const EXPIRING_WARNING_DAYS: i64 = 14;
/// The same, as critical.
pub const EXPIRING_CRITICAL_DAYS: i64 = 3;
/// Days after the expiry until which it is critical; about when AvePoint deletes the data.
pub const EXPIRED_CRITICAL_DAYS: i64 = 15;
/// Days after the expiry until which it is a warning; after that the alert ends and the page still shows it.
pub const EXPIRED_WARNING_DAYS: i64 = 30;
/// Days before the end of a contract from which on it is ending.
pub const CONTRACT_DAYS: i64 = 60;
/// Days after the end of a contract for which it is still reported. Not tunable.
pub const CONTRACT_ENDED_DAYS: i64 = 30;
/// Share of the capacity from which on it is low.
pub const CAPACITY_LOW: f64 = 0.90;
/// Share of the capacity from which on that is critical.
pub const CAPACITY_FULL: f64 = 1.0;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn they_are_the_shipped_ones() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/settings.rules.yml");
        let text = fs::read_to_string(path).unwrap();
        let records = text.split("- record: avepoint:threshold:").skip(1).map(|rule| {
            let name = rule.lines().next().unwrap();
            let value = rule.split("vector(").nth(1).unwrap().split(')').next().unwrap();
            (name, value.parse::<f64>().unwrap())
        });
        let mut shipped: BTreeMap<_, _> = records.collect();
        for needs_history in ["seats_over_days", "forecast_begin_days", "forecast_end_days"] {
            shipped.remove(needs_history).unwrap();
        }
        let ours = [
            ("seats_low", SEATS_LOW),
            ("seats_over", SEATS_OVER),
            ("seats_unused", SEATS_UNUSED),
            ("seats_unused_least", SEATS_UNUSED_MIN),
            ("seats_unused_days", SEATS_UNUSED_DAYS as f64),
            ("tenant_seats_low", TENANT_SEATS_LOW),
            ("expiring_info_days", EXPIRING_INFO_DAYS as f64),
            ("expiring_warning_days", EXPIRING_WARNING_DAYS as f64),
            ("expiring_critical_days", EXPIRING_CRITICAL_DAYS as f64),
            ("expired_critical_days", EXPIRED_CRITICAL_DAYS as f64),
            ("expired_warning_days", EXPIRED_WARNING_DAYS as f64),
            ("contract_days", CONTRACT_DAYS as f64),
            ("capacity_low", CAPACITY_LOW),
            ("capacity_full", CAPACITY_FULL),
        ];
        // The page shows backups as the API reports them and judges none.
        shipped.retain(|name, _| !name.starts_with("backup_"));
        assert_eq!(shipped, ours.into());
    }
}
