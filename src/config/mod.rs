//! The configuration: reads the YAML and validates it into complete settings.
//!
//! `yaml` parses the text into `raw`, and `validate` converts that to [`Config`], or to [`ConfigErrors`] with every
//! problem at once. Secrets are read during validation, and can be read again from their sources after a rotation. No
//! message, `Debug` output or [`Config::to_redacted_yaml`] contains a secret.

mod certificate;
mod credential;
mod duration;
mod file;
mod ha;
mod permissions;
mod problem;
mod raw;
mod redact;
mod same;
mod settings;
mod urls;
mod validate;
mod warnings;
mod yaml;

use std::path::Path;

pub use credential::{Certificate, CertificateSource, Credential, SecretSource};
pub use duration::{format_duration, parse_duration};
pub use file::{open_regular_file, read_file};
pub use ha::{BlobSettings, EtcdSettings, HaSettings, KubernetesSettings, LeaseSettings};
pub use permissions::open_to_others;
pub use problem::{ConfigErrors, Mistake, Place, Problem};
pub use settings::{
    BudgetSettings, CollectorSettings, Config, CustomerSettings, ListedSettings, MAX_CUSTOMERS, PartnerSettings,
    Schedule, Selection, StateLocation, StateSettings, folder_of,
};
pub use urls::redacted_url;

// Used by the web configuration, which is a similar file.
pub(crate) use problem::{At, quoted};
pub(crate) use raw::RawLabels as Pairs;
pub(crate) use yaml::read as read_yaml;

impl Config {
    /// Reads and validates a file and the secrets that it names. Relative paths are resolved against the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = text_of(path).map_err(|mistake| ConfigErrors::new(vec![Problem { place: Place::File, mistake }]));
        let base = path.parent().unwrap_or(Path::new(""));
        let config = text.and_then(|text| Self::parse(&text, base)).map_err(|errors| errors.of_file(path))?;
        Ok(Self { file: Some(path.to_owned()), ..config })
    }

    /// Validates a text and reads the secrets that it names. Relative paths are resolved against `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigErrors> {
        let raw = yaml::read(text).map_err(|problem| ConfigErrors::new(vec![problem]))?;
        validate::validate(raw, base)
    }
}

fn text_of(path: &Path) -> Result<zeroize::Zeroizing<String>, Mistake> {
    if matches!(path.try_exists(), Ok(false)) {
        let remedy = "write one, for which config.yaml in the repository is a commented example, or name another with \
                      --config.file; the command `demo` needs none";
        return Err(Mistake::new("there is no such file", remedy));
    }
    credential::text_of_file(path)
}
