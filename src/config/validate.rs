//! Validation: converts the raw YAML to settings. Fills in every default and collects all errors in one pass.
//!
//! A function that finds an error records it and continues with the default, so that later errors are found too. The
//! settings are returned only if there is no error.

mod auth;
mod collectors;
mod customers;
mod ha;
mod scalars;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elements::Budget;
use elements::types::Collector;
use elements::types::PartnerName;
use exporter_toolkit::read_file;
use exporter_toolkit::{ConfigErrors, ConfigPath, Diagnostic, quoted};
use url::Url;

use super::raw::{RawBudget, RawConfig, RawPartner, RawState};
use super::settings::{Config, PartnerSettings, StateLocation, StateSettings};
use super::urls::{self, ENVIRONMENTS, Environment};
use scalars::ParseScalar as _;

/// Returns the settings; relative paths are resolved against `base`.
pub(super) fn validate(mut raw: RawConfig, base: &Path) -> Result<Config, ConfigErrors> {
    let problems = RefCell::default();
    let at = ConfigPath::top(&problems);
    let mut ignored = Vec::new();
    let optional = collectors::enabled_optional(raw.collectors.as_mut());
    let partners = partners(&at.key("partners"), raw.partners.unwrap_or_default(), &optional, base);
    let collectors = collectors::settings(&at.key("collectors"), raw.collectors.unwrap_or_default(), &mut ignored);
    let customer_name_label = at
        .key("metrics")
        .key("customer_name_label")
        .parse_bool(raw.metrics.unwrap_or_default().customer_name_label.as_ref(), false);
    let state = state(&at.key("state"), raw.state.unwrap_or_default(), base);
    let ha = raw.ha.and_then(|raw| ha::settings(&at.key("ha"), raw, base));
    let problems = problems.into_inner();
    if problems.is_empty() {
        Ok(Config { file: None, partners, collectors, customer_name_label, state, ha, ignored })
    } else {
        Err(ConfigErrors::new(problems))
    }
}

fn partners(at: &ConfigPath<'_>, raw: Vec<RawPartner>, optional: &[Collector], base: &Path) -> Vec<PartnerSettings> {
    if raw.is_empty() {
        at.error("there is no partner", "list at least one, with its auth");
    }
    let alone = raw.len() == 1;
    let mut names = Vec::new();
    let mut settings: Vec<(usize, PartnerSettings)> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let at = at.item(index);
        let name = name(&at.key("name"), raw.name.as_deref(), alone);
        if let Some(first) = names.iter().position(|known| *known == name && name.is_some()) {
            at.key("name").error(format!("partners[{first}] has the same name"), "give each partner a name of its own");
        }
        names.push(name.clone());
        let partner = partner(&at, name, raw, optional, base);
        if let Some(partner) = &partner {
            same_budget(&at, partner, &settings);
        }
        settings.extend(partner.map(|partner| (index, partner)));
    }
    settings.into_iter().map(|(_, partner)| partner).collect()
}

/// Partners with one app registration share its budget, so all of them must set the same budget.
fn same_budget(at: &ConfigPath<'_>, partner: &PartnerSettings, before: &[(usize, PartnerSettings)]) {
    let same = before.iter().find(|(_, other)| other.same_registration(partner));
    if let Some((first, _)) = same.filter(|(_, other)| other.budget != partner.budget) {
        let what = format!("partners[{first}] uses the same app registration with another budget");
        at.key("budget").error(what, "write the same budget at both: they share it, it is not added up");
    }
}

fn name(at: &ConfigPath<'_>, raw: Option<&str>, alone: bool) -> Option<PartnerName> {
    const MAX_NAME_CHARS: usize = 100;
    match raw.map(str::trim) {
        None if alone => Some(PartnerName::from("main")),
        None => {
            at.error("the name is missing", "with several partners each needs one");
            None
        }
        Some(name) if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) => {
            at.error(
                format!("{} is not a name", quoted(name)),
                format!("write 1 to {MAX_NAME_CHARS} characters, no control characters"),
            );
            None
        }
        Some(name) => Some(PartnerName::from(name)),
    }
}

