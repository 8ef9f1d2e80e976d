//! The running configuration as YAML, for `/config`: with all defaults and without secrets.

use elements::types::{ProductType, TenantType};
use exporter_toolkit::Pairs;
use secrecy::ExposeSecret as _;

use super::credential::{CertificateSource, Credential, SecretSource};
use super::duration::format_duration;
use super::ha::{BlobSettings, EtcdSettings, HaSettings, KubernetesSettings, LeaseSettings};
use super::raw::{
    RawAuth, RawAzureBlob, RawBudget, RawCertificate, RawCollectors, RawConfig, RawCustomers, RawEtcd, RawHa,
    RawKubernetes, RawLease, RawListed, RawMetrics, RawPartner, RawProductCollector, RawSchedule, RawSelection,
    RawServices, RawState, RawTenantCollector, Scalar,
};
use super::settings::{
    CollectorSettings, Config, CustomerSettings, PartnerSettings, Schedule, Selection, StateLocation, StateSettings,
};
use super::urls::{ENVIRONMENTS, redacted_url};

/// The placeholder for a secret.
const SECRET: &str = "<secret>";

impl Config {
    /// The configuration in the format of the file, with all defaults. Secrets, and user info in URLs, are replaced by
    /// `<secret>`; paths are the resolved ones.
    #[must_use]
    pub fn to_redacted_yaml(&self) -> String {
        let raw = RawConfig {
            partners: Some(self.partners.iter().map(partner).collect()),
            collectors: Some(collectors(&self.collectors)),
            metrics: Some(RawMetrics { customer_name_label: Some(Scalar::of(&self.customer_name_label)) }),
            state: self.state.as_ref().map(state),
            ha: self.ha.as_ref().map(ha),
        };
        serde_yaml::to_string(&raw).unwrap_or_else(|error| format!("# cannot be written as YAML: {error}\n"))
    }
}

fn state(StateSettings { location, interval }: &StateSettings) -> RawState {
    let (file, azure_blob) = match location {
        StateLocation::File(file) => (Some(file.display().to_string()), None),
        StateLocation::AzureBlob(settings) => (None, Some(blob(settings))),
    };
    RawState { file, azure_blob, interval: Some(Scalar::of(&format_duration(*interval))) }
}

fn blob(blob: &BlobSettings) -> RawAzureBlob {
    RawAzureBlob { url_file: Some(blob.url_file.display().to_string()) }
}

fn ha(ha: &HaSettings) -> RawHa {
    let duration = |duration| Some(Scalar::of(&format_duration(duration)));
    RawHa {
        lease: Some(lease(&ha.lease)),
        identity: Some(ha.identity.clone()),
        lease_duration: duration(ha.lease_duration),
        renew_deadline: duration(ha.renew_deadline),
        retry_period: duration(ha.retry_period),
    }
}

fn lease(lease: &LeaseSettings) -> RawLease {
    let mut raw = RawLease::default();
    match lease {
        LeaseSettings::Kubernetes(KubernetesSettings { name, namespace, service_account, api_url }) => {
            raw.kubernetes = Some(RawKubernetes {
                name: Some(name.clone()),
                namespace: namespace.clone(),
                api_url: Some(redacted_url(api_url)),
                service_account: Some(service_account.display().to_string()),
            });
        }
        LeaseSettings::Etcd(EtcdSettings { endpoints, key, ca_file, client_certificate, user }) => {
            let file = |file: &std::path::PathBuf| file.display().to_string();
            raw.etcd = Some(RawEtcd {
                endpoints: Some(endpoints.iter().map(redacted_url).collect()),
                key: Some(key.clone()),
                ca_file: ca_file.as_ref().map(file),
                cert_file: client_certificate.as_ref().map(|(certificate, _)| file(certificate)),
                key_file: client_certificate.as_ref().map(|(_, key)| file(key)),
                username: user.as_ref().map(|(name, _)| name.clone()),
                password_file: user.as_ref().map(|(_, password)| file(password)),
            });
        }
        LeaseSettings::AzureBlob(settings) => raw.azure_blob = Some(blob(settings)),
    }
    raw
}

fn partner(partner: &PartnerSettings) -> RawPartner {
    let (api_url, token_url) = (redacted_url(&partner.api_url), redacted_url(&partner.token_url));
    let environment = ENVIRONMENTS.iter().find(|known| known.api_url == api_url && known.token_url == token_url);
    let budget = &partner.budget;
    RawPartner {
        name: Some(partner.name.to_string()),
        environment: environment.map(|known| known.name.to_owned()),
        api_url: Some(api_url),
        token_url: Some(token_url),
        auth: Some(auth(partner)),
        budget: Some(RawBudget {
            requests_per_second: Some(Scalar::of(&budget.requests_per_second)),
            burst: Some(Scalar::of(&budget.burst)),
            concurrency: Some(Scalar::of(&budget.concurrency)),
            timeout: Some(Scalar::of(&format_duration(budget.timeout))),
        }),
        proxy_url: partner.proxy_url.as_ref().map(redacted_url),
        ca_file: partner.ca_file.as_deref().map(|file| file.display().to_string()),
        customers: Some(customers(&partner.customers)),
    }
}

