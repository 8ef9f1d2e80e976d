//! Tenant types, the parameter `type` of `customer_seats` and `tenant_seats`.

use std::borrow::Cow;

/// `type` of `customer_seats` and `tenant_seats`. An unknown number is valid data, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantType {
    /// 0
    Microsoft365,
    /// 1
    Salesforce,
    /// 2
    Google,
    /// 3
    Dynamics365,
    /// A number that is not documented (yet); never one of the numbers above.
    Other(u32),
}

impl TenantType {
    /// The types that have a name.
    pub const NAMED: [Self; 4] = [Self::Microsoft365, Self::Salesforce, Self::Google, Self::Dynamics365];

    /// Converts from the API's number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Microsoft365,
            1 => Self::Salesforce,
            2 => Self::Google,
            3 => Self::Dynamics365,
            n => Self::Other(n),
        }
    }

    /// The API's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Microsoft365 => 0,
            Self::Salesforce => 1,
            Self::Google => 2,
            Self::Dynamics365 => 3,
            Self::Other(n) => n,
        }
    }

    /// Parses the label or the configuration value: a name, or `type_n`.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        let named = Self::NAMED.into_iter().find(|known| known.label() == label);
        named.or_else(|| label.strip_prefix("type_")?.parse().ok().map(Self::from_number))
    }

    /// The label `tenant_type`: a name, or `type_n`.
    #[must_use]
    pub fn label(self) -> Cow<'static, str> {
        match self {
            Self::Microsoft365 => "microsoft365".into(),
            Self::Salesforce => "salesforce".into(),
            Self::Google => "google".into(),
            Self::Dynamics365 => "dynamics365".into(),
            Self::Other(n) => format!("type_{n}").into(),
        }
    }
}
