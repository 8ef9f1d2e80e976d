//! TLS with a test CA.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::server::say;
use super::*;
use crate::types::FailureReason;

/// A server certificate for localhost that offers these protocols, and its CA.
pub(super) fn acceptor(alpn: &[&str]) -> (TlsAcceptor, CertificateDer<'static>) {
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
    (TlsAcceptor::from(Arc::new(config)), ca.der().clone())
}

async fn tls_server() -> (Server, CertificateDer<'static>) {
    let (acceptor, ca) = acceptor(&[]);
    let server = Server::start_with(Some(acceptor), |seen| match seen.path() {
        "/connect/token" => token(1),
        _ => say(200, SEATS_BODY),
    });
    (server.await, ca)
}

#[tokio::test]
async fn a_private_ca_is_trusted_when_it_is_configured() {
    let (server, ca) = tls_server().await;
    let client = client(&ClientConfig { extra_roots: vec![ca], ..settings(&server) });
    assert!(ask(&client, SEATS).await.is_ok());
}

#[tokio::test]
async fn an_unknown_ca_is_a_tls_failure() {
    let (server, _) = tls_server().await;
    let (_, other_ca) = acceptor(&[]);
    let client = client(&ClientConfig { extra_roots: vec![other_ca], ..settings(&server) });
    let failure = failure(ask(&client, SEATS).await);
    assert_eq!(failure.reason, FailureReason::Tls, "{failure}");
    assert!(failure.message.contains("UnknownIssuer") || failure.message.contains("certificate"), "{failure}");
    assert!(server.seen().is_empty());
}
