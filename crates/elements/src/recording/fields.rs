//! Classifies the fields of the API by name, ignoring case. The class decides which part of the value is kept.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An id: becomes a pseudonym.
    Id,
    /// A name, an organization, an address: always a placeholder.
    Name,
    /// A secret: removed.
    Secret,
    /// One of AvePoint's own values: the words that AvePoint uses stay.
    Enumeration,
    /// An error code or a scope of OAuth: the known ones stay.
    Protocol,
    /// Anything else: numbers and dates stay.
    Other,
}

const IDS: &[&str] =
    &["id", "ids", "guid", "uuid", "customerid", "customerids", "tenantid", "tenantids", "jobid", "planid"];
const NAMES: &[&str] = &["customer", "organization", "domain", "title", "address", "street", "city", "country"];
const PARTS_OF_NAMES: &[&str] = &["name", "email", "owner", "contact", "phone", "principal"];
const PARTS_OF_SECRETS: &[&str] = &["token", "secret", "password", "cookie", "authorization", "credential", "apikey"];
const ENUMERATIONS: &[&str] =
    &["service", "subscriptionmodel", "storage", "retention", "source", "paymenttype", "package"];
const PROTOCOL: &[&str] = &["error", "scope", "token_type", "grant_type"];

/// Further field names of the API, which are never a customer's own word.
const FURTHER_FIELDS: &str = "
    access_token accountid assigneduserseat availableuserseat backupsize change code consumedstorage contractenddate
    countryorregion name owneremail subscriptionname tenantname data datasizestoredinavepoint datasizestoredinbyos description details endtime error_description
    expirationdate expires_in failedcount jobduration jobmodule jobstatus jobtype lastruntime managementmode message
    metadata microsoftlicenseassigned microsoftlicenseavailable nextlink pageindex pagesize products producttype
    protectedcapacity purchasedcapacity purchasedunits purchaseduserseat purchaseduserseats servicemodule
    servicetype skippedcount starttime status successfulcount tenants totalcount totalprotectedobjects
    totalscannedobjects type warningcount
";

/// What the field of this name holds.
pub(super) fn kind(field: &str) -> Kind {
    let lower = field.to_ascii_lowercase();
    let lower = lower.as_str();
    if PROTOCOL.contains(&lower) {
        Kind::Protocol
    } else if PARTS_OF_SECRETS.iter().any(|part| lower.contains(part)) {
        Kind::Secret
    } else if ENUMERATIONS.contains(&lower) {
        Kind::Enumeration
    } else if IDS.contains(&lower) || ends_like_an_id(field) {
        Kind::Id
    } else if NAMES.contains(&lower) || PARTS_OF_NAMES.iter().any(|part| lower.contains(part)) {
        Kind::Name
    } else {
        Kind::Other
    }
}

/// `planId`, `PlanIDs`, `plan_id`; not `paid`.
fn ends_like_an_id(field: &str) -> bool {
    ["Id", "ID", "Ids", "IDs", "_id", "_ids", "Guid", "GUID"].iter().any(|end| field.ends_with(end))
}

/// Whether the documentation of the API has a field of this name.
pub(super) fn is_documented(field: &str) -> bool {
    let lower = field.to_ascii_lowercase();
    let lists = [IDS, NAMES, ENUMERATIONS, PROTOCOL];
    lists.iter().any(|list| list.contains(&lower.as_str()))
        || FURTHER_FIELDS.split_ascii_whitespace().any(|known| known == lower)
}

/// Whether a key looks like the name of a field, and not like data: an identifier without long numbers.
pub(super) fn looks_like_a_field(key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let has_start =
        key.strip_prefix("@odata.").unwrap_or(key).starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = key.strip_prefix("@odata.").unwrap_or(key);
    key.len() <= 48 && has_start && digits <= 4 && rest.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_field_follows_from_its_name() {
        for (field, expected) in [
            ("customerId", Kind::Id),
            ("CustomerId", Kind::Id),
            ("planGUID", Kind::Id),
            ("paid", Kind::Other),
            ("organization", Kind::Name),
            ("customer", Kind::Name),
            ("ownerEmail", Kind::Name),
            ("SubscriptionName", Kind::Name),
            ("access_token", Kind::Secret),
            ("token_type", Kind::Protocol),
            ("Service", Kind::Enumeration),
            ("services", Kind::Other),
            ("purchasedUserSeats", Kind::Other),
        ] {
            assert_eq!(kind(field), expected, "{field}");
        }
    }

    #[test]
    fn keys_that_are_data_do_not_look_like_fields() {
        for key in ["newField", "@odata.nextLink", "x-y_2"] {
            assert!(looks_like_a_field(key), "{key}");
        }
        for key in
            ["", "1a", "anna@example.com", "contoso.com", "a b", "1c10525c-121b-4bbc-80a4-2e641bc13421", "n12345"]
        {
            assert!(!looks_like_a_field(key), "{key}");
        }
    }
}
