//! `check`: validates the configuration and compares the cost of polling with the budget.

use std::fmt::Write;

use elements::Client;
use elements::clock::Clock;
use elements::types::{Collector, ListedCustomer, PartnerName};
use elements::{Registration, Registrations};
use exporter_toolkit::check_address;
use wildmatch::WildMatch;

use super::{CommandError, discover, output};
use crate::cli::CheckArgs;
use crate::config::{Config, PartnerSettings, StateSettings, folder_of};
use crate::config::{HaSettings, StateLocation, format_duration};
use crate::ha::{Election, Leadership};
use crate::inventory::Inventory;
use crate::polling::{CustomerFilter, listing_pages, plan};
use crate::terminal::escape;
use crate::web::format::{count, plural};

/// Maximum number of customers that `--online` prints.
const SHOWN: usize = 20;

/// Prints and counts warnings.
#[derive(Default)]
struct Warnings(usize);

impl Warnings {
    fn print(&mut self, warning: &str) {
        self.0 += 1;
        output::print(&format!("warning: {warning}\n"));
    }

    fn print_part(&mut self, (text, warning): ReportPart) {
        output::print(&text);
        if let Some(warning) = warning {
            self.print(&warning);
        }
    }
}

/// A part of the report, and a warning about it.
type ReportPart = (String, Option<String>);

pub(super) async fn run(args: &CheckArgs) -> Result<(), CommandError> {
    let daemon = &args.daemon;
    for address in &daemon.listen_addresses {
        check_address(address)
            .map_err(|error| CommandError::Usage(format!("--web.listen-address={address}: {error}")))?;
    }
    let (config, web) = super::load(daemon)?;
    let mut report = format!("{}: valid\n", daemon.config.config_file.display());
    if let Some(file) = daemon.web.web_config_file() {
        let _ = writeln!(report, "{}: valid", file.display());
    }
    output::print(&report);
    let mut warnings = Warnings::default();
    for warning in config.warnings(Clock::start().now()).into_iter().chain(web.access.warnings()) {
        warnings.print(&warning);
    }
    if let Some(StateSettings { location: StateLocation::File(file), .. }) = &config.state
        && let folder = folder_of(file)
        && !folder.is_dir()
    {
        warnings.print(&format!("state.file: the folder {} does not exist: create it", folder.display()));
    }
    if let Some(ha) = &config.ha {
        let HaSettings { identity, lease_duration, renew_deadline, .. } = ha;
        let [takes_over, stops] = [*lease_duration, *renew_deadline].map(format_duration);
        output::print(&format!(
            "ha: {identity} takes part in the election for the lease {}; a leader that cannot renew it stops polling after \
             {stops}, and another replica takes over after {takes_over}\n",
            escape(ha.lease.label())
        ));
    }
    let (mut failures, mut costs, mut registrations) = (Vec::new(), Vec::new(), Registrations::default());
    for settings in &config.partners {
        let cost = if args.online {
            let registration = registrations.get(settings.registration_key(), settings.budget);
            match planned(settings, registration, &config, &mut warnings).await {
                Ok(cost) => cost,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            }
        } else {
            Cost::typical(settings, &config, args.customers)
        };
        warnings.print_part(cost.describe(settings, &config));
        costs.push((settings, cost.total()));
    }
    for part in shared_budgets(&costs) {
        warnings.print_part(part);
    }
    if let (true, Some(ha)) = (args.online, &config.ha) {
        match try_lease(ha).await {
            Ok(result) => output::print(&format!("\n{result}\n")),
            Err(failure) => failures.push(failure),
        }
    }
    CommandError::of_partners(&failures)?;
    if args.strict && warnings.0 > 0 {
        return Err(CommandError::Usage(format!("--strict: {} above", plural(warnings.0 as u64, "warning"))));
    }
    Ok(())
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
fn shared_budgets(costs: &[(&PartnerSettings, f64)]) -> Vec<ReportPart> {
    let mut parts = Vec::new();
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
        let text = format!(
            "\npartners {names} share the budget of one app registration: {total:.1} of {budget:.1} requests per hour\n"
        );
        let warning = (total > budget).then(|| {
            format!(
                "that budget is too small for the intervals of these partners. Raise partners[].budget.requests_per_second \
                 to {:.2} or more at each, or lengthen collectors.*.interval.",
                (total / 36.0).ceil() / 100.0
            )
        });
        parts.push((text, warning));
    }
    parts
}

/// The polling cost of a partner.
struct Cost {
    /// The basis of the figures, for the report.
    basis: String,
    /// Requests per hour.
    per_collector: Vec<(Collector, f64)>,
    customers: usize,
}

