//! Recordings: anonymised responses of the API in a folder of files that can be shared and replayed.
//!
//! `index.json` names the partners and the exchanges in their order; each exchange is a file of its own. A recording keeps
//! numbers, dates, field names and the shape of every body. It keeps a text only where a field is an enumeration and
//! the text consists of words that AvePoint uses. Ids become pseudonyms of the same form, all other texts placeholders
//! of the same class of length; both are derived with a random key that is never written. Tokens, secrets and cookies
//! are not recorded. Of customers that the filters of the configuration exclude, only the position in a page is kept.
//!
//! [`Recorder`] writes a recording, [`Recording`] reads one.

mod exchange;
mod fields;
mod forms;
mod pseudonyms;
mod read;
mod recorder;
mod rewrite;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use exchange::{Exchange, Outcome};
pub use read::{ReadError, RecordedPartner, RecordedResponse, Recording, Replayed};
pub use recorder::{PartnerToRecord, Recorder, Summary};

/// The response headers that a recording keeps. Their values stay if they are numbers, dates or known media types.
pub const HEADERS: [&str; 12] = [
    "content-type",
    "retry-after",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "deprecation",
    "sunset",
];

/// The version of the files; a reader refuses others.
const FORMAT: u32 = 1;
const INDEX: &str = "index.json";
