//! Opaque identifiers, cheap to clone.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Maximum characters of an id from the API; a longer id is rejected as unreadable. The API uses GUIDs (36 characters).
pub const MAX_ID_CHARS: usize = 256;
/// Maximum characters kept of a text from the API, such as a name.
pub const MAX_TEXT_CHARS: usize = 512;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as the API or the configuration gave it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
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
    PartnerName
);
id!(
    /// `customerId` of the API. It looks like a GUID and is treated as opaque.
    CustomerId
);
id!(
    /// `tenantId` of the API (`tenant_seats`), opaque.
    TenantId
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_keep_their_text(a in "\\PC{0,45}", b in "[ab]{0,3}|[ab]{36,40}|\\PC{0,45}") {
            let (x, y) = (TenantId::from(a.as_str()), TenantId::from(b.as_str()));
            prop_assert_eq!((x.as_str(), y.as_str()), (a.as_str(), b.as_str()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(CustomerId::from(a.clone()).to_string(), a);
        }
    }
}
