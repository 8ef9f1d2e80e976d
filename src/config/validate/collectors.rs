//! Validates `collectors`: which endpoints are polled, how often, and for which types.

use std::collections::BTreeMap;
use std::time::Duration;

use elements::types::{Collector, ProductType, TenantType};
use exporter_toolkit::{ConfigPath, Diagnostic, quoted};

use super::scalars::ParseScalar as _;
use crate::config::duration::format_duration;
use crate::config::raw::RawSchedule;
use crate::config::raw::{RawCollectors, RawProductCollector, RawSelection, RawTenantCollector, Scalar};
use crate::config::settings::{CollectorSettings, Schedule, Selection};

const DAY: Duration = Duration::from_hours(24);
const MAX_INTERVAL: Duration = DAY.saturating_mul(365);
const MAX_AGE: Duration = MAX_INTERVAL.saturating_mul(10);

/// Returns the settings, which are valid only if no error was recorded. Adds the paths of keys without effect to
/// `ignored`.
pub(super) fn settings(at: &ConfigPath<'_>, mut raw: RawCollectors, ignored: &mut Vec<String>) -> CollectorSettings {
    let optional = optional(at, &mut raw);
    let services = raw.services.unwrap_or_default();
    let services_at = at.key(Collector::Services.as_str());
    let mut note_adaptive = |at: &ConfigPath<'_>, collector: Collector, raw: Option<&Scalar>| {
        at.key("adaptive").parse_bool(raw, false);
        ignored.extend(raw.map(|_| format!("collectors.{}.adaptive", collector.as_str())));
    };
    note_adaptive(&services_at, Collector::Services, services.adaptive.as_ref());
    let services =
        schedule(&services_at, Collector::Services, [&services.enabled, &services.interval, &services.max_age]);
    let mut tenants = |collector: Collector, raw: Option<RawTenantCollector>| {
        let raw = raw.unwrap_or_default();
        let at = at.key(collector.as_str());
        note_adaptive(&at, collector, raw.adaptive.as_ref());
        let schedule = schedule(&at, collector, [&raw.enabled, &raw.interval, &raw.max_age]);
        let types_at = at.key("tenant_types");
        let types = selection(&types_at, raw.tenant_types, Selection::Auto, tenant_type);
        plannable(&types_at, schedule, &types, services);
        (schedule, types)
    };
    let tenant_seats = tenants(Collector::TenantSeats, raw.tenant_seats);
    let customer_seats = tenants(Collector::CustomerSeats, raw.customer_seats);
    let mut products = |collector: Collector, raw: Option<RawProductCollector>, default: Selection<ProductType>| {
        let raw = raw.unwrap_or_default();
        let at = at.key(collector.as_str());
        note_adaptive(&at, collector, raw.adaptive.as_ref());
        let schedule = schedule(&at, collector, [&raw.enabled, &raw.interval, &raw.max_age]);
        let types_at = at.key("product_types");
        let types = selection(&types_at, raw.product_types, default, product_type);
        plannable(&types_at, schedule, &types, services);
        (schedule, types)
    };
    let settings = CollectorSettings {
        services,
        tenant_seats,
        customer_seats,
        products_purchased: products(Collector::ProductsPurchased, raw.products_purchased, Selection::Auto),
        products_available: products(
            Collector::ProductsAvailable,
            raw.products_available,
            Selection::Only(vec![ProductType::CLOUD_BACKUP_M365]),
        ),
        optional,
    };
    if settings.enabled().next().is_none() {
        at.error("no collector is enabled", "enable at least one");
    }
    settings
}

/// The optional collectors that are enabled. A schedule is validated whether its collector is enabled or not.
fn optional(at: &ConfigPath<'_>, raw: &mut RawCollectors) -> BTreeMap<Collector, Schedule> {
    let schedules = raw.optional().filter_map(|(collector, raw)| {
        let raw = raw.take()?;
        let schedule = schedule(&at.key(collector.as_str()), collector, [&raw.enabled, &raw.interval, &raw.max_age]);
        Some((collector, schedule)).filter(|(_, schedule)| schedule.enabled)
    });
    schedules.collect()
}

