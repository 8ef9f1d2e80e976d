//! The body: rows of postcard, one after the other, in types of their own.
//!
//! First a [`Head`], then for each partner a [`PartnerRow`] and its customers. The texts of the service lists, which
//! are few and repeat, stand once in the head; rows name them by their place, and come back sharing them. An order of
//! variants or fields here is the format: [`super::VERSION`] changes with it.

mod body;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use body::Body;

use super::{Damage, KnownPartner, State};
use crate::domain::{
    Answer, FailureReason, Moment, ProductType, Quantity, Question, Seats, Subscription, SubscriptionKind, TenantSeats,
    TenantType,
};
use crate::inventory::kinds;
use crate::inventory::subscription_ids::{KnownSubscription, SubscriptionId};
use crate::inventory::{Absence, Customer, Known, Listing, Past, Services};

/// Seconds and nanoseconds since 1970, both of one sign.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Time(i64, i32);

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    saved: Time,
    #[serde(borrow)]
    texts: Vec<&'a str>,
    partners: u64,
}

#[derive(Serialize, Deserialize)]
struct PartnerRow<'a> {
    name: &'a str,
    client_id: &'a str,
    polled: Option<Time>,
    completed: Option<Time>,
    failure: Option<&'a str>,
    customers: u64,
}

#[derive(Serialize, Deserialize)]
struct CustomerRow<'a> {
    id: &'a str,
    name: &'a str,
    named_by_configuration: bool,
    services: Option<(Time, Vec<SubscriptionRow>)>,
    #[serde(borrow)]
    targets: Vec<TargetRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct SubscriptionRow {
    /// The id follows from the kind and this.
    suffix: u32,
    /// Places of texts, in the order of [`SubscriptionKind`].
    kind: [u32; 7],
    retention: u32,
    /// In the order of [`Subscription`].
    quantities: [Option<f64>; 8],
    seats_change: Option<i64>,
    expires: Option<Time>,
    contract_ends: Option<Time>,
}

#[derive(Serialize, Deserialize)]
struct TargetRow<'a> {
    question: QuestionRow,
    polled: Option<Time>,
    #[serde(borrow)]
    answer: Option<(Time, AnswerRow<'a>)>,
    failure: Option<&'a str>,
    absence: AbsenceRow,
}

#[derive(Serialize, Deserialize)]
enum QuestionRow {
    TenantSeats(u32),
    CustomerSeats(u32),
    ProductPurchased(u64),
    ProductAvailable(u64),
}

#[derive(Serialize, Deserialize)]
enum AnswerRow<'a> {
    CustomerSeats(SeatsRow),
    #[serde(borrow)]
    TenantSeats(Vec<(&'a str, &'a str, SeatsRow)>),
    ProductPurchased(Option<f64>),
    ProductAvailable(Option<f64>),
}

#[derive(Serialize, Deserialize)]
struct SeatsRow(Option<f64>, Option<f64>);

#[derive(Serialize, Deserialize)]
enum AbsenceRow {
    None,
    Suspected,
    Confirmed,
}

pub(super) fn decode(body: &[u8]) -> Result<State, Damage> {
    let mut rest = body;
    let Head { saved, texts, partners: count } = take(&mut rest)?;
    let texts = Texts(texts.into_iter().map(Arc::from).collect());
    let (mut partners, mut names) = (Vec::new(), HashSet::new());
    for _ in 0..count {
        let row: PartnerRow<'_> = take(&mut rest)?;
        let mut customers: Vec<Arc<Customer>> = Vec::new();
        for _ in 0..row.customers {
            let customer = texts.customer(take(&mut rest)?)?;
            if customers.last().is_some_and(|last| last.id >= customer.id) {
                return Err(Damage::Invalid("customers out of order"));
            }
            customers.push(Arc::new(customer));
        }
        // A map that is made at once has full nodes.
        let customers: BTreeMap<_, _> = customers.into_iter().map(|customer| (customer.id.clone(), customer)).collect();
        let listing = listing(&row)?;
        let past = Past { listing, customers };
        let known = KnownPartner { name: row.name.into(), client_id: row.client_id.to_owned(), past };
        if !names.insert(known.name.clone()) {
            return Err(Damage::Invalid("a partner twice"));
        }
        partners.push(known);
    }
    if !rest.is_empty() {
        return Err(Damage::Trailing);
    }
    Ok(State { saved: timestamp(saved)?, partners })
}

