//! Decodes the page envelope: `{"data": [...], "metadata": {"pageIndex", "pageSize", "totalCount"}}`.

use super::json::{Json, Row};
use super::reader::FieldReader;
use super::{Decoded, Field, Malformed, Page, number};

/// The accepted forms of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// In the envelope.
    Envelope,
    /// In the envelope, or as a bare list.
    EnvelopeOrList,
}

/// Reads a page's rows with `read`, which returns `None` for a row that it counted and omitted. A row that is not an
/// object is counted under `id`, the id field.
pub(super) fn read<T>(
    json: &Json<'_>,
    shape: Shape,
    id: Field,
    read: impl Fn(&mut FieldReader, Row<'_>) -> Option<T>,
) -> Result<Decoded<Page<T>>, Malformed> {
    let envelope = json.row();
    let list = match (envelope.map(|envelope| envelope.get("data")), json) {
        (Some(Json::List(list)), _) => list,
        (Some(Json::Null), _) => return Err(Malformed::new("expected an object with \"data\", got one without it")),
        (Some(data), _) => return Err(Malformed::new(format!("expected \"data\" to be a list, got {}", data.kind()))),
        (None, Json::List(list)) if shape == Shape::EnvelopeOrList => list,
        (None, _) => return Err(Malformed::new(format!("expected an object with \"data\", got {}", json.kind()))),
    };
    let mut reader = FieldReader::default();
    let mut rows = Vec::with_capacity(list.len());
    for json in list {
        match json.row() {
            Some(row) => rows.extend(read(&mut reader, row)),
            None => reader.record_unreadable(id, json.kind()),
        }
    }
    let metadata = envelope.and_then(|envelope| envelope.get("metadata").row());
    let mut count = |field| reader.read(metadata?, field, number::count).value();
    let (total_count, page_size) = (count(Field::TotalCount), count(Field::PageSize));
    Ok(reader.finish(Page {
        rows,
        received: list.len(),
        total_count,
        page_size: page_size.and_then(|size| size.try_into().ok()).filter(|&size| size > 0),
        has_next_link: [envelope, metadata].into_iter().flatten().any(has_next_link),
    }))
}

fn has_next_link(row: Row<'_>) -> bool {
    ["nextLink", "@odata.nextLink"].iter().any(|name| row.get(name).as_text().is_some_and(|link| !link.is_empty()))
}
