//! Records the true values over time, and checks that a scrape contains only true values.
//!
//! The values of one response of the API form a group of series: the rows of a customer, the tenants of a type, and so
//! on. Every group changes with every version of the data set, so a served group shows from which versions it can be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use simulator::{Dataset, SeatTrend, SimCustomer, WireValue};

use crate::support::{Samples, expected, of, optional, value};

/// Series by name, by group.
pub type Groups = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Every version of the data set so far.
pub struct History {
    versions: Mutex<Vec<Version>>,
    /// Whether the optional collectors are enabled.
    with_optional: bool,
}

struct Version {
    since: Instant,
    groups: Groups,
}

/// Deviations that a row allows.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Fields of a response may be missing, because the API sends them in no readable form.
    pub gaps: bool,
    /// Groups with these name prefixes are not checked during the fault.
    pub unjudged: Vec<String>,
    /// Groups with these name prefixes may be missing completely.
    pub gone: Vec<String>,
    /// Values that are too old may be missing.
    pub aged: bool,
    /// `gaps` and `aged` are only about groups with these name prefixes; about all if there are none.
    pub only: Vec<String>,
}

impl History {
    pub fn new(with_optional: bool) -> Self {
        Self { versions: Mutex::default(), with_optional }
    }

    /// Records the current data set. Call it while nothing reads the data set.
    pub fn add(&self, world: &Dataset) {
        let mut series = expected::api_series("main", world, 0);
        if self.with_optional {
            series.extend(single_values(optional::series("main", world)));
        }
        let groups = grouped(series);
        self.lock().push(Version { since: Instant::now(), groups });
    }

    /// The current true values.
    pub fn now(&self) -> Groups {
        self.lock().last().unwrap().groups.clone()
    }

    /// Since when a group that existed is gone.
    pub fn left(&self, group: &str) -> Option<Instant> {
        let versions = self.lock();
        let last = versions.iter().rposition(|version| version.groups.contains_key(group))?;
        versions.get(last + 1).map(|version| version.since)
    }

