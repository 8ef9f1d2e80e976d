//! The bodies of the API's answers, decoded into domain types.
//!
//! Liberal in form: field names in any letter case, absent keys, unknown fields, numbers as texts and texts as numbers.
//! Strict in meaning: `N/A`, `-`, an empty text, null and an absent key are "not applicable" and become `None` or the
//! empty text; what cannot be read is left out and accounted for in [`Decoded::unreadable`]. Nothing becomes 0 that does
//! not read as 0. A body that is not what its endpoint answers is [`Malformed`], so that what was known stays.
//!
//! Email addresses and tokens appear in no error.

mod date;
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

pub use field::Field;
pub use seats::{customer_seats, product_available, product_purchased, tenant_seats};
pub use services::services;
pub use token::{OAUTH_ERRORS, Token, error_message, oauth_error, token};

/// An answer, and what of it could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded<T> {
    /// The answer.
    pub value: T,
    /// What was left out.
    pub unreadable: Vec<Unreadable>,
}

/// A value that could not be read, or a row that could not be identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it stood; for a row, the field that identifies it.
    pub field: Field,
    /// What stood there, at most 64 characters of it, control characters escaped; `a list`, `an object` and the like
    /// for what is no text or number; empty for an id that is missing.
    pub text: String,
    /// How often: 1, unless so much of an answer cannot be read that it is no longer told one by one.
    pub count: u64,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows that could be identified, in the order of the answer, duplicates included.
    pub rows: Vec<T>,
    /// How many rows came, with those that are not in [`Self::rows`].
    pub received: usize,
    /// `metadata.totalCount`
    pub total_count: Option<u64>,
    /// `metadata.pageSize`; 0 is left out.
    pub page_size: Option<u32>,
    /// Whether there is a `nextLink`.
    pub has_next_link: bool,
}

/// A body that is not what the endpoint answers: what was expected and what came.
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

/// The first characters of a text, control characters escaped.
fn excerpt(text: &str, length: usize) -> String {
    let mut excerpt = String::new();
    for c in text.chars().take(length) {
        if c.is_control() { excerpt.extend(c.escape_default()) } else { excerpt.push(c) }
    }
    excerpt
}

/// The text without the words that may be email addresses. To be called before a text is cut: half an address is one.
pub(super) fn without_addresses(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(|word| if word.contains('@') { "<address>" } else { word }).collect();
    words.join(" ")
}
