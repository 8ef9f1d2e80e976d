//! `once`: polls every target once and prints the result.

mod json;
mod table;

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use prometheus::proto::MetricFamily;

use super::{Failure, output};
use crate::app::{Partner, Partners};
use crate::catalog;
use crate::cli::{Flags, OnceFormat};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Collector;
use crate::exposition::{self, Exposition, Format};
use crate::inventory::{Condition, Inventory};
use crate::terminal::escape_json;

/// Redraw interval of the progress bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);

pub(super) async fn run(flags: &Flags, format: OnceFormat) -> Result<(), Failure> {
    let config = Config::load(&flags.config_file)?;
    let clock = Clock::start();
    let customer_name_label = config.customer_name_label;
    let mut polls = Partners::none(clock, tokio::runtime::Handle::current(), None);
    polls.apply(config, |_| None).await.map_err(Failure::run)?;
    let running = polls.running().borrow().clone();
    let partners = &running.partners;

    let bar = progress_bar();
    loop {
        let (done, all) = partners
            .iter()
            .filter(|partner| !partner.is_refused())
            .map(progress)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        bar.set_length(all);
        bar.set_position(done);
        if done == all {
            break;
        }
        tokio::select! {
            // Checking iterates over all targets, so changes are not checked one by one.
            () = tokio::time::sleep(DRAW_EVERY) => {}
            // Otherwise it would wait forever for targets that were not polled yet.
            error = polls.failed() => return Err(Failure::Run(format!("polling ended abnormally: {error}"))),
        }
    }
    bar.finish_and_clear();
    polls.pause().await;

    let inventories: Vec<Inventory> = partners.iter().map(|partner| partner.inventory.snapshot()).collect();
    output::print(&match format {
        OnceFormat::Prometheus => text(&inventories, partners, customer_name_label, clock, Format::Text),
        OnceFormat::Openmetrics => text(&inventories, partners, customer_name_label, clock, Format::OpenMetrics),
        OnceFormat::Json => escape_json(&json::render(&inventories).map_err(Failure::run)?).into_owned(),
        OnceFormat::Table => table::render(&inventories, clock.now()),
    });
    let mut unread = unread(&inventories, clock);
    for (partner, inventory) in partners.iter().zip(&inventories) {
        let count = left_out(partner);
        if count > 0.0 {
            unread.push(format!("{}: values that cannot be read: {count}, see the log", inventory.partner));
        }
    }
    if unread.is_empty() {
        Ok(())
    } else {
        Err(Failure::Run(format!("not everything was read: {}", unread.join(", "))))
    }
}

fn progress_bar() -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) =
        ProgressStyle::with_template("polling {wide_bar} {pos}/{len} targets, {elapsed} of about {duration}")
    {
        bar.set_style(style);
    }
    bar
}

/// The number of polled targets, and of all targets known so far; the listing may add targets until it ends.
fn progress(partner: &Partner) -> (u64, u64) {
    partner.inventory.read(|inventory| {
        let targets = inventory.customers.values().flat_map(|customer| &customer.targets);
        let (mut done, mut all) = (0, 0);
        for (_, known) in targets {
            all += 1;
            done += u64::from(known.polled.is_some());
        }
        if inventory.listing.wanted {
            all += 1;
            done += u64::from(inventory.listing.polled.is_some());
        }
        (done, all)
    })
}

fn text(
    inventories: &[Inventory],
    partners: &[Partner],
    customer_name_label: bool,
    clock: Clock,
    format: Format,
) -> String {
    let own = exposition::merge(partners.iter().flat_map(Partner::gather).collect());
    let exposition = Exposition::render(inventories, customer_name_label, clock.now());
    let scrape = exposition.scrape(format, false, &own);
    scrape.chunks.iter().map(|chunk| String::from_utf8_lossy(chunk)).collect()
}

/// The number of values that could not be read; the log shows each of them.
fn left_out(partner: &Partner) -> f64 {
    let families: Vec<_> = partner.gather().into_iter().flatten().collect();
    let of_values = families.iter().filter(|family| family.name() == catalog::UNREADABLE_VALUES.name);
    of_values.flat_map(MetricFamily::get_metric).map(|metric| metric.get_counter().get_value()).sum()
}

/// The targets that are neither read nor known to be absent: one phrase per collector, and one per customer of the
/// configuration that is not in the service list.
fn unread(inventories: &[Inventory], clock: Clock) -> Vec<String> {
    let mut phrases = Vec::new();
    for inventory in inventories {
        let listed = inventory.customers.values().filter(|_| inventory.listing.completed.is_some());
        phrases.extend(listed.filter(|customer| customer.services.is_none()).map(|customer| {
            format!("{}: the service list does not contain customer {}", inventory.partner, customer.id)
        }));
        for collector in Collector::ALL {
            for (condition, count) in inventory.targets(collector, clock.now()) {
                if count > 0 && !matches!(condition, Condition::Fresh | Condition::Absent) {
                    phrases.push(format!(
                        "{} {}: {count} {}",
                        inventory.partner,
                        collector.as_str(),
                        condition.as_str()
                    ));
                }
            }
        }
    }
    phrases
}
