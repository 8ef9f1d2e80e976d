//! Decodes the list of customers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::json::{self, Json, Row};
use super::reader::{FieldReader, FieldValue};
use super::{Decoded, Field, Malformed, Page, number, page};
use crate::types::{CustomerJobStatus, ListedFacts, ListedRow, MAX_ROWS, ManagementMode, Profile, TenantId};

/// A page of customers. Customers without an id are omitted; email addresses are not read.
pub fn customers(body: &[u8]) -> Result<Decoded<Page<ListedRow>>, Malformed> {
    let text = json::text(body);
    page::read(&json::parse(&text)?, page::Shape::Envelope, Field::Id, customer)
}

fn customer(reader: &mut FieldReader, row: Row<'_>) -> Option<ListedRow> {
    let id = reader.read_id(row, Field::Id, Field::CustomerId.as_str())?;
    let name = reader.text(row, Field::Organization);
    let job_status = match reader.read(row, Field::JobStatus, job_status) {
        FieldValue::NotApplicable => Some(CustomerJobStatus::NotAvailable),
        status => status.value(),
    };
    let mode = reader.read(row, Field::ManagementMode, number::count).value();
    let profile = Profile {
        job_status,
        country: reader.text(row, Field::CountryOrRegion),
        management_mode: mode.map(ManagementMode::from_number),
        tenants: tenants(reader, row),
    };
    let facts = ListedFacts::Profile(Box::new(profile));
    Some(ListedRow { id: id.into(), name: (!name.is_empty()).then_some(name), facts })
}

/// A number, or the text of an older revision.
fn job_status(json: &Json<'_>) -> FieldValue<CustomerJobStatus> {
    match (number::count(json), json) {
        (FieldValue::Value(number), _) => FieldValue::Value(CustomerJobStatus::from_number(number)),
        (_, Json::Text(text)) => FieldValue::Value(CustomerJobStatus::from_text(text)),
        _ => FieldValue::Unreadable,
    }
}

/// The tenants that have an id; the first [`MAX_ROWS`] of the list.
fn tenants(reader: &mut FieldReader, row: Row<'_>) -> Arc<[(TenantId, Arc<str>)]> {
    let list = reader.read(row, Field::Tenants, |json| match json {
        Json::List(list) => Some(list).into(),
        _ => None.into(),
    });
    let mut tenants = BTreeMap::new();
    for row in list.value().into_iter().flatten().take(MAX_ROWS).filter_map(Json::row) {
        let (id, name) = (reader.text(row, Field::TenantId), reader.text_named(row, Field::TenantName, "name"));
        let id = if id.is_empty() { reader.text_named(row, Field::TenantId, "id") } else { id };
        if !id.is_empty() {
            let known = tenants.entry(TenantId::from(&*id)).or_insert_with(Arc::default);
            if !name.is_empty() {
                *known = name;
            }
        }
    }
    tenants.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_everything_but_the_address_of_its_owner() {
        let body = br#"{"data": [
            {"id": "c1", "organization": "Contoso", "ownerEmail": "anna@example.com", "jobStatus": 2,
             "countryOrRegion": "Germany", "managementMode": 1,
             "tenants": [{"id": "t2", "name": "two.example"}, {"id": "t1", "name": "one.example"}, {"id": "t3"}, {"id": "t2"}, 7]},
            {"id": "c2", "organization": "N/A", "jobStatus": "N/A", "managementMode": "2"},
            {"customerId": "c3", "jobStatus": "Multiple issues", "managementMode": 9, "tenants": null},
            {"id": "c4", "jobStatus": true, "managementMode": "many", "tenants": "none"},
            {"organization": "nobody"}], "metadata": {"totalCount": 5}}"#;
        let Decoded { value: page, unreadable } = customers(body).unwrap();
        assert!(!format!("{page:?}").contains("anna"));
        let fields: Vec<_> = unreadable.iter().map(|one| one.field).collect();
        assert_eq!(fields, [Field::JobStatus, Field::ManagementMode, Field::Tenants, Field::Id]);
        let profile = |row: ListedRow| match row.facts {
            ListedFacts::Profile(profile) => (row.id, row.name, *profile),
        };
        let rows: Vec<_> = page.rows.into_iter().map(profile).collect();
        let [first, second, third, fourth] = rows.try_into().unwrap();
        assert_eq!((first.0.as_str(), first.1.as_deref()), ("c1", Some("Contoso")));
        let Profile { job_status, country, management_mode, .. } = &first.2;
        assert_eq!((*job_status, &**country), (Some(CustomerJobStatus::Failed), "Germany"));
        assert_eq!(*management_mode, Some(ManagementMode::Partner));
        assert_eq!(first.2.tenants.len(), 3);
        assert_eq!(first.2.tenant_name(&"t2".into()), "two.example");
        assert_eq!(first.2.tenant_name(&"t3".into()), "");
        assert_eq!((second.1, second.2.job_status), (None, Some(CustomerJobStatus::NotAvailable)));
        assert_eq!(second.2.management_mode, Some(ManagementMode::Unconfigured));
        assert_eq!(third.2.job_status, Some(CustomerJobStatus::MultipleIssues));
        assert_eq!(third.2.management_mode, Some(ManagementMode::Unknown));
        assert_eq!(fourth.2, Profile::default(), "missing, not 0");
    }
}
