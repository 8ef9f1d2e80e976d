//! The configuration: reads the YAML and validates it into complete settings.
//!
//! `yaml` parses the text into `raw`, and `validate` converts that to [`Config`], or to [`ConfigErrors`] with every
//! problem at once. Secrets are read during validation, and can be read again from their sources after a rotation. No
//! message, `Debug` output or [`Config::to_redacted_yaml`] contains a secret.

mod certificate;
mod changes;
mod client;
mod credential;
mod diff;
mod duration;
mod ha;
mod raw;
mod redact;
mod reference;
mod settings;
mod urls;
mod validate;
mod warnings;

use std::path::Path;

use exporter_toolkit::{ConfigErrors, Diagnostic, Location, Problem, read_yaml};

pub use changes::changed_keys;
pub use client::CaFileError;
pub use credential::{CertificateSource, Credential, SecretSource};
pub use duration::{format_duration, parse_duration};
pub use ha::{BlobSettings, EtcdSettings, HaSettings, KubernetesSettings, LeaseSettings};
pub use reference::{Key, keys};
pub use settings::{
    CollectorSettings, Config, CustomerEntry, CustomerSettings, MAX_CUSTOMERS, PartnerSettings, Schedule, Selection,
    StateLocation, StateSettings, folder_of,
};
pub use urls::redacted_url;

impl Config {
    /// Reads and validates a file and the secrets that it names. Relative paths are resolved against the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = text_of(path)
            .map_err(|diagnostic| ConfigErrors::new(vec![Problem { location: Location::File, diagnostic }]));
        let base = path.parent().unwrap_or(Path::new(""));
        let config = text.and_then(|text| Self::parse(&text, base)).map_err(|errors| errors.of_file(path))?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// Validates a text and reads the secrets that it names. Relative paths are resolved against `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigErrors> {
        let raw = read_yaml(text).map_err(|problem| ConfigErrors::new(vec![problem]))?;
        validate::validate(raw, base)
    }
}

fn text_of(path: &Path) -> Result<zeroize::Zeroizing<String>, Diagnostic> {
    if matches!(path.try_exists(), Ok(false)) {
        let remedy = "write one, for which config.yaml in the repository is a commented example, or name another with \
                      --config.file; the command `demo` needs none";
        return Err(Diagnostic::new("there is no such file", remedy));
    }
    credential::text_of_file(path)
}
