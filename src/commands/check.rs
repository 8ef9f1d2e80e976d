//! `check`: validates the configuration and compares the cost of polling with the budget.

use std::fmt::Write;

use super::{Failure, discover, output};
use crate::cli::Flags;
use crate::clock::Clock;
use crate::config::{Config, HaSettings, PartnerSettings, StateLocation, StateSettings, folder_of, format_duration};
use crate::domain::{Collector, PartnerName};
use crate::elements::{Registration, Registrations};
use crate::ha::{Election, Leadership};
use crate::inventory::Inventory;
use crate::polling::{CustomerFilter, listing_pages, plan};
use crate::terminal::escape;

/// Maximum number of customers that `--online` prints.
const SHOWN: usize = 20;

pub(super) async fn run(flags: &Flags, online: bool) -> Result<(), Failure> {
    let (config, web) = super::load(flags)?;
    let mut report = format!("{}: valid\n", flags.config_file.display());
    if let Some(file) = flags.web_config_file() {
        let _ = writeln!(report, "{}: valid", file.display());
    }
    for warning in config.warnings(Clock::start().now()).into_iter().chain(web.access.warnings()) {
        let _ = writeln!(report, "warning: {warning}");
    }
    if let Some(StateSettings { location: StateLocation::File(file), .. }) = &config.state
        && let folder = folder_of(file)
        && !folder.is_dir()
    {
        let _ = writeln!(report, "warning: state.file: the folder {} does not exist: create it", folder.display());
    }
    if let Some(ha) = &config.ha {
        let HaSettings { identity, lease_duration, renew_deadline, .. } = ha;
        let [takes_over, stops] = [*lease_duration, *renew_deadline].map(format_duration);
        let _ = writeln!(
            report,
            "ha: {identity} takes part in the election for the lease {}; a leader that cannot renew it stops polling after \
             {stops}, and another replica takes over after {takes_over}",
            escape(ha.lease.label())
        );
    }
    output::print(&report);
    let (mut failures, mut costs, mut registrations) = (Vec::new(), Vec::new(), Registrations::default());
    for settings in &config.partners {
        let cost = if online {
            match planned(settings, registrations.get(settings), &config).await {
                Ok(cost) => cost,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            }
        } else {
            Cost::typical(settings, &config)
        };
        output::print(&cost.describe(settings, &config));
        costs.push((settings, cost.total()));
    }
    output::print(&shared_budgets(&costs));
    if let (true, Some(ha)) = (online, &config.ha) {
        match try_lease(ha).await {
            Ok(said) => output::print(&format!("\n{said}\n")),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::of_partners(&failures)
}

/// Reads the lease; acquires it if it is free, and gives it back.
async fn try_lease(settings: &HaSettings) -> Result<String, String> {
    let settings = HaSettings { identity: format!("check-{:08x}", fastrand::u32(..)), ..settings.clone() };
    let name = escape(settings.lease.label()).to_string();
    let failed = |error: &dyn std::fmt::Display| format!("ha.lease: {error}");
    let started = tokio::task::spawn_blocking(move || Election::start(&settings, Clock::start())).await;
    let election = started.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let mut watcher = election.watcher.clone();
    let is_known = |seen: &Leadership| seen.until.is_some() || seen.leader.is_some() || seen.error.is_some();
    watcher.wait_for(is_known).await;
    let Leadership { leader, error, .. } = watcher.leadership();
    election.resign().await;
    match (leader, error) {
        (_, Some(error)) => Err(failed(&error)),
        (Some(leader), _) => {
            let leader = escape(&leader);
            Ok(format!("lease {name}: {leader} holds it; it was read, and writing is tried only while it is free"))
        }
        (None, None) => Ok(format!("lease {name}: it was free; it was acquired and released")),
    }
}

/// The total cost of the partners of one app registration in requests per hour, and their shared budget.
fn shared_budgets(costs: &[(&PartnerSettings, f64)]) -> String {
    let mut text = String::new();
    for (index, (first, _)) in costs.iter().enumerate() {
        let is_same = |(settings, _): &&(&PartnerSettings, f64)| settings.same_registration(first);
        let sharing: Vec<_> = costs.iter().filter(is_same).collect();
        if sharing.len() < 2 || costs.iter().take(index).any(|cost| is_same(&cost)) {
            continue;
        }
        let names: Vec<_> = sharing.iter().map(|(settings, _)| settings.name.to_string()).collect();
        let total: f64 = sharing.iter().map(|(_, cost)| cost).sum();
        let budget = first.budget.requests_per_second * 3600.0;
        let names = names.join(", ");
        let _ = writeln!(
            text,
            "\npartners {names} share the budget of one app registration: {total:.1} of {budget:.1} requests per hour"
        );
        if total > budget {
            let _ = writeln!(
                text,
                "warning: that budget is too small for the intervals of these partners. Raise partners[].budget.requests_per_second \
                 to {:.2} or more at each, or lengthen collectors.*.interval.",
                (total / 36.0).ceil() / 100.0
            );
        }
    }
    text
}

/// The polling cost of a partner.
struct Cost {
    /// What the figures are based on.
    basis: String,
    /// Requests per hour.
    per_collector: Vec<(Collector, f64)>,
    customers: usize,
}

impl Cost {
    /// The estimate before the first poll: the listed customers, each with the holdings of a typical customer.
    fn typical(settings: &PartnerSettings, config: &Config) -> Self {
        let customers = settings.customers.list.len();
        let whom = if settings.customers.discover { "; discovered customers are added" } else { "" };
        Self {
            basis: format!("{customers} listed customers, each counted as {}{whom}", plan::TYPICAL),
            per_collector: plan::typical_requests_per_hour(customers, &config.collectors),
            customers,
        }
    }

    /// Requests per hour.
    fn total(&self) -> f64 {
        self.per_collector.iter().map(|&(_, cost)| cost).sum()
    }

    fn describe(&self, settings: &PartnerSettings, config: &Config) -> String {
        let budget = settings.budget.requests_per_second * 3600.0;
        let total = self.total();
        let mut text = format!("\npartner {}: requests per hour ({})\n", settings.name, self.basis);
        for (collector, cost) in &self.per_collector {
            let _ = writeln!(text, "  {:<20}{cost:>12.1}", collector.as_str());
        }
        let _ = writeln!(text, "  {:<20}{total:>12.1}", "total");
        let _ = writeln!(
            text,
            "  {:<20}{budget:>12.1}   {} requests per second",
            "budget", settings.budget.requests_per_second
        );
        if total > budget {
            let _ = writeln!(
                text,
                "warning: the budget is too small for the intervals: {total:.1} of {budget:.1} requests per hour; values will be \
                 {:.1} times as old as configured. Raise partners[].budget.requests_per_second to {:.2} or more, or \
                 lengthen collectors.*.interval.",
                total / budget,
                // Rounded up, so that it is sufficient.
                (total / 36.0).ceil() / 100.0
            );
            return text;
        }
        // A page of the listing contains a hundred customers.
        let hundred: f64 = plan::typical_requests_per_hour(100, &config.collectors).iter().map(|&(_, cost)| cost).sum();
        let affordable = self.customers as f64 + ((budget - total) / hundred * 100.0).floor();
        if affordable < 1.0 {
            let _ = writeln!(
                text,
                "warning: the budget is too small for the intervals of a single customer. Raise \
                 partners[].budget.requests_per_second or lengthen collectors.*.interval."
            );
        } else {
            let _ = writeln!(
                text,
                "  the budget is sufficient for about {affordable} customers ({}: {:.1} requests per hour each)",
                plan::TYPICAL,
                hundred / 100.0
            );
        }
        text
    }
}

/// The first polled customers; `discover` prints all of them.
fn named(partner: &PartnerName, inventory: &Inventory) -> String {
    let mut text = format!("\npartner {partner}: {} customers are polled\n", inventory.customers.len());
    for customer in inventory.customers.values().take(SHOWN) {
        let _ = writeln!(text, "  {}  {}", escape(customer.id.as_str()), escape(&customer.name));
    }
    if inventory.customers.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: `discover` prints all", inventory.customers.len() - SHOWN);
    }
    text
}

/// Gets a token, lists the customers and plans their queries; or the failure with the partner's name.
async fn planned(settings: &PartnerSettings, registration: Registration, config: &Config) -> Result<Cost, String> {
    let clock = Clock::start();
    let seen = discover::customers(settings, registration, clock).await?;
    let filter = CustomerFilter::new(&settings.customers);
    let collectors = std::sync::Arc::new(config.collectors.clone());
    let mut inventory = Inventory::new(settings.name.clone(), collectors, true, &settings.customers.list);
    let visible = seen.len();
    for customer in seen.into_iter().filter(|customer| filter.matches(&customer.id, customer.name.as_deref())) {
        inventory.observe(customer, clock.now());
    }
    let customers = inventory.customers.len();
    output::print(&named(&settings.name, &inventory));
    let never_seen: Vec<_> = inventory
        .customers
        .values()
        .filter(|customer| customer.services.is_none())
        .map(|customer| customer.id.as_str())
        .collect();
    if !never_seen.is_empty() {
        output::print(&format!(
            "warning: partner {}: the service list does not contain these customers of customers.list: {}\n",
            settings.name,
            never_seen.join(", ")
        ));
    }
    let mut cost = plan::cost(inventory.customers.values().map(|customer| &**customer), &config.collectors);
    // The customers that are not listed are requested once more by id.
    cost.list(if filter.discovers() {
        listing_pages(Some(visible), never_seen.len())
    } else {
        listing_pages(None, customers)
    });
    let per_collector = cost.requests_per_hour(&config.collectors);
    let basis = format!("{customers} customers of {visible} that the app registration sees");
    Ok(Cost { basis, per_collector, customers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_that_share_a_budget_are_added_up() {
        let partner =
            |name: &str, client: &str| format!("{{ name: {name}, auth: {{ client_id: {client}, client_secret: s }} }}");
        let yaml = format!("partners: [{}, {}, {}]", partner("a", "x"), partner("b", "y"), partner("c", "X"));
        let config = Config::parse(&yaml, std::path::Path::new("")).unwrap();
        let text = |costs: [f64; 3]| shared_budgets(&config.partners.iter().zip(costs).collect::<Vec<_>>());
        let shared = "\npartners a, c share the budget of one app registration: 18000.0 of 18000.0 requests per hour\n";
        assert_eq!(text([9000.0, 18000.0, 9000.0]), shared);
        let said = text([9000.0, 0.0, 18000.0]);
        assert!(said.contains("27000.0 of 18000.0") && said.contains("requests_per_second to 7.50 or more"), "{said}");
    }
}
