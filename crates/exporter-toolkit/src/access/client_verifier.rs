//! `client_auth_type`, `client_ca_file` and `client_allowed_sans`: which clients' certificates a handshake accepts.
//!
//! Every handshake proves that the client holds the key of its certificate. The policy decides what else is required.
//! Two rules follow Go and are not in rustls: a certificate that is itself listed as a CA is trusted, which allows
//! self-signed ones; expired client CAs are not trusted.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What is required of a client, the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Policy {
    /// No certificate is requested.
    None,
    /// It may have any certificate.
    Request,
    /// It must have any certificate.
    RequireAny,
    /// If it has one, a CA of ours must have signed it.
    VerifyIfGiven,
    /// A CA of ours must have signed it.
    RequireAndVerify,
}

impl Policy {
    pub(super) const NAMES: [(&str, Self); 5] = [
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];

    /// Whether certificates are verified by a CA.
    pub(super) const fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    const fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// A CA and its validity.
#[derive(Debug)]
pub(super) struct Ca {
    certificate: CertificateDer<'static>,
    /// In seconds of Unix time.
    life: RangeInclusive<i64>,
}

impl Ca {
    /// A CA that rustls can read. If its validity cannot be read, it counts as always valid.
    pub(super) fn new(certificate: CertificateDer<'static>) -> Self {
        let life = X509Certificate::from_der(&certificate).map_or(i64::MIN..=i64::MAX, |(_, parsed)| {
            parsed.validity().not_before.timestamp()..=parsed.validity().not_after.timestamp()
        });
        Self { certificate, life }
    }
}

/// Verifies client certificates.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) policy: Policy,
    /// The CAs, as certificates and as a chain verifier. Without CAs, no certificate is trusted.
    pub(super) cas: Vec<Ca>,
    pub(super) chain: Option<Arc<dyn ClientCertVerifier>>,
    /// A certificate must have one of these names.
    pub(super) allowed_sans: Option<Vec<String>>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Clients {
    fn verify_chain(
        &self,
        client: &CertificateDer<'_>,
        parsed: &X509Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.cas.iter().any(|ca| ca.certificate.as_ref() == client.as_ref()) {
            return verify_listed(parsed, now);
        }
        let chain = self.chain_at(now).ok_or(CertificateError::UnknownIssuer)?;
        chain.verify_client_cert(client, intermediates, now).map(|_| ())
    }

    /// The chain verifier with those CAs that have not expired; `None` without any.
    fn chain_at(&self, now: UnixTime) -> Option<Arc<dyn ClientCertVerifier>> {
        let lives = |ca: &&Ca| ca.life.contains(&seconds(now));
        if self.cas.iter().all(|ca| lives(&ca)) {
            return self.chain.clone();
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.cas.iter().filter(lives).map(|ca| ca.certificate.clone()));
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .ok()
            .map(|chain| chain as Arc<dyn ClientCertVerifier>)
    }
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// Nobody needs to have signed a certificate that is listed itself; its time and its purpose still count.
fn verify_listed(parsed: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let now = seconds(now);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    let usage = parsed.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    match usage {
        Some(usage) if !usage.value.client_auth && !usage.value.any => Err(CertificateError::InvalidPurpose.into()),
        _ => Ok(()),
    }
}

/// Whether one of the DNS names, addresses, e-mails and URIs of a certificate is on the list. Names are compared as
/// they are written, addresses as addresses.
fn has_allowed_san(certificate: &X509Certificate<'_>, allowed: &[String]) -> bool {
    let is_allowed = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            allowed.iter().any(|allowed| allowed == name)
        }
        GeneralName::IPAddress(bytes) => {
            address(bytes).is_some_and(|address| allowed.iter().any(|allowed| allowed.parse().ok() == Some(address)))
        }
        _ => false,
    };
    certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => names.general_names.iter().any(is_allowed),
        _ => false,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_canonical()),
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        // Without a certificate there is no name that could be on the list.
        self.policy.requires() || self.allowed_sans.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (_, parsed) = X509Certificate::from_der(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if self.policy.verifies() {
            self.verify_chain(end_entity, &parsed, intermediates, now)?;
        }
        match &self.allowed_sans {
            Some(allowed) if !has_allowed_san(&parsed, allowed) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
