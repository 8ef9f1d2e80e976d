//! Opaque identifiers that are cheap to store.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Maximum characters of an id from the API; a longer id is rejected as unreadable. The API uses GUIDs (36 characters).
pub const MAX_ID_CHARS: usize = 256;
/// Maximum characters kept of a text from the API, such as a name.
pub const MAX_TEXT_CHARS: usize = 512;

/// The length of a GUID in braces.
const SHORT: usize = 38;

/// A string that is stored inline, without allocation, if it is as short as an identifier.
#[derive(Clone)]
enum Text {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

impl Text {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(text) => text.as_bytes(),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            // Always valid UTF-8: it was built from a string.
            Self::Short(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(length, bytes)
            }
            _ => Self::Long(text.into()),
        }
    }
}

// UTF-8 bytes sort in the same order as the strings.

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($text:ty)) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($text);

        impl $name {
            /// The identifier as the API or the configuration gave it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Text::from(text).into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

id!(
    /// The name of an app registration in the configuration: `partners[].name`, the label `partner`.
    PartnerName(Arc<Text>)
);
id!(
    /// `customerId` of the API. It looks like a GUID and is treated as opaque. Shared by pointer, because many values
    /// refer to one customer.
    CustomerId(Arc<Text>)
);
id!(
    /// `tenantId` of the API (endpoint 3), opaque. Stored inline, because only one value refers to a tenant.
    TenantId(Text)
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_small() {
        assert_eq!((size_of::<CustomerId>(), size_of::<Option<CustomerId>>()), (8, 8));
        assert_eq!((size_of::<TenantId>(), size_of::<Option<TenantId>>()), (40, 40));
    }

    proptest! {
        #[test]
        fn they_are_the_texts_that_they_were_made_of(a in "\\PC{0,45}", b in "[ab]{0,3}|[ab]{36,40}|\\PC{0,45}") {
            let (x, y) = (TenantId::from(a.as_str()), TenantId::from(b.as_str()));
            prop_assert_eq!((x.as_str(), y.as_str()), (a.as_str(), b.as_str()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(CustomerId::from(a.clone()).to_string(), a);
        }
    }
}
