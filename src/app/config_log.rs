//! Log lines about the configuration: a summary, the keys that a reload changed, and warnings.

use tracing::{info, warn};

use crate::config::Config;

/// Logs the configuration that was loaded at the start.
pub(super) fn loaded(config: &Config) {
    let file = config.file.as_ref().map(|file| file.display().to_string());
    let discovering = config.partners.iter().filter(|partner| partner.customers.discover).count();
    let listed: usize = config.partners.iter().map(|partner| partner.customers.list.len()).sum();
    let partners = config.partners.len();
    info!(file, partners, discovering, listed_customers = listed, "the configuration was loaded");
}

/// Logs that a reload was applied; `changed` are the keys that differ.
pub(super) fn reloaded(changed: &[String]) {
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    info!(changed, "the configuration was reloaded");
}

/// Logs each warning.
pub(super) fn warnings(warnings: impl Iterator<Item = String>) {
    for warning in warnings {
        warn!("{warning}");
    }
}
