//! `discover`: who is there, as YAML to paste under `customers.list`.

use serde::Serialize;

use super::{Failure, output};
use crate::cli::Flags;
use crate::clock::Clock;
use crate::config::{Config, PartnerSettings};
use crate::domain::ListedCustomer;
use crate::elements::Client;

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

pub(super) async fn run(flags: &Flags) -> Result<(), Failure> {
    let config = Config::load(&flags.config_file)?;
    for settings in &config.partners {
        let mut customers = customers(settings, Clock::start()).await?;
        customers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let entries: Vec<_> = customers
            .iter()
            .map(|customer| Entry { id: customer.id.as_str(), name: customer.name.as_deref() })
            .collect();
        let yaml = serde_yaml::to_string(&entries).map_err(Failure::run)?;
        output::answer(&format!("# partner {}: {} customers\n{yaml}", settings.name, entries.len()));
    }
    Ok(())
}

/// Everybody whom the app registration of a partner sees.
pub(super) async fn customers(settings: &PartnerSettings, clock: Clock) -> Result<Vec<ListedCustomer>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Run(format!("partner {}: {error}", settings.name));
    let client = Client::new(settings, clock).map_err(|error| failed(&error))?;
    let mut listing = client.listing(None);
    let mut customers = Vec::new();
    while let Some(page) = listing.next_page(None).await.map_err(|failure| failed(&failure))? {
        customers.extend(page);
    }
    Ok(customers)
}
