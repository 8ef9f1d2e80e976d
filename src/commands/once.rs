//! `once`: polls every target once and prints the result.

mod record;
mod select;
mod table;

use std::io::IsTerminal;
use std::time::Duration;

use elements::clock::Clock;
use elements::types::Collector;
use exposition::Format;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use prometheus::proto::MetricFamily;
use tokio::time::Instant;
use tracing::info;

use super::{CommandError, output};
use crate::app::{Partner, Partners, Shutdown};
use crate::catalog;
use crate::cli::OnceArgs;
use crate::cli::OnceFormat;
use crate::config::Config;
use crate::inventory::{Inventory, TargetStatus};
use crate::metrics;
use crate::terminal::escape_json;
use crate::web::query::CustomerQuery;
use crate::web::readiness::ReadyLatch;
use crate::web::snapshot::PageSnapshot;
use crate::web::{api, csv};

/// Redraw interval of the progress bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Without a terminal, progress is a log line.
const LOG_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &OnceArgs, shutdown: Shutdown) -> Result<(), CommandError> {
    let mut config = Config::load(&args.config.config_file)?;
    super::select_partners(&mut config, &args.partner)?;
    select::customers(&mut config, &args.customer);
    let recorder = args.record.as_deref().map(|folder| record::start(folder, &config)).transpose()?;
    let format = args.format.unwrap_or_else(default_format);
    let clock = Clock::start();
    let customer_name_label = config.customer_name_label;
    let mut polls = Partners::none(clock, tokio::runtime::Handle::current(), None).with_recorder(recorder.clone());
    polls.apply(config, |_| None).await.map_err(CommandError::run)?;
    let running = polls.running().borrow().clone();
    let partners = &running.partners;

    let waited = wait(&mut polls, partners, shutdown).await;
    if waited.is_ok() {
        polls.pause().await;
    }
    if let Some((recorder, folder)) = recorder.as_ref().zip(args.record.as_deref()) {
        record::finish(recorder, folder, waited.is_ok())?;
    }
    waited?;

    let inventories: Vec<Inventory> = partners.iter().map(Partner::snapshot).collect();
    output::print(&match format {
        OnceFormat::Prometheus => text(&inventories, partners, customer_name_label, clock, Format::Text),
        OnceFormat::Openmetrics => text(&inventories, partners, customer_name_label, clock, Format::OpenMetrics),
        OnceFormat::Json => {
            let series = metrics::render(&inventories, customer_name_label, clock.wall_now()).series();
            let document = api::document(&snapshot(inventories.clone(), series, clock)).map_err(CommandError::run)?;
            escape_json(&document).into_owned()
        }
        OnceFormat::Csv => csv::render(&snapshot(inventories.clone(), 0, clock), &CustomerQuery::default()),
        OnceFormat::Table => table::render(&inventories, clock.wall_now()),
    });
    let mut unread = unread(&inventories, clock);
    for (partner, inventory) in partners.iter().zip(&inventories) {
        let count = left_out(partner);
        if count > 0.0 {
            unread.push(format!("{}: values that cannot be read: {count}, see the log", inventory.partner));
        }
    }
    let nobody = inventories.iter().all(|inventory| inventory.customers.is_empty());
    if nobody && !args.customer.is_empty() && unread.is_empty() {
        return Err(CommandError::Run(format!("no customer matches --customer={}", args.customer.join(" or "))));
    }
    if unread.is_empty() {
        Ok(())
    } else {
        Err(CommandError::Run(format!("not everything was read: {}", unread.join(", "))))
    }
}

fn default_format() -> OnceFormat {
    if std::io::stdout().is_terminal() { OnceFormat::Table } else { OnceFormat::Prometheus }
}

fn snapshot(inventories: Vec<Inventory>, series: u64, clock: Clock) -> PageSnapshot {
    PageSnapshot::new(inventories, series, &ReadyLatch::default(), false, clock.wall_now())
}

/// Waits until every target has been polled, and shows the progress.
async fn wait(polls: &mut Partners, partners: &[Partner], shutdown: Shutdown) -> Result<(), CommandError> {
    let mut signalled = std::pin::pin!(shutdown.signalled());
    let bar = progress_bar();
    let mut logged = Instant::now();
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
        if bar.is_hidden() && logged.elapsed() >= LOG_EVERY {
            logged = Instant::now();
            info!(polled = done, targets = all, "polling");
        }
        tokio::select! {
            // Checking iterates over all targets, so changes are not checked one by one.
            () = tokio::time::sleep(DRAW_EVERY) => {}
            signal = &mut signalled => return Err(CommandError::Interrupted(signal)),
            // Otherwise it would wait forever for targets that were not polled yet.
            error = polls.first_panic() => return Err(CommandError::Run(format!("polling ended abnormally: {error}"))),
        }
    }
    bar.finish_and_clear();
    Ok(())
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
        for (query, known) in targets {
            all += 1;
            done += u64::from(known.polled.is_some() || inventory.not_granted.contains(&query.collector()));
        }
        for (collector, list) in inventory.lists() {
            all += 1;
            done += u64::from(list.polled.is_some() || inventory.not_granted.contains(&collector));
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
    let own = metrics::merge(partners.iter().flat_map(Partner::gather).collect());
    let exposition = metrics::render(inventories, customer_name_label, clock.wall_now());
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
        phrases.extend(listed.filter(|customer| customer.services.is_none() && !customer.is_unlisted()).map(
            |customer| format!("{}: the service list does not contain customer {}", inventory.partner, customer.id),
        ));
        for collector in Collector::ALL {
            for (status, count) in inventory.targets(collector, clock.wall_now()).iter() {
                if count > 0 && !matches!(status, TargetStatus::Fresh | TargetStatus::Absent) {
                    phrases.push(format!("{} {}: {count} {}", inventory.partner, collector.as_str(), status.as_str()));
                }
            }
        }
    }
    phrases
}