/// The next row.
fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Result<T, Damage> {
    let (row, after) = postcard::take_from_bytes(rest).map_err(|error| match error {
        postcard::Error::DeserializeUnexpectedEnd => Damage::Invalid("a row that does not end"),
        _ => Damage::Invalid("a row that cannot be read"),
    })?;
    *rest = after;
    Ok(row)
}

/// The texts of the head.
struct Texts(Vec<Arc<str>>);

impl Texts {
    fn get(&self, place: u32) -> Result<Arc<str>, Damage> {
        let text = usize::try_from(place).ok().and_then(|place| self.0.get(place));
        text.cloned().ok_or(Damage::Invalid("a text that is not there"))
    }

    fn customer(&self, row: CustomerRow<'_>) -> Result<Customer, Damage> {
        let mut customer = Customer::discovered(row.id.into());
        customer.name = row.name.into();
        customer.named_by_configuration = row.named_by_configuration;
        if let Some((seen, rows)) = row.services {
            let subscriptions: Vec<_> = rows.iter().map(|row| self.subscription(row)).collect::<Result<_, _>>()?;
            if !subscriptions.is_sorted_by(|a, b| a.id < b.id) {
                return Err(Damage::Invalid("subscriptions out of order"));
            }
            customer.services = Some(Services { seen: timestamp(seen)?, subscriptions: subscriptions.into() });
        }
        // With room for these and no more.
        customer.targets.reserve_exact(row.targets.len());
        for row in row.targets {
            customer.targets.push(target(row)?);
        }
        if !customer.targets.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Damage::Invalid("questions out of order"));
        }
        Ok(customer)
    }

    fn subscription(&self, row: &SubscriptionRow) -> Result<KnownSubscription, Damage> {
        let [service, model, source, payment_type, storage, name, package] = row.kind;
        let kind = SubscriptionKind {
            service: self.get(service)?,
            model: self.get(model)?,
            source: self.get(source)?,
            payment_type: self.get(payment_type)?,
            storage: self.get(storage)?,
            name: self.get(name)?,
            package: self.get(package)?,
        };
        let suffix = u16::try_from(row.suffix).ok().filter(|&suffix| suffix > 0);
        let suffix = suffix.ok_or(Damage::Invalid("a suffix of a subscription's id"))?;
        let [seats, units, assigned, available, purchased, used, protected, consumed] = row.quantities;
        Ok(KnownSubscription {
            id: SubscriptionId::of(&kind, suffix),
            subscription: Subscription {
                kind: kinds::shared(kind.into()),
                retention: self.get(row.retention)?,
                seats_purchased: quantity(seats)?,
                units_purchased: quantity(units)?,
                licenses_assigned: quantity(assigned)?,
                licenses_available: quantity(available)?,
                capacity_purchased: quantity(purchased)?,
                capacity_used: quantity(used)?,
                capacity_protected: quantity(protected)?,
                storage_consumed: quantity(consumed)?,
                seats_change: row.seats_change,
                expires: moment(row.expires)?,
                contract_ends: moment(row.contract_ends)?,
            },
        })
    }
}

fn listing(row: &PartnerRow<'_>) -> Result<Listing, Damage> {
    let listing = Listing {
        polled: times(row.polled)?,
        completed: times(row.completed)?,
        restored: row.completed.is_some(),
        failure: row.failure.map(failure).transpose()?,
        ..Listing::default()
    };
    if listing.polled.is_none() && (listing.completed.is_some() || listing.failure.is_some()) {
        return Err(Damage::Invalid("a listing that came without being asked for"));
    }
    Ok(listing)
}