fn auth(partner: &PartnerSettings) -> RawAuth {
    let mut auth = RawAuth { client_id: Some(partner.client_id.clone()), ..RawAuth::default() };
    match &partner.credential {
        Credential::ClientSecret { source, expires, .. } => {
            match source {
                SecretSource::Value(_) => auth.client_secret = Some(SECRET.to_owned()),
                SecretSource::File(file) => auth.client_secret_file = Some(file.display().to_string()),
                SecretSource::Env(name) => auth.client_secret_env = Some(name.clone()),
            }
            auth.client_secret_expires = expires.as_ref().map(ToString::to_string);
        }
        Credential::Certificate { source, .. } => auth.certificate = Some(certificate(source)),
    }
    auth
}

fn certificate(source: &CertificateSource) -> RawCertificate {
    let mut raw = RawCertificate::default();
    match source {
        CertificateSource::Pem { cert_file, key_file } => {
            raw.cert_file = Some(cert_file.display().to_string());
            raw.key_file = Some(key_file.display().to_string());
        }
        CertificateSource::Pfx { pfx_file, password } => {
            raw.pfx_file = Some(pfx_file.display().to_string());
            match password {
                SecretSource::Value(password) if password.expose_secret().is_empty() => {}
                SecretSource::Value(_) => raw.pfx_password = Some(SECRET.to_owned()),
                SecretSource::File(file) => raw.pfx_password_file = Some(file.display().to_string()),
                SecretSource::Env(name) => raw.pfx_password_env = Some(name.clone()),
            }
        }
    }
    raw
}

fn customers(customers: &CustomerSettings) -> RawCustomers {
    let list = customers.list.iter().map(|listed| RawListed {
        id: Some(listed.id.to_string()),
        name: listed.name.clone(),
        labels: Some(Pairs(listed.labels.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect())),
    });
    RawCustomers {
        discover: Some(Scalar::of(&customers.discover)),
        include: Some(customers.include.clone()),
        exclude: Some(customers.exclude.clone()),
        max: Some(Scalar::of(&customers.max)),
        list: Some(list.collect()),
    }
}

fn collectors(collectors: &CollectorSettings) -> RawCollectors {
    let [enabled, interval, max_age] = schedule(collectors.services);
    let mut raw = RawCollectors {
        services: Some(RawServices { enabled, interval, max_age, adaptive: None }),
        tenant_seats: Some(tenant_collector(&collectors.tenant_seats)),
        customer_seats: Some(tenant_collector(&collectors.customer_seats)),
        products_purchased: Some(product_collector(&collectors.products_purchased)),
        products_available: Some(product_collector(&collectors.products_available)),
        ..RawCollectors::default()
    };
    for (collector, written) in raw.optional() {
        let [enabled, interval, max_age] = schedule(collectors.schedule(collector));
        *written = Some(RawSchedule { enabled, interval, max_age });
    }
    raw
}

fn schedule(schedule: Schedule) -> [Option<Scalar>; 3] {
    let Schedule { enabled, interval, max_age } = schedule;
    [Scalar::of(&enabled), Scalar::of(&format_duration(interval)), Scalar::of(&format_duration(max_age))].map(Some)
}

fn tenant_collector((when, types): &(Schedule, Selection<TenantType>)) -> RawTenantCollector {
    let [enabled, interval, max_age] = schedule(*when);
    let tenant_types = Some(selection(types, |tenant_type| Scalar::of(&tenant_type.label())));
    RawTenantCollector { enabled, interval, max_age, adaptive: None, tenant_types }
}

fn product_collector((when, types): &(Schedule, Selection<ProductType>)) -> RawProductCollector {
    let [enabled, interval, max_age] = schedule(*when);
    let product_types = Some(selection(types, |product_type| Scalar::of(&product_type.0)));
    RawProductCollector { enabled, interval, max_age, adaptive: None, product_types }
}

fn selection<T>(types: &Selection<T>, word: impl Fn(&T) -> Scalar) -> RawSelection {
    match types {
        Selection::Auto => RawSelection::Word(Scalar::of(&"auto")),
        Selection::Only(types) => RawSelection::List(types.iter().map(word).collect()),
    }
}