impl Cost {
    /// The estimate before the first poll, with typical holdings per customer. The number of discovered customers is
    /// unknown; `expected` replaces it.
    fn typical(settings: &PartnerSettings, config: &Config, expected: Option<u32>) -> Self {
        let listed = settings.customers.list.len();
        let expected = expected.filter(|_| settings.customers.discover).map(|customers| customers as usize);
        let customers = expected.unwrap_or(listed).max(listed);
        let number = plural(customers as u64, "customer");
        let basis = match (settings.customers.discover, expected) {
            (false, _) => format!("{number} of customers.list, each counted as {}", plan::TYPICAL),
            (true, Some(_)) => format!("{number} as given, each counted as {}", plan::TYPICAL),
            (true, None) if listed == 0 => "how many customers are discovered is not known".to_owned(),
            (true, None) => {
                format!(
                    "{number} of customers.list, each counted as {}; how many are discovered is not known",
                    plan::TYPICAL
                )
            }
        };
        let per_collector = plan::typical_requests_per_hour(customers, &config.collectors);
        Self { basis, per_collector, customers }
    }

    /// Requests per hour.
    fn total(&self) -> f64 {
        self.per_collector.iter().map(|&(_, cost)| cost).sum()
    }

    fn describe(&self, settings: &PartnerSettings, config: &Config) -> ReportPart {
        let budget = settings.budget.requests_per_second * 3600.0;
        let total = self.total();
        let mut text = format!("\npartner {}: requests per hour ({})\n", settings.name, self.basis);
        // Without customers there are no requests to count.
        let is_unknown = self.customers == 0;
        if !is_unknown {
            for (collector, cost) in &self.per_collector {
                let _ = writeln!(text, "  {:<20}{cost:>12.1}", collector.as_str());
            }
            let _ = writeln!(text, "  {:<20}{total:>12.1}", "total");
        }
        let per_second = settings.budget.requests_per_second;
        let _ = writeln!(text, "  {:<20}{budget:>12.1}   {per_second} requests per second", "budget");
        if total > budget {
            let warning = format!(
                "the budget is too small for the intervals: {total:.1} of {budget:.1} requests per hour; values will be \
                 {:.1} times as old as configured. Raise partners[].budget.requests_per_second to {:.2} or more, or \
                 lengthen collectors.*.interval.",
                total / budget,
                // Rounded up, so that it is sufficient.
                (total / 36.0).ceil() / 100.0
            );
            return (text, Some(warning));
        }
        // A page of the listing contains a hundred customers.
        let hundred: f64 = plan::typical_requests_per_hour(100, &config.collectors).iter().map(|&(_, cost)| cost).sum();
        let affordable = self.customers as f64 + ((budget - total) / hundred * 100.0).floor();
        if affordable < 1.0 {
            let warning = "the budget is too small for the intervals of a single customer. Raise \
                           partners[].budget.requests_per_second or lengthen collectors.*.interval.";
            return (text, Some(warning.to_owned()));
        }
        let _ = writeln!(
            text,
            "  the budget is sufficient for about {} customers ({}: {:.1} requests per hour each)",
            count(affordable),
            plan::TYPICAL,
            hundred / 100.0
        );
        if is_unknown {
            text += "  check --online counts the customers; check --customers=N plans for N\n";
        }
        (text, None)
    }
}

/// The patterns of `include` and `exclude` that match no customer.
fn idle_patterns(settings: &PartnerSettings, seen: &[ListedCustomer]) -> Vec<String> {
    let customers = &settings.customers;
    if !customers.discover || seen.is_empty() {
        return Vec::new();
    }
    let patterns =
        |key: &'static str, globs: &[String]| globs.iter().map(|glob| (key, glob.clone())).collect::<Vec<_>>();
    let all = [patterns("include", &customers.include), patterns("exclude", &customers.exclude)].concat();
    let is_idle = |glob: &str| {
        let glob = WildMatch::new_case_insensitive(glob);
        !seen.iter().any(|customer| {
            glob.matches(customer.id.as_str()) || customer.name.as_deref().is_some_and(|name| glob.matches(name))
        })
    };
    all.into_iter()
        .filter(|(_, glob)| is_idle(glob))
        .map(|(key, glob)| {
            let seen = plural(seen.len() as u64, "customer");
            format!("partner {}: customers.{key}: {glob:?} matches none of {seen}", settings.name)
        })
        .collect()
}

/// The first polled customers; `discover` prints all of them.
fn named(partner: &PartnerName, inventory: &Inventory) -> String {
    let number = inventory.customers.len();
    let verb = if number == 1 { "is" } else { "are" };
    let mut text = format!("\npartner {partner}: {} {verb} polled\n", plural(number as u64, "customer"));
    for customer in inventory.customers.values().take(SHOWN) {
        let _ = writeln!(text, "  {}  {}", escape(customer.id.as_str()), escape(&customer.name));
    }
    if inventory.customers.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: `discover` prints all", inventory.customers.len() - SHOWN);
    }
    text
}

