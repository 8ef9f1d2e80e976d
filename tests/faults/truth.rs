//! What was true when, and whether a scrape says only that.
//!
//! What one answer of the API tells is a group of series: the rows of a customer, the tenants of a type, and so on.
//! Every group changes with every version of the world, so that a served group tells which versions it can be from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use avepoint_exporter::simulator::{Motion, Shown, SimCustomer, World};

use crate::support::{Samples, expected, of, value};

/// Series by name, by group.
pub type Groups = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Every version of the world so far.
#[derive(Default)]
pub struct History(Mutex<Vec<Version>>);

struct Version {
    since: Instant,
    groups: Groups,
}

/// What a row allows besides the whole truth.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Fields of an answer may be missing, because the API gives them in no readable form.
    pub gaps: bool,
    /// These groups, by what their names start with, are not judged while the fault lasts.
    pub unjudged: Vec<String>,
    /// These groups, by what their names start with, may be missing altogether.
    pub gone: Vec<String>,
    /// What is too old may be missing.
    pub aged: bool,
}

impl History {
    /// From now on the world is like this. To be called while nobody reads the world.
    pub fn add(&self, world: &World) {
        let groups = grouped(expected::api_series("main", world, 0));
        self.lock().push(Version { since: Instant::now(), groups });
    }

    /// What is true now.
    pub fn now(&self) -> Groups {
        self.lock().last().unwrap().groups.clone()
    }

    /// Since when a group that was there is no longer.
    pub fn left(&self, group: &str) -> Option<Instant> {
        let versions = self.lock();
        let last = versions.iter().rposition(|version| version.groups.contains_key(group))?;
        versions.get(last + 1).map(|version| version.since)
    }

    /// Checks the groups of a scrape that was asked for at `asked` and came just now: each is as it was at one moment
    /// not longer ago than `oldest`; each that was always there in that time is there.
    pub fn check(&self, served: &Groups, asked: Instant, oldest: Duration, allowed: &Allowed) -> Result<(), String> {
        let versions = self.lock();
        let from = asked.checked_sub(oldest);
        let ends = versions.iter().skip(1).map(|next| Some(next.since)).chain([None]);
        let recent: Vec<&Groups> = versions
            .iter()
            .zip(ends)
            .filter(|(_, end)| end.is_none_or(|end| from.is_none_or(|from| end > from)))
            .map(|(version, _)| &version.groups)
            .collect();
        let known: BTreeSet<&String> = recent.iter().flat_map(|groups| groups.keys()).chain(served.keys()).collect();
        for group in known {
            // A customer stays known by its name, however old everything else of it is.
            let ageless = group.starts_with("info");
            let told = served.get(group);
            let fits = |groups: &Groups| match (groups.get(group), told) {
                (Some(truth), Some(told)) if allowed.gaps => {
                    told.iter().all(|(series, values)| truth.get(series).is_some_and(|true_| within(values, true_)))
                }
                (truth, told) => truth == told,
            };
            let unjudged = allowed.unjudged.iter().any(|start| group.starts_with(start));
            let excused = told.is_none()
                && ((allowed.gaps || allowed.aged) && !ageless
                    || allowed.gone.iter().any(|start| group.starts_with(start)));
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether each of the values is one of the true ones, as often as there.
fn within(values: &[f64], truth: &[f64]) -> bool {
    let mut left = truth.to_vec();
    values.iter().all(|value| {
        left.iter().position(|other| other.total_cmp(value).is_eq()).map(|place| left.remove(place)).is_some()
    })
}

/// The groups of a scrape.
pub fn groups_of(samples: &Samples) -> Groups {
    grouped(expected::served(samples, "main"))
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
    ];
    let kind = kinds.iter().find(|(family, _)| series.starts_with(family)).map_or("?", |(_, kind)| kind);
    let what = label("tenant_type").or(label("product_type")).unwrap_or_default();
    format!("{kind} {} {what}", label("customer_id").unwrap())
}

/// Whether everything is read and nothing is wrong any more.
pub fn is_content(samples: &Samples) -> bool {
    let bad = ["\"failing\"", "\"stale\"", "\"pending\""];
    of(samples, "avepoint_collector_targets").all(|(s, count)| count == 0.0 || !bad.iter().any(|bad| s.contains(bad)))
        && value(samples, "avepoint_api_throttled{partner=\"main\"}") == Some(0.0)
}

/// Whether a listing is told of as complete only after a poll that did not fail.
#[derive(Default)]
pub struct Listings {
    /// The times that were told, and the polls that had not failed when the first one was.
    told: BTreeSet<u64>,
    before: f64,
}

impl Listings {
    /// Checks the next scrape; counters that begin anew begin anew here.
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
        // Counters are a little older than values.
        let most = succeeded - self.before + 2.0;
        match self.told.len() as f64 {
            told if told > most => Err(format!("{told} listings were told of as complete, of at most {most}")),
            _ => Ok(()),
        }
    }
}

/// Lets everything move a little: every number that the API has of a customer changes, save those that say "none".
pub fn move_on(world: &mut World) {
    for customer in &mut world.customers {
        move_customer(customer);
    }
}

fn move_customer(customer: &mut SimCustomer) {
    for tenant in &mut customer.tenants {
        tenant.motion = Motion::Still;
        tenant.assigned += 1;
    }
    for seats in customer.purchased.values_mut().chain(customer.available.values_mut()).filter(|seats| **seats > 0) {
        *seats += 1;
    }
    for row in &mut customer.rows {
        // A change does not tell equal rows apart, so each keeps the values of the others.
        row.change = Shown::change(row.change.value.unwrap_or(0) + 1);
    }
    customer.follow();
}
