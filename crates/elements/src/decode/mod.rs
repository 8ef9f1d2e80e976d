//! Decodes response bodies of the API into domain types.
//!
//! Liberal in form: field names in any case, missing keys, unknown fields, numbers as strings and strings as numbers.
//! Strict in meaning: `N/A`, `-`, an empty string, null and a missing key mean "not applicable" and become `None` or
//! the empty string; unreadable values are omitted and counted in [`Decoded::unreadable`]. Only a value that reads as 0
//! becomes 0. A body that does not match its endpoint is [`Malformed`], so that the known values stay.
//!
//! No error contains an email address or a token.

mod backup;
mod customers;
mod date;
mod duration;
mod field;
mod json;
mod number;
mod page;
mod reader;
mod seats;
mod services;
mod size;
mod token;

#[cfg(test)]
mod tests;

pub use backup::{Keyed, backup_jobs, backup_overview};
pub use customers::customers;
pub use field::Field;
pub use seats::{customer_seats, product_available, product_purchased, tenant_seats};
pub use services::services;
pub use token::{OAUTH_ERRORS, Token, error_message, oauth_error, token};

/// A result, and the values that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<T> {
    /// The result.
    pub value: T,
    /// The values that were omitted.
    pub unreadable: Vec<Unreadable>,
}

/// A value that could not be read, or a row without a usable id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The field; for a row, its id field.
    pub field: Field,
    /// The value, at most 64 characters of it with control characters escaped; `a list`, `an object` and so on for
    /// other types; empty for a missing id.
    pub text: String,
    /// The count: 1, or more if a response has so many unreadable values that they are no longer reported one by one.
    pub count: u64,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows with an id, in the order of the response, including duplicates.
    pub rows: Vec<T>,
    /// The number of rows received, including those that are not in [`Self::rows`].
    pub received: usize,
    /// `metadata.totalCount`
    pub total_count: Option<u64>,
    /// `metadata.pageSize`; `None` if it is 0.
    pub page_size: Option<u32>,
    /// Whether there is a `nextLink`.
    pub has_next_link: bool,
}

/// Reads a page of rows from a body.
pub(super) type DecodePage<T> = fn(&[u8]) -> Result<Decoded<Page<T>>, Malformed>;

/// A body that does not match its endpoint: the expected and the actual content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    message: String,
}

impl Malformed {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// The first characters of a text, with control characters escaped.
fn excerpt(text: &str, length: usize) -> String {
    let mut excerpt = String::new();
    for c in text.chars().take(length) {
        if c.is_control() { excerpt.extend(c.escape_default()) } else { excerpt.push(c) }
    }
    excerpt
}

/// Removes words that may be email addresses. Call it before a text is cut: half an address is still personal data.
pub(super) fn without_addresses(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(|word| if word.contains('@') { "<address>" } else { word }).collect();
    words.join(" ")
}