/// Returns `None` only if an error was recorded.
fn partner(
    at: &ConfigPath<'_>,
    name: Option<PartnerName>,
    raw: RawPartner,
    optional: &[Collector],
    base: &Path,
) -> Option<PartnerSettings> {
    let environment = environment(&at.key("environment"), raw.environment.as_deref());
    let service_url = |key: &str, raw: Option<String>, default: &str| -> Option<Url> {
        at.key(key).ok_or_report(urls::service_url(raw.as_deref().unwrap_or(default)))
    };
    let api_url = service_url("api_url", raw.api_url, environment.api_url);
    let token_url = service_url("token_url", raw.token_url, environment.token_url);
    let auth = auth::settings(&at.key("auth"), raw.auth, base);
    let budget = budget(&at.key("budget"), &raw.budget.unwrap_or_default());
    let proxy_url = raw.proxy_url.and_then(|url| at.key("proxy_url").ok_or_report(urls::proxy_url(&url)));
    let ca_file = raw.ca_file.and_then(|file| ca_file(&at.key("ca_file"), &file, base));
    let customers = customers::settings(&at.key("customers"), raw.customers.unwrap_or_default(), optional);
    let (client_id, credential) = auth?;
    Some(PartnerSettings {
        name: name?,
        api_url: api_url?,
        token_url: token_url?,
        client_id,
        credential,
        budget,
        proxy_url,
        ca_file,
        customers,
    })
}

fn environment(at: &ConfigPath<'_>, raw: Option<&str>) -> &'static Environment {
    let [default, ..] = &ENVIRONMENTS;
    let Some(name) = raw else { return default };
    ENVIRONMENTS.iter().find(|environment| environment.name == name).unwrap_or_else(|| {
        let known: Vec<_> = ENVIRONMENTS.iter().map(|environment| environment.name).collect();
        at.error(
            format!("there is no environment {}", quoted(name)),
            format!("write one of {}, or set api_url and token_url", known.join(", ")),
        );
        default
    })
}

fn budget(at: &ConfigPath<'_>, raw: &RawBudget) -> Budget {
    Budget {
        requests_per_second: at.key("requests_per_second").parse_rate(raw.requests_per_second.as_ref(), 5.0),
        burst: at.key("burst").parse_u32(raw.burst.as_ref(), 10, 100_000),
        concurrency: at.key("concurrency").parse_u32(raw.concurrency.as_ref(), 4, 1000),
        timeout: at.key("timeout").duration(raw.timeout.as_ref(), Duration::from_secs(30), Duration::from_hours(1)),
    }
}

fn state(at: &ConfigPath<'_>, raw: RawState, base: &Path) -> Option<StateSettings> {
    // A blob is written over the network, and as a whole.
    let seconds = if raw.azure_blob.is_some() { 300 } else { 30 };
    let interval =
        at.key("interval").duration(raw.interval.as_ref(), Duration::from_secs(seconds), Duration::from_hours(1));
    let location = match (raw.file, raw.azure_blob) {
        (Some(file), None) => path(&at.key("file"), &file, base).map(StateLocation::File),
        (None, Some(raw)) => ha::blob(&at.key("azure_blob"), raw, base).map(StateLocation::AzureBlob),
        (Some(_), Some(_)) => {
            at.error("both a file and a blob are named", "write one of file and azure_blob");
            None
        }
        (None, None) => {
            if raw.interval.is_some() {
                at.key("file").error("the file is missing", "write where to keep the state, or remove interval");
            }
            None
        }
    };
    location.map(|location| StateSettings { location, interval })
}

fn path(at: &ConfigPath<'_>, raw: &str, base: &Path) -> Option<PathBuf> {
    if raw.trim().is_empty() {
        at.error("the path is empty", "write the path of a file, or remove the key");
        return None;
    }
    Some(base.join(raw))
}

fn ca_file(at: &ConfigPath<'_>, raw: &str, base: &Path) -> Option<PathBuf> {
    let file = path(at, raw, base)?;
    at.ok_or_report(holds_certificates(&file))?;
    Some(file)
}

fn holds_certificates(file: &Path) -> Result<(), Diagnostic> {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    let pem = read_file(file)?;
    let mut certificates = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificates += 1;
        if !certificate.is_ok_and(|der| X509Certificate::from_der(&der).is_ok()) {
            let what = format!("certificate {certificates} in {} cannot be read", file.display());
            return Err(Diagnostic::new(what, "it must be X.509 in PEM"));
        }
    }
    if certificates == 0 {
        let what = format!("{} contains no certificate", file.display());
        return Err(Diagnostic::new(what, "it must be PEM: `-----BEGIN CERTIFICATE-----`"));
    }
    Ok(())
}