/// The optional collectors that are enabled, for what is validated before the collectors are.
pub(super) fn enabled_optional(raw: Option<&mut RawCollectors>) -> Vec<Collector> {
    let is_enabled = |written: &Option<RawSchedule>| {
        written.as_ref().and_then(|raw| raw.enabled.as_ref()).is_some_and(|Scalar(word)| word.trim() == "true")
    };
    let optional = raw.into_iter().flat_map(RawCollectors::optional);
    optional.filter(|(_, written)| is_enabled(written)).map(|(collector, _)| collector).collect()
}

/// The schedule from `enabled`, `interval` and `max_age`.
fn schedule(at: &ConfigPath<'_>, collector: Collector, written: [&Option<Scalar>; 3]) -> Schedule {
    let [enabled, interval, max_age] = written.map(Option::as_ref);
    let enabled = at.key("enabled").parse_bool(enabled, !collector.is_optional());
    let interval = at.key("interval").duration(interval, collector.endpoint().interval, MAX_INTERVAL);
    let four_intervals = interval.saturating_mul(4);
    let at = at.key("max_age");
    let max_age = at.duration(max_age, four_intervals, MAX_AGE);
    if max_age < interval {
        at.error(
            format!("{} is below the interval of {}", format_duration(max_age), format_duration(interval)),
            format!("write at least the interval; the default is {}", format_duration(four_intervals)),
        );
    }
    Schedule { enabled, interval, max_age }
}

/// `auto` derives the types from the service list.
fn plannable<T>(at: &ConfigPath<'_>, schedule: Schedule, types: &Selection<T>, services: Schedule) {
    if schedule.enabled && !services.enabled && matches!(types, Selection::Auto) {
        at.error(
            "`auto` follows from the service list, but collectors.services is disabled",
            "enable it, list the types here, or disable this collector",
        );
    }
}

fn selection<T: PartialEq>(
    at: &ConfigPath<'_>,
    raw: Option<RawSelection>,
    default: Selection<T>,
    read: impl Fn(&str) -> Result<T, Diagnostic>,
) -> Selection<T> {
    let list = match raw {
        None => return default,
        Some(RawSelection::Word(Scalar(word))) if word == "auto" => return Selection::Auto,
        Some(RawSelection::Word(Scalar(word))) => {
            let what = format!("{} is neither `auto` nor a list", quoted(&word));
            at.error(what, format!("write `auto` or `[{}]`", word.trim()));
            return default;
        }
        Some(RawSelection::List(list)) => list,
    };
    if list.is_empty() {
        at.error("the list is empty", "list at least one type, write `auto`, or disable the collector");
    }
    let mut types = Vec::new();
    for (index, Scalar(text)) in list.iter().enumerate() {
        let at = at.item(index);
        let Some(one) = at.ok_or_report(read(text.trim())) else { continue };
        if types.contains(&one) {
            at.error(format!("{} stands twice", quoted(text)), "list each type once");
        }
        types.push(one);
    }
    // If the list is empty, an error was recorded; the default still guarantees at least one type.
    if types.is_empty() { default } else { Selection::Only(types) }
}

/// A name or the API's number. An undocumented number is allowed, because it may be new.
fn tenant_type(text: &str) -> Result<TenantType, Diagnostic> {
    let number = || text.parse().ok().map(TenantType::from_number);
    TenantType::from_label(text).or_else(number).ok_or_else(|| {
        let known: Vec<_> = TenantType::NAMED.into_iter().map(TenantType::label).collect();
        let remedy = format!("write one of {}, or the API's number", known.join(", "));
        Diagnostic::new(format!("{} is not a tenant type", quoted(text)), remedy)
    })
}

/// The API's number. An undocumented number is allowed, because it may be new.
fn product_type(text: &str) -> Result<ProductType, Diagnostic> {
    text.parse().ok().filter(|&number| number > 0).map(ProductType).ok_or_else(|| {
        let what = format!("{} is not a product type", quoted(text));
        let remedy = match ProductType::named().find(|known| known.name().eq_ignore_ascii_case(text)) {
            Some(ProductType(number)) => format!("write its number, {number}"),
            None => "write the API's number, such as 2048 for Cloud Backup for Microsoft 365".to_owned(),
        };
        Diagnostic::new(what, remedy)
    })
}