/// Gets a token, lists the customers and plans their queries; or the failure with the partner's name.
async fn planned(
    settings: &PartnerSettings,
    registration: Registration,
    config: &Config,
    warnings: &mut Warnings,
) -> Result<Cost, String> {
    let clock = Clock::start();
    output::print(&scopes(settings, registration.clone(), config, clock).await?);
    let seen = discover::customers(settings, registration, clock).await?;
    let filter = CustomerFilter::new(&settings.customers);
    let collectors = std::sync::Arc::new(config.collectors.clone());
    let mut inventory = Inventory::new(settings.name.clone(), collectors, true, &settings.customers.list);
    let visible = seen.len();
    for warning in idle_patterns(settings, &seen) {
        warnings.print(&warning);
    }
    for customer in seen.into_iter().filter(|customer| filter.matches(&customer.id, customer.name.as_deref())) {
        inventory.upsert_listed(customer, clock.now());
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
        warnings.print(&format!(
            "partner {}: the service list does not contain these customers of customers.list: {}",
            settings.name,
            never_seen.join(", ")
        ));
    }
    let mut cost = plan::cost(inventory.customers.values().map(|customer| &**customer), &config.collectors);
    // The customers that are not listed are requested once more by id.
    let pages = |by_id| {
        if filter.discovers() { listing_pages(Some(visible), by_id) } else { listing_pages(None, customers) }
    };
    cost.set_list_requests(Collector::Services, pages(never_seen.len()));
    for list in config.collectors.enabled().filter(|&of| of.is_list() && of != Collector::Services) {
        cost.set_list_requests(list, pages(0));
    }
    let per_collector = cost.requests_per_hour(&config.collectors);
    let basis = format!("{} of {visible} that the app registration sees", plural(customers as u64, "customer"));
    Ok(Cost { basis, per_collector, customers })
}

/// A line for each optional collector that is enabled: whether the app registration has its scope.
async fn scopes(
    settings: &PartnerSettings,
    registration: Registration,
    config: &Config,
    clock: Clock,
) -> Result<String, String> {
    let partner = &settings.name;
    let failed = |error: &dyn std::fmt::Display| format!("partner {partner}: {error}");
    let client_config = settings.client_config().map_err(|error| failed(&error))?;
    let client = Client::sharing(&client_config, registration, clock).map_err(|error| failed(&error))?;
    let mut text = String::new();
    for collector in config.collectors.enabled().filter(|collector| collector.is_optional()) {
        let (name, permission) = (collector.as_str(), collector.endpoint().scope.permission());
        let _ = match client.check_scope(collector).await {
            Ok(()) => writeln!(text, "partner {partner}: {name}: {permission} is granted"),
            Err(failure) if failure.not_granted => writeln!(
                text,
                "warning: partner {partner}: {name} will read nothing: the app registration lacks the permission \
                 {permission}: grant it in AvePoint Elements, or disable the collector"
            ),
            Err(failure) => writeln!(text, "warning: partner {partner}: {name}: {failure}"),
        };
    }
    Ok(text)
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
        let parts = |costs: [f64; 3]| shared_budgets(&config.partners.iter().zip(costs).collect::<Vec<_>>());
        let shared = "\npartners a, c share the budget of one app registration: 18000.0 of 18000.0 requests per hour\n";
        assert_eq!(parts([9000.0, 18000.0, 9000.0]), [(shared.to_owned(), None)]);
        let (text, warning) = parts([9000.0, 0.0, 18000.0]).remove(0);
        assert!(
            text.contains("27000.0 of 18000.0") && warning.unwrap().contains("requests_per_second to 7.50 or more")
        );
    }

    #[test]
    fn what_is_not_known_is_not_counted() {
        let yaml = "partners: [{ auth: { client_id: x, client_secret: s } }]";
        let config = Config::parse(yaml, std::path::Path::new("")).unwrap();
        let describe =
            |expected| Cost::typical(&config.partners[0], &config, expected).describe(&config.partners[0], &config);
        let (text, warning) = describe(None);
        assert!(text.contains("(how many customers are discovered is not known)") && warning.is_none(), "{text}");
        assert!(!text.contains("total") && text.contains("sufficient for about 5,"), "{text}");
        let (text, _) = describe(Some(1));
        assert!(text.contains("(1 customer as given") && text.contains("total"), "{text}");
        assert!(describe(Some(100_000)).1.unwrap().contains("too small"));
    }

    #[test]
    fn patterns_that_match_nobody_are_told() {
        let yaml = "partners: [{ auth: { client_id: x, client_secret: s }, customers: { include: ['*', 'Fab*'], exclude: ['*test*'] } }]";
        let config = Config::parse(yaml, std::path::Path::new("")).unwrap();
        let seen = [ListedCustomer { id: "a".into(), name: Some("Contoso Test".into()), subscriptions: None }];
        let idle = idle_patterns(&config.partners[0], &seen);
        assert_eq!(idle, ["partner main: customers.include: \"Fab*\" matches none of 1 customer"]);
    }
}
