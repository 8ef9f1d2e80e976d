//! From what is known to rows.

use std::collections::HashMap;
use std::io::{self, Write};

use crc32fast::Hasher;
use jiff::Timestamp;
use serde::Serialize;

use super::super::State;
use super::{
    AbsenceRow, AnswerRow, CustomerRow, Head, PartnerRow, QuestionRow, SeatsRow, SubscriptionRow, TargetRow, Time,
};
use crate::domain::{Answer, FailureReason, Quantity, Question, Seats, Subscription, SubscriptionKind};
use crate::inventory::subscription_ids::KnownSubscription;
use crate::inventory::{Absence, Customer, Known, Listing, Past};

/// The body of a state, measured: it is written row by row, since a million series' would be large in memory.
pub(in super::super) struct Body<'a> {
    state: &'a State,
    writer: Writer<'a>,
    head: Vec<u8>,
    pub(in super::super) length: u64,
    pub(in super::super) checksum: Hasher,
}

impl<'a> Body<'a> {
    pub(in super::super) fn of(state: &'a State) -> Self {
        let mut writer = Writer::default();
        let (mut rows, mut of_rows) = (0, Hasher::new());
        let measure = |row: &[u8]| {
            rows += row.len() as u64;
            of_rows.update(row);
            Ok(())
        };
        // Measuring does not fail.
        let _ = writer.rows(state, measure);
        // From now on every text has its place.
        let texts = std::mem::take(&mut writer.texts);
        let head = append(Vec::new(), &Head { saved: time(state.saved), texts, partners: state.partners.len() as u64 });
        let mut checksum = Hasher::new();
        checksum.update(&head);
        checksum.combine(&of_rows);
        Self { state, writer, length: head.len() as u64 + rows, head, checksum }
    }

    pub(in super::super) fn write_to(mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        self.writer.rows(self.state, |row| out.write_all(row))
    }
}

fn append(rows: Vec<u8>, row: &impl Serialize) -> Vec<u8> {
    // Writing to memory does not fail, and a row knows its lengths. A row that was missing would be noticed in reading.
    postcard::to_extend(row, rows).unwrap_or_default()
}

#[derive(Default)]
struct Writer<'a> {
    texts: Vec<&'a str>,
    places: HashMap<&'a str, u32>,
}

impl<'a> Writer<'a> {
    /// Every row after the head.
    fn rows(&mut self, state: &'a State, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut row = Vec::new();
        for known in &state.partners {
            let Past { listing: Listing { polled, completed, failure, .. }, customers } = &known.past;
            let partner = PartnerRow {
                name: known.name.as_str(),
                client_id: &known.client_id,
                polled: polled.map(time),
                completed: completed.map(time),
                failure: failure.map(FailureReason::as_str),
                customers: customers.len() as u64,
            };
            row = append(row, &partner);
            each(&row)?;
            for customer in customers.values() {
                row.clear();
                row = append(row, &self.customer(customer));
                each(&row)?;
            }
            row.clear();
        }
        Ok(())
    }

    fn text(&mut self, text: &'a str) -> u32 {
        *self.places.entry(text).or_insert_with(|| {
            self.texts.push(text);
            // More than a `u32` can count would not fit into memory.
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn customer(&mut self, customer: &'a Customer) -> CustomerRow<'a> {
        let services = customer.services.as_ref().map(|services| {
            let rows = services.subscriptions.iter().map(|known| self.subscription(known)).collect();
            (time(services.seen), rows)
        });
        let targets = customer.targets.iter().map(|(question, known)| target_row(*question, known)).collect();
        let Customer { id, name, named_by_configuration, .. } = customer;
        CustomerRow { id: id.as_str(), name, named_by_configuration: *named_by_configuration, services, targets }
    }

    fn subscription(&mut self, known: &'a KnownSubscription) -> SubscriptionRow {
        let Subscription {
            kind,
            retention,
            seats_purchased,
            units_purchased,
            licenses_assigned,
            licenses_available,
            capacity_purchased,
            capacity_used,
            capacity_protected,
            storage_consumed,
            seats_change,
            expires,
            contract_ends,
        } = &known.subscription;
        let SubscriptionKind { service, model, source, payment_type, storage, name, package } = &**kind;
        let quantities = [
            seats_purchased,
            units_purchased,
            licenses_assigned,
            licenses_available,
            capacity_purchased,
            capacity_used,
            capacity_protected,
            storage_consumed,
        ];
        SubscriptionRow {
            suffix: known.id.suffix().into(),
            kind: [service, model, source, payment_type, storage, name, package].map(|text| self.text(text)),
            retention: self.text(retention),
            quantities: quantities.map(|quantity| quantity.map(Quantity::get)),
            seats_change: *seats_change,
            expires: expires.map(|at| time(at.get())),
            contract_ends: contract_ends.map(|at| time(at.get())),
        }
    }
}

fn target_row(question: Question, known: &Known) -> TargetRow<'_> {
    let Known { polled, answer, failure, absence } = known;
    TargetRow {
        question: match question {
            Question::TenantSeats(tenant_type) => QuestionRow::TenantSeats(tenant_type.number()),
            Question::CustomerSeats(tenant_type) => QuestionRow::CustomerSeats(tenant_type.number()),
            Question::ProductPurchased(product) => QuestionRow::ProductPurchased(product.0),
            Question::ProductAvailable(product) => QuestionRow::ProductAvailable(product.0),
        },
        polled: polled.map(|at| time(at.get())),
        answer: answer.as_ref().map(|(seen, answer)| (time(seen.get()), answer_row(answer))),
        failure: failure.map(FailureReason::as_str),
        absence: match absence {
            Absence::None => AbsenceRow::None,
            Absence::Suspected => AbsenceRow::Suspected,
            Absence::Confirmed => AbsenceRow::Confirmed,
        },
    }
}

fn time(at: Timestamp) -> Time {
    Time(at.as_second(), at.subsec_nanosecond())
}

fn answer_row(answer: &Answer) -> AnswerRow<'_> {
    let seats = |seats: &Seats| SeatsRow(seats.assigned.map(Quantity::get), seats.available.map(Quantity::get));
    match answer {
        Answer::CustomerSeats(answer) => AnswerRow::CustomerSeats(seats(answer)),
        Answer::TenantSeats(tenants) => AnswerRow::TenantSeats(
            tenants.iter().map(|tenant| (tenant.id.as_str(), &*tenant.name, seats(&tenant.seats))).collect(),
        ),
        Answer::ProductPurchased(seats) => AnswerRow::ProductPurchased(seats.map(Quantity::get)),
        Answer::ProductAvailable(seats) => AnswerRow::ProductAvailable(seats.map(Quantity::get)),
    }
}
