//! Client assertions: a JWT (RFC 7523), signed RS256 with the key of the registration's certificate.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::KeyPair;
use ring::{digest, signature};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;

use super::credential::CredentialError;
use crate::config::Certificate;

const LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How far the start of the lifetime is set back, because the clock of the identity service may be behind.
const BACKDATED: SignedDuration = SignedDuration::from_mins(1);

/// A signed assertion for `token_url`.
pub(super) fn sign(
    certificate: &Certificate,
    client_id: &str,
    token_url: &str,
    now: Timestamp,
) -> Result<String, CredentialError> {
    let key = match &certificate.key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err(CredentialError::NotRsa),
    };
    let key = key.map_err(|_| CredentialError::NotRsa)?;
    let random = SystemRandom::new();
    let mut id = [0; 16];
    random.fill(&mut id).map_err(|_| CredentialError::NoRandom)?;

    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.certificate);
    let header = json!({
        "alg": "RS256",
        "typ": "JWT",
        "x5t": BASE64_URL_SAFE_NO_PAD.encode(thumbprint.as_ref()),
        "kid": hex::encode_upper(thumbprint),
    });
    let issued = now.saturating_sub(BACKDATED).unwrap_or(now).as_second();
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "jti": hex::encode_upper(id),
        "nbf": issued,
        "iat": issued,
        "exp": issued.saturating_add(LIFETIME.as_secs()),
    });
    let encode = |part: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let mut signed = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signed)
        .map_err(|_| CredentialError::CannotSign)?;
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signed)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// A new certificate, its key in both formats, and its thumbprint as computed by openssl.
    struct Made {
        certificate: Vec<u8>,
        pkcs1: Vec<u8>,
        pkcs8: Vec<u8>,
        thumbprint: String,
    }

    impl Made {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let openssl = |arguments: &str| {
                let run = Command::new("openssl").args(arguments.split(' ')).current_dir(&folder).output();
                let run = run.expect("this test needs the openssl command");
                assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
                String::from_utf8(run.stdout).unwrap()
            };
            openssl(
                "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -outform DER -out cert.der -days 2 -subj /CN=test",
            );
            openssl("rsa -in key.pem -traditional -outform DER -out pkcs1.der");
            openssl("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out pkcs8.der");
            let fingerprint = openssl("x509 -inform DER -in cert.der -noout -fingerprint -sha1");
            let read = |file| std::fs::read(folder.path().join(file)).unwrap();
            Self {
                certificate: read("cert.der"),
                pkcs1: read("pkcs1.der"),
                pkcs8: read("pkcs8.der"),
                thumbprint: fingerprint.trim().rsplit('=').next().unwrap().replace(':', ""),
            }
        }

        fn certificate(&self, key: PrivateKeyDer<'static>) -> Certificate {
            Certificate { certificate: self.certificate.clone().into(), key, not_after: Timestamp::MAX }
        }
    }

    fn decode(part: &str) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn the_assertion_is_what_the_identity_service_wants() {
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let made = Made::new();
        let pkcs1 = || PrivateKeyDer::Pkcs1(made.pkcs1.clone().into());
        let thumbprint: Vec<u8> =
            (0..40).step_by(2).map(|at| u8::from_str_radix(&made.thumbprint[at..at + 2], 16).unwrap()).collect();
        let mut ids = Vec::new();
        for key in [pkcs1(), PrivateKeyDer::Pkcs8(made.pkcs8.clone().into()), pkcs1()] {
            let jwt = sign(&made.certificate(key), "app", "https://id.example.com/connect/token", now).unwrap();
            let parts: Vec<&str> = jwt.split('.').collect();
            assert_eq!(
                decode(parts[0]),
                json!({
                    "alg": "RS256",
                    "typ": "JWT",
                    "x5t": BASE64_URL_SAFE_NO_PAD.encode(&thumbprint),
                    "kid": made.thumbprint,
                })
            );
            let mut claims = decode(parts[1]);
            ids.push(claims.as_object_mut().unwrap().remove("jti").unwrap().as_str().unwrap().to_owned());
            // A server whose clock is up to a minute behind accepts it, and its lifetime is not unusually long.
            let at = now.as_second() - 60;
            assert_eq!(
                claims,
                json!({
                    "iss": "app",
                    "sub": "app",
                    "aud": "https://id.example.com/connect/token",
                    "nbf": at,
                    "iat": at,
                    "exp": at + 300,
                })
            );
            let key = KeyPair::from_pkcs8(&made.pkcs8).unwrap();
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public());
            let signed = format!("{}.{}", parts[0], parts[1]);
            public.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap()).unwrap();
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "no id is used twice");
    }

    #[test]
    fn a_key_that_cannot_sign_is_an_error() {
        let broken = Made::new().certificate(PrivateKeyDer::Pkcs8(vec![1, 2, 3].into()));
        assert!(sign(&broken, "app", "https://x/", Timestamp::MIN).is_err());
    }
}
