//! TLS with a test CA.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::server::say;
use super::*;
use crate::domain::FailureReason;
use crate::elements::ClientError;

/// A server certificate for localhost that offers these protocols, and its CA as PEM.
pub(super) fn acceptor(alpn: &[&str]) -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

async fn tls_server() -> (Server, tempfile::TempDir, PathBuf) {
    let (acceptor, ca) = acceptor(&[]);
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, ca).unwrap();
    let server = Server::start_with(Some(acceptor), |seen| match seen.path() {
        "/connect/token" => token(1),
        _ => say(200, SEATS_BODY),
    });
    (server.await, directory, ca_file)
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_configured() {
    let (server, _directory, ca_file) = tls_server().await;
    let client = client(&PartnerSettings { ca_file: Some(ca_file), ..settings(&server) });
    assert!(ask(&client, SEATS).await.is_ok());
}

#[tokio::test]
async fn an_unknown_ca_is_a_tls_failure() {
    let (server, _directory, _) = tls_server().await;
    let (_, other_ca) = acceptor(&[]);
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("other.pem");
    std::fs::write(&ca_file, other_ca).unwrap();
    let client = client(&PartnerSettings { ca_file: Some(ca_file), ..settings(&server) });
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(failure.reason, FailureReason::Tls, "{failure}");
    assert!(failure.message.contains("UnknownIssuer") || failure.message.contains("certificate"), "{failure}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_ca_file_without_certificates_is_said() {
    let server = server(|_| say(200, "")).await;
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for ca_file in [empty, directory.path().join("missing.pem")] {
        let settings = PartnerSettings { ca_file: Some(ca_file.clone()), ..settings(&server) };
        let error = Client::new(&settings, Clock::start()).unwrap_err();
        assert!(matches!(&error, ClientError::CaFile { .. }));
        assert!(error.to_string().contains(ca_file.to_str().unwrap()));
    }
}
