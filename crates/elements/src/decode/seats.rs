//! Decodes `tenant_seats`, `customer_seats`, `products_purchased` and `products_available`.

use super::json::{self, Json, Row};
use super::reader::{self, FieldReader, FieldValue};
use super::{Decoded, Field, Malformed, Page, number, page};
use crate::types::{Quantity, Seats, TenantSeats};

/// `customer_seats`: `{type, availableUserSeat, assignedUserSeat}`, with at least one of the two seat fields.
pub fn customer_seats(body: &[u8]) -> Result<Decoded<Seats>, Malformed> {
    const FIELDS: [Field; 2] = [Field::AssignedUserSeat, Field::AvailableUserSeat];
    let text = json::text(body);
    let json = json::parse(&text)?;
    let row = object(&json, FIELDS)?;
    let mut reader = FieldReader::default();
    let [assigned, available] = FIELDS.map(|field| reader.read(row, field, number::quantity));
    if assigned == FieldValue::Absent && available == FieldValue::Absent {
        return Err(neither(FIELDS));
    }
    Ok(reader.finish(Seats { assigned: assigned.value(), available: available.value() }))
}

/// `products_purchased`: `{productType, purchasedUserSeat}`, or the field of `products_available` instead.
pub fn product_purchased(body: &[u8]) -> Result<Decoded<Option<Quantity>>, Malformed> {
    product_seats(body, [Field::PurchasedUserSeat, Field::AvailableUserSeat])
}

/// `products_available`: `{productType, availableUserSeat}`, or the field of `products_purchased` instead.
pub fn product_available(body: &[u8]) -> Result<Decoded<Option<Quantity>>, Malformed> {
    product_seats(body, [Field::AvailableUserSeat, Field::PurchasedUserSeat])
}

/// If both fields are present, the first is used; `None` means "not applicable" or unreadable.
fn product_seats(body: &[u8], fields: [Field; 2]) -> Result<Decoded<Option<Quantity>>, Malformed> {
    let text = json::text(body);
    let json = json::parse(&text)?;
    let row = object(&json, fields)?;
    let mut reader = FieldReader::default();
    for field in fields {
        let reading = reader.read(row, field, number::quantity);
        if reading != FieldValue::Absent {
            return Ok(reader.finish(reading.value()));
        }
    }
    Err(neither(fields))
}

/// `tenant_seats`: a page of `{type, tenantId, tenantName, availableUserSeat, assignedUserSeat}`, or the bare list of `{id,
/// name, ...}` of an older revision. Rows without an id are omitted.
pub fn tenant_seats(body: &[u8]) -> Result<Decoded<Page<TenantSeats>>, Malformed> {
    let text = json::text(body);
    page::read(&json::parse(&text)?, page::Shape::EnvelopeOrList, Field::TenantId, tenant)
}

fn tenant(reader: &mut FieldReader, row: Row<'_>) -> Option<TenantSeats> {
    let id = reader.read_id(row, Field::TenantId, "id")?;
    let name = match reader.read(row, Field::TenantName, reader::text) {
        FieldValue::Absent => reader.read_named(row, Field::TenantName, "name", reader::text),
        current => current,
    };
    Some(TenantSeats {
        id: id.into(),
        name: reader.intern(name.value()),
        seats: Seats {
            assigned: reader.read(row, Field::AssignedUserSeat, number::quantity).value(),
            available: reader.read(row, Field::AvailableUserSeat, number::quantity).value(),
        },
    })
}

fn object<'a>(json: &'a Json<'a>, [a, b]: [Field; 2]) -> Result<Row<'a>, Malformed> {
    json.row().ok_or_else(|| Malformed::new(format!("expected an object with \"{a}\" or \"{b}\", got {}", json.kind())))
}

fn neither([a, b]: [Field; 2]) -> Malformed {
    Malformed::new(format!("expected an object with \"{a}\" or \"{b}\", got one with neither"))
}