    /// Checks the groups of a scrape that was requested at `asked` and has just arrived: each is from one time not
    /// longer ago than `oldest` (`oldest_others`, if it is not one of `allowed.only`), and each that existed during all of that time is present.
    pub fn check(
        &self,
        served: &Groups,
        asked: Instant,
        [oldest, oldest_others]: [Duration; 2],
        allowed: &Allowed,
    ) -> Result<(), String> {
        let versions = self.lock();
        let within_age = |oldest| -> Vec<&Groups> {
            let from = asked.checked_sub(oldest);
            let ends = versions.iter().skip(1).map(|next| Some(next.since)).chain([None]);
            let recent = versions.iter().zip(ends);
            recent
                .filter(|(_, end)| end.is_none_or(|end| from.is_none_or(|from| end > from)))
                .map(|(version, _)| &version.groups)
                .collect()
        };
        let (recent_affected, recent_others) = (within_age(oldest), within_age(oldest_others));
        let all_recent = recent_affected.iter().chain(&recent_others);
        let known: BTreeSet<&String> = all_recent.flat_map(|groups| groups.keys()).chain(served.keys()).collect();
        for group in known {
            // The customer's name stays, even if its other values are old.
            let ageless = group.starts_with("info");
            let told = served.get(group);
            let is_affected =
                allowed.only.is_empty() || allowed.only.iter().any(|start| group.starts_with(start.as_str()));
            let recent = if is_affected { &recent_affected } else { &recent_others };
            let (gaps, aged) = (allowed.gaps && is_affected, allowed.aged && is_affected);
            let fits = |groups: &Groups| match (groups.get(group), told) {
                (Some(truth), Some(told)) if gaps => {
                    told.iter().all(|(series, values)| truth.get(series).is_some_and(|true_| within(values, true_)))
                }
                (truth, told) => truth == told,
            };
            let unjudged = allowed.unjudged.iter().any(|start| group.starts_with(start));
            let excused = told.is_none()
                && ((gaps || aged) && !ageless || allowed.gone.iter().any(|start| group.starts_with(start)));
            let fits_ever = || ageless && versions.iter().any(|version| fits(&version.groups));
            if !excused && !unjudged && !recent.iter().rev().any(|groups| fits(groups)) && !fits_ever() {
                let newest = recent.last().and_then(|groups| groups.get(group));
                let was = versions.iter().rposition(|version| fits(&version.groups));
                return Err(match (told, newest) {
                    (None, _) => format!("{group} has disappeared; the truth is {newest:?}"),
                    (Some(told), _) => format!(
                        "{group} is {told:?}, which was {}; the truth is {newest:?}",
                        was.map_or("never true".to_owned(), |was| format!(
                            "last true {:?} ago",
                            versions.get(was + 1).unwrap_or(&versions[was]).since.elapsed()
                        ))
                    ),
                });
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether each value is one of the true values, with the same count.
fn within(values: &[f64], truth: &[f64]) -> bool {
    let mut left = truth.to_vec();
    values.iter().all(|value| {
        left.iter().position(|other| other.total_cmp(value).is_eq()).map(|place| left.remove(place)).is_some()
    })
}

/// The groups of a scrape.
pub fn groups_of(samples: &Samples) -> Groups {
    let mut series = expected::served(samples, "main");
    series.extend(single_values(optional::served(samples)));
    grouped(series)
}

fn single_values(samples: Samples) -> impl Iterator<Item = (String, Vec<f64>)> {
    samples.into_iter().map(|(series, value)| (series, vec![value]))
}

fn grouped(series: BTreeMap<String, Vec<f64>>) -> Groups {
    let mut groups = Groups::new();
    for (name, values) in series {
        groups.entry(group(&name)).or_default().insert(name, values);
    }
    groups
}

fn group(series: &str) -> String {
    let label = |name: &str| {
        let (_, rest) = series.split_once(&format!(",{name}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    let kinds = [
        ("avepoint_customer_info", "info"),
        ("avepoint_customer_seats", "seats"),
        ("avepoint_tenant", "tenants"),
        ("avepoint_product_seats_purchased", "purchased"),
        ("avepoint_product_seats_available", "available"),
        ("avepoint_subscription", "services"),
        ("avepoint_customer_job_status", "profile"),
        ("avepoint_customer_management_info", "profile"),
        ("avepoint_backup_job", "jobs"),
        ("avepoint_backup_", "modules"),
    ];
    let kind = kinds.iter().find(|(family, _)| series.starts_with(family)).map_or("?", |(_, kind)| kind);
    let what = label("tenant_type").or(label("product_type")).unwrap_or_default();
    format!("{kind} {} {what}", label("customer_id").unwrap())
}

/// Whether everything is read and no error is left.
pub fn is_content(samples: &Samples) -> bool {
    let bad = ["\"failing\"", "\"stale\"", "\"pending\""];
    of(samples, "avepoint_collector_targets").all(|(s, count)| count == 0.0 || !bad.iter().any(|bad| s.contains(bad)))
        && value(samples, "avepoint_api_throttled{partner=\"main\"}") == Some(0.0)
}

/// Whether a listing is exported as complete only after a successful poll.
#[derive(Default)]
pub struct Listings {
    /// The exported times, and the number of successful polls at the first of each.
    told: BTreeSet<u64>,
    before: f64,
}

impl Listings {
    /// Checks the next scrape; if counters are reset, this is reset too.
    pub fn check(&mut self, samples: &Samples) -> Result<(), String> {
        let of_list = |name: &str| -> f64 {
            let of_list = of(samples, name).filter(|(series, _)| series.contains("collector=\"services\""));
            of_list.map(|(_, count)| count).sum()
        };
        let succeeded = of_list("avepoint_collector_polls_total") - of_list("avepoint_collector_poll_failures_total");
        let last = value(samples, "avepoint_discovery_last_success_timestamp_seconds{partner=\"main\"}");
        let Some(last) = last else { return Ok(()) };
        if self.told.is_empty() || succeeded < self.before {
            (self.told, self.before) = (BTreeSet::new(), succeeded);
        }
        self.told.insert(last.to_bits());
        // Counters are slightly older than values.
        let most = succeeded - self.before + 2.0;
        match self.told.len() as f64 {
            told if told > most => Err(format!("{told} listings were told of as complete, of at most {most}")),
            _ => Ok(()),
        }
    }
}

/// Changes every number that the API has of a customer a little, except those that mean "none".
pub fn move_on(world: &mut Dataset) {
    for customer in &mut world.customers {
        move_customer(customer);
    }
}

fn move_customer(customer: &mut SimCustomer) {
    for tenant in &mut customer.tenants {
        tenant.trend = SeatTrend::Still;
        tenant.assigned += 1;
    }
    for seats in customer.purchased.values_mut().chain(customer.available.values_mut()).filter(|seats| **seats > 0) {
        *seats += 1;
    }
    for row in &mut customer.rows {
        // A change does not distinguish equal rows, so each keeps the values of the others.
        row.change = WireValue::change(row.change.value.unwrap_or(0) + 1);
    }
    for job in &mut customer.jobs {
        job.objects[0] += 1;
    }
    for module in &mut customer.modules {
        module.scanned += 1;
    }
    let number = customer.profile.country.strip_prefix("Country ").and_then(|number| number.parse::<u64>().ok());
    customer.profile.country = format!("Country {}", number.unwrap_or(0) + 1).into();
    customer.sync_license_fields();
}
