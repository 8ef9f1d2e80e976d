//! Every key that the configuration accepts, with its text for `docs/configuration.md`, as `raw` declares it.

use super::raw::RawConfig;

/// A key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written in the file.
    pub name: &'static str,
    /// What it means and which values are allowed: sentences of Markdown.
    pub text: &'static str,
    /// Whether its value is a list.
    pub is_list: bool,
    /// The keys of its value, or of each item of its list; none if that is not a mapping with fixed keys.
    pub keys: &'static [Self],
}

/// The type of a value.
pub(super) trait Value {
    /// Whether it is a list.
    const IS_LIST: bool = false;
    /// The keys of the mapping, or of each item of the list.
    const KEYS: &'static [Key] = &[];
}

/// The keys of the whole file.
#[must_use]
pub const fn keys() -> &'static [Key] {
    RawConfig::KEYS
}
