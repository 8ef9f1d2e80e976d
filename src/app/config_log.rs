//! What the log says of a configuration: what it is about, what a reload changed, and what to look after.

use tracing::{info, warn};

use crate::config::Config;

/// A configuration was loaded at start.
pub(super) fn loaded(config: &Config) {
    let file = config.file.as_ref().map(|file| file.display().to_string());
    let discovering = config.partners.iter().filter(|partner| partner.customers.discover).count();
    let listed: usize = config.partners.iter().map(|partner| partner.customers.list.len()).sum();
    let partners = config.partners.len();
    info!(file, partners, discovering, listed_customers = listed, "the configuration was loaded");
}

/// A reload was applied; `changed` are the keys that differ.
pub(super) fn reloaded(changed: &[String]) {
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    info!(changed, "the configuration was reloaded");
}

/// What an operator should look after.
pub(super) fn warnings(warnings: impl Iterator<Item = String>) {
    for warning in warnings {
        warn!("{warning}");
    }
}
