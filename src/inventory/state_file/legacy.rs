//! Decoder for format 1, which version 0.1 wrote. It exists so that an upgrade loses nothing. Delete it, together with
//! the dependency `postcard`, in the minor version after the next.
//!
//! ```text
//! "avepoint_exporter state\n", u32 version, u64 length of the body, u32 CRC-32 of all before it and of the body
//! body: rows of postcard, whose fields have no names: a head, then each partner and its customers
//! ```
//!
//! Numbers before the body are little-endian. The rows are converted to those of [`super::rows`] and validated in the
//! same way.

use std::borrow::Cow;
use std::io::{self, Read};

use crc32fast::Hasher;
use elements::types::{Quantity, Seats, TenantSeats};
use jiff::Timestamp;
use serde::Deserialize;

use super::decode::Decoder;
use super::rows::{CustomerRow, PartnerRow, Row, ServicesRow};
use super::subscription::SubscriptionRow;
use super::target::TargetRow;
use super::{DecodeError, State};

pub(super) const MAGIC: &[u8; 24] = b"avepoint_exporter state\n";
const VERSION: u32 = 1;
const HEAD: usize = MAGIC.len() + 4 + 8 + 4;
/// In bytes: several times the size of a state with a million series.
const MAX_BODY: u64 = 512 << 20;

type Time = (i64, i32);
/// Assigned and available.
type OldSeats = (Option<f64>, Option<f64>);

#[derive(Deserialize)]
struct OldHead<'a> {
    saved: Time,
    #[serde(borrow)]
    texts: Vec<&'a str>,
    partners: u64,
}

#[derive(Deserialize)]
struct OldPartner<'a> {
    name: &'a str,
    client_id: &'a str,
    polled: Option<Time>,
    completed: Option<Time>,
    failure: Option<&'a str>,
    customers: u64,
}

#[derive(Deserialize)]
struct OldCustomer<'a> {
    id: &'a str,
    name: &'a str,
    named_by_configuration: bool,
    services: Option<(Time, Vec<OldSubscription>)>,
    #[serde(borrow)]
    targets: Vec<OldTarget<'a>>,
}

#[derive(Deserialize)]
struct OldSubscription {
    number: u32,
    /// Indexes into the string table of the head.
    key: [u32; 7],
    retention: u32,
    quantities: [Option<f64>; 8],
    seats_change: Option<i64>,
    expires: Option<Time>,
    contract_ends: Option<Time>,
}

#[derive(Deserialize)]
struct OldTarget<'a> {
    query: OldQuestion,
    polled: Option<Time>,
    #[serde(borrow)]
    observation: Option<(Time, OldAnswer<'a>)>,
    failure: Option<&'a str>,
    absence: OldAbsence,
}

#[derive(Deserialize)]
enum OldQuestion {
    TenantSeats(u32),
    CustomerSeats(u32),
    ProductPurchased(u64),
    ProductAvailable(u64),
}

#[derive(Deserialize)]
enum OldAnswer<'a> {
    CustomerSeats(OldSeats),
    #[serde(borrow)]
    TenantSeats(Vec<(&'a str, &'a str, OldSeats)>),
    ProductPurchased(Option<f64>),
    ProductAvailable(Option<f64>),
}

#[derive(Deserialize)]
enum OldAbsence {
    None,
    Suspected,
    Confirmed,
}

/// Reads a file from its start; `length` is in bytes. The head is validated before the body is read.
pub(super) fn read(file: &mut impl Read, length: u64) -> io::Result<Result<State, DecodeError>> {
    let mut head = [0; HEAD];
    if length < HEAD as u64 {
        return Ok(Err(DecodeError::Truncated));
    }
    file.read_exact(&mut head)?;
    let body_length = match check_head(&head, length) {
        Ok(length) => length,
        Err(error) => return Ok(Err(error)),
    };
    let mut body = vec![0; body_length];
    file.read_exact(&mut body)?;
    let (checked, expected) = head.split_at(HEAD - 4);
    let mut checksum = Hasher::new();
    checksum.update(checked);
    checksum.update(&body);
    if checksum.finalize().to_le_bytes() != *expected {
        return Ok(Err(DecodeError::Checksum));
    }
    Ok(decode(&body))
}

/// The length of the body, in bytes.
fn check_head(head: &[u8; HEAD], length: u64) -> Result<usize, DecodeError> {
    let truncated = DecodeError::Truncated;
    let rest = head.strip_prefix(MAGIC).ok_or(DecodeError::BadMagic)?;
    let Some((version, rest)) = rest.split_first_chunk() else { return Err(truncated) };
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    let Some((body, _)) = rest.split_first_chunk() else { return Err(truncated) };
    let body = u64::from_le_bytes(*body);
    match body.cmp(&(length - HEAD as u64)) {
        std::cmp::Ordering::Greater => Err(truncated),
        std::cmp::Ordering::Less => Err(DecodeError::TrailingBytes),
        std::cmp::Ordering::Equal if body > MAX_BODY => Err(DecodeError::Invalid("it is too large")),
        std::cmp::Ordering::Equal => usize::try_from(body).map_err(|_| DecodeError::Invalid("it is too large")),
    }
}