fn target(row: TargetRow<'_>) -> Result<(Question, Known), Damage> {
    let question = match row.question {
        QuestionRow::TenantSeats(number) => Question::TenantSeats(TenantType::from_number(number)),
        QuestionRow::CustomerSeats(number) => Question::CustomerSeats(TenantType::from_number(number)),
        QuestionRow::ProductPurchased(number) => Question::ProductPurchased(ProductType(number)),
        QuestionRow::ProductAvailable(number) => Question::ProductAvailable(ProductType(number)),
    };
    let answer = row.answer.map(|(seen, row)| Ok((timestamp(seen)?.into(), answer(question, row)?))).transpose()?;
    let absence = match row.absence {
        AbsenceRow::None => Absence::None,
        AbsenceRow::Suspected => Absence::Suspected,
        AbsenceRow::Confirmed => Absence::Confirmed,
    };
    let known = Known { polled: moment(row.polled)?, answer, failure: row.failure.map(failure).transpose()?, absence };
    let contradicts = match known.absence {
        Absence::None => false,
        Absence::Suspected => known.answer.is_none(),
        Absence::Confirmed => known.answer.is_some(),
    };
    let polled = known.answer.is_some() || known.failure.is_some() || known.absence != Absence::None;
    if contradicts || polled && known.polled.is_none() {
        return Err(Damage::Invalid("an answer and an absence that contradict each other"));
    }
    Ok((question, known))
}

fn timestamp(Time(second, nanosecond): Time) -> Result<Timestamp, Damage> {
    Timestamp::new(second, nanosecond).map_err(|_| Damage::Invalid("a time"))
}

fn times(at: Option<Time>) -> Result<Option<Timestamp>, Damage> {
    at.map(timestamp).transpose()
}

fn moment(at: Option<Time>) -> Result<Option<Moment>, Damage> {
    Ok(times(at)?.map(Moment::from))
}

fn quantity(number: Option<f64>) -> Result<Option<Quantity>, Damage> {
    number.map(|number| Quantity::new(number).ok_or(Damage::Invalid("a quantity"))).transpose()
}

fn failure(word: &str) -> Result<FailureReason, Damage> {
    let known = FailureReason::ALL.into_iter().find(|reason| reason.as_str() == word);
    known.ok_or(Damage::Invalid("a reason of a failure"))
}

fn answer(question: Question, row: AnswerRow<'_>) -> Result<Answer, Damage> {
    let seats =
        |SeatsRow(assigned, available)| Ok(Seats { assigned: quantity(assigned)?, available: quantity(available)? });
    match (question, row) {
        (Question::CustomerSeats(_), AnswerRow::CustomerSeats(row)) => Ok(Answer::CustomerSeats(seats(row)?)),
        (Question::TenantSeats(_), AnswerRow::TenantSeats(rows)) => {
            let tenant = |(id, name, row): (&str, &str, _)| {
                Ok(TenantSeats { id: id.into(), name: name.into(), seats: seats(row)? })
            };
            let tenants: Vec<_> = rows.into_iter().map(tenant).collect::<Result<_, _>>()?;
            if !tenants.is_sorted_by(|a, b| a.id < b.id) {
                return Err(Damage::Invalid("tenants out of order"));
            }
            Ok(Answer::TenantSeats(tenants.into()))
        }
        (Question::ProductPurchased(_), AnswerRow::ProductPurchased(seats)) => {
            Ok(Answer::ProductPurchased(quantity(seats)?))
        }
        (Question::ProductAvailable(_), AnswerRow::ProductAvailable(seats)) => {
            Ok(Answer::ProductAvailable(quantity(seats)?))
        }
        _ => Err(Damage::Invalid("an answer to another question")),
    }
}
