//! The configuration: what the YAML says, validated into settings that leave nothing undecided.

mod credential;
mod settings;

pub use credential::{Certificate, CertificateSource, Credential, SecretSource};
pub use settings::{
    BudgetSettings, CollectorSettings, Config, CustomerSettings, ListedSettings, PartnerSettings, Schedule, Selection,
};