fn decode(body: &[u8]) -> Result<State, DecodeError> {
    let mut rest = body;
    let OldHead { saved, texts, partners: count } = take(&mut rest)?;
    let mut decoder = Decoder::default();
    for _ in 0..count {
        let row: OldPartner<'_> = take(&mut rest)?;
        let partner = PartnerRow {
            name: row.name.into(),
            client_id: row.client_id.into(),
            polled: times(row.polled)?,
            completed: times(row.completed)?,
            failure: row.failure.map(Cow::from),
            lists: [].into(),
        };
        decoder.take(Row { partner: Some(partner), customer: None })?;
        for _ in 0..row.customers {
            let customer = customer(take(&mut rest)?, &texts)?;
            decoder.take(Row { partner: None, customer: Some(customer) })?;
        }
    }
    if !rest.is_empty() {
        return Err(DecodeError::TrailingBytes);
    }
    Ok(State { saved: time(saved)?, partners: decoder.finish(), ..State::default() })
}

/// Reads the next row.
fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Result<T, DecodeError> {
    let (row, after) =
        postcard::take_from_bytes(rest).map_err(|_| DecodeError::Invalid("a row that cannot be read"))?;
    *rest = after;
    Ok(row)
}

fn customer<'a>(row: OldCustomer<'a>, texts: &[&'a str]) -> Result<CustomerRow<'a>, DecodeError> {
    let services = row.services.map(|(seen, rows)| {
        let subscriptions = rows.iter().map(|row| subscription(row, texts)).collect::<Result<_, _>>()?;
        Ok(ServicesRow { seen: time(seen)?, subscriptions })
    });
    Ok(CustomerRow {
        id: row.id.into(),
        name: row.name.into(),
        named_by_configuration: row.named_by_configuration,
        services: services.transpose()?,
        rows: Vec::new(),
        targets: row.targets.into_iter().map(target).collect::<Result<_, _>>()?,
    })
}

#[expect(clippy::needless_update, reason = "fields that this format did not have are empty")]
fn subscription<'a>(row: &OldSubscription, texts: &[&'a str]) -> Result<SubscriptionRow<'a>, DecodeError> {
    let text = |index: u32| {
        let text = usize::try_from(index).ok().and_then(|index| texts.get(index));
        text.map(|text| Cow::from(*text)).ok_or(DecodeError::Invalid("a text that is not there"))
    };
    let [service, model, source, payment_type, storage, name, package] = row.key;
    let [seats, units, assigned, available, purchased, used, protected, consumed] = row.quantities;
    Ok(SubscriptionRow {
        number: row.number,
        service: text(service)?,
        model: text(model)?,
        source: text(source)?,
        payment_type: text(payment_type)?,
        storage: text(storage)?,
        name: text(name)?,
        package: text(package)?,
        retention: text(row.retention)?,
        seats_purchased: amount(seats)?,
        units_purchased: amount(units)?,
        licenses_assigned: amount(assigned)?,
        licenses_available: amount(available)?,
        capacity_purchased: amount(purchased)?,
        capacity_used: amount(used)?,
        capacity_protected: amount(protected)?,
        storage_consumed: amount(consumed)?,
        seats_change: row.seats_change,
        expires: times(row.expires)?.map(Into::into),
        contract_ends: times(row.contract_ends)?.map(Into::into),
        ..SubscriptionRow::default()
    })
}

fn target(row: OldTarget<'_>) -> Result<TargetRow<'_>, DecodeError> {
    let (collector, number) = match row.query {
        OldQuestion::TenantSeats(number) => ("tenant_seats", number.into()),
        OldQuestion::CustomerSeats(number) => ("customer_seats", number.into()),
        OldQuestion::ProductPurchased(number) => ("products_purchased", number),
        OldQuestion::ProductAvailable(number) => ("products_available", number),
    };
    let absence = match row.absence {
        OldAbsence::None => None,
        OldAbsence::Suspected => Some("suspected".into()),
        OldAbsence::Confirmed => Some("confirmed".into()),
    };
    let mut target = TargetRow {
        collector: collector.into(),
        number,
        polled: times(row.polled)?,
        failure: row.failure.map(Cow::from),
        absence,
        ..TargetRow::default()
    };
    let Some((seen, observation)) = row.observation else { return Ok(target) };
    target.seen = Some(time(seen)?);
    match observation {
        OldAnswer::CustomerSeats(row) => target.seats = Some(seats(row)?),
        OldAnswer::TenantSeats(rows) => {
            target.tenants = Some(rows.into_iter().map(tenant).collect::<Result<_, _>>()?);
        }
        OldAnswer::ProductPurchased(quantity) | OldAnswer::ProductAvailable(quantity) => {
            target.quantity = amount(quantity)?;
        }
    }
    Ok(target)
}

fn tenant((id, name, row): (&str, &str, OldSeats)) -> Result<TenantSeats, DecodeError> {
    Ok(TenantSeats { id: id.into(), name: name.into(), seats: seats(row)? })
}

fn time((second, nanosecond): Time) -> Result<Timestamp, DecodeError> {
    Timestamp::new(second, nanosecond).map_err(|_| DecodeError::Invalid("a time"))
}

fn times(at: Option<Time>) -> Result<Option<Timestamp>, DecodeError> {
    at.map(time).transpose()
}

fn amount(number: Option<f64>) -> Result<Option<Quantity>, DecodeError> {
    number.map(|number| Quantity::new(number).ok_or(DecodeError::Invalid("a quantity"))).transpose()
}

fn seats((assigned, available): OldSeats) -> Result<Seats, DecodeError> {
    Ok(Seats { assigned: amount(assigned)?, available: amount(available)? })
}
