//! Test certificates in a temporary folder.
//!
//! A CA (`ca.pem`) signed `server` and `client`; `foreign` is signed by an unknown CA; `listed` is self-signed and is
//! in `cas.pem` together with the CA; `expired` is signed by the CA and expired; `outlived` is signed by an expired CA,
//! which is in `old-cas.pem` together with those. Each consists of a `.crt` and a `.key` file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use tempfile::TempDir;

pub struct Pki(TempDir);

impl Pki {
    pub fn new() -> Self {
        let pki = Self(tempfile::tempdir().unwrap());
        let (ca, unknown) = (authority("ca"), authority("unknown"));
        pki.write("ca.pem", &ca.pem());
        let mut server = CertificateParams::new(["localhost".to_owned()]).unwrap();
        server.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        pki.issue("server", &server, Some(&ca));
        let client = client();
        pki.issue("client", &client, Some(&ca));
        pki.issue("foreign", &client, Some(&unknown));
        pki.issue("listed", &client, None);
        let mut expired = client.clone();
        (expired.not_before, expired.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        pki.issue("expired", &expired, Some(&ca));
        pki.write("cas.pem", &(ca.pem() + &pki.read("listed.crt")));
        let mut old = authority_params("old");
        (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        let old = CertifiedIssuer::self_signed(old, KeyPair::generate().unwrap()).unwrap();
        pki.issue("outlived", &client, Some(&old));
        pki.write("old-cas.pem", &(pki.read("cas.pem") + &old.pem()));
        pki
    }

    fn issue(&self, name: &str, params: &CertificateParams, issuer: Option<&CertifiedIssuer<'_, KeyPair>>) {
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(issuer) => params.signed_by(&key, issuer),
            None => params.self_signed(&key),
        };
        self.write(&format!("{name}.crt"), &certificate.unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        fs::set_permissions(self.path(&format!("{name}.key")), Permissions::from_mode(0o600)).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn open_to_everybody(&self, name: &str) {
        fs::set_permissions(self.path(name), Permissions::from_mode(0o644)).unwrap();
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn client() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "client");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params.subject_alt_names = vec![
        SanType::DnsName("prometheus.example.com".try_into().unwrap()),
        SanType::IpAddress([192, 0, 2, 7].into()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
        SanType::Rfc822Name("somebody@example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/prometheus".try_into().unwrap()),
    ];
    params
}
