//! What proves to the identity service who asks: a client secret, or an assertion signed with a certificate's key.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use ring::rsa::KeyPair;
use ring::{digest, signature};
use rustls_pki_types::PrivateKeyDer;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use zeroize::Zeroizing;

use crate::config::{Certificate, CertificateSource, Credential, Mistake, SecretSource};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// The credential as it was last read, and where.
#[derive(Debug)]
pub(super) enum Proof {
    Secret { secret: SecretString, expires: Option<Timestamp>, source: SecretSource },
    Certificate { certificate: Certificate, source: CertificateSource },
}

impl Proof {
    pub(super) fn new(credential: &Credential) -> Self {
        match credential {
            Credential::ClientSecret { secret, expires, source } => {
                Self::Secret { secret: secret.clone(), expires: *expires, source: source.clone() }
            }
            Credential::Certificate { certificate, source } => Self::Certificate {
                certificate: Certificate {
                    certificate: certificate.certificate.clone(),
                    key: certificate.key.clone_key(),
                    not_after: certificate.not_after,
                },
                source: source.clone(),
            },
        }
    }

    /// Whether a file stands behind it that may be replaced.
    pub(super) fn may_rotate(&self) -> bool {
        !matches!(self, Self::Secret { source: SecretSource::Value(_) | SecretSource::Env(_), .. })
    }

    /// What is there now, if it is something else. Reads files.
    pub(super) fn reread(&self) -> Result<Option<Self>, Mistake> {
        match self {
            Self::Secret { secret, expires, source } => {
                let now = source.read()?;
                let changed = now.expose_secret() != secret.expose_secret();
                Ok(changed.then(|| Self::Secret { secret: now, expires: *expires, source: source.clone() }))
            }
            Self::Certificate { certificate, source } => {
                let now = source.load()?;
                let changed = now.certificate != certificate.certificate || now.key != certificate.key;
                Ok(changed.then(|| Self::Certificate { certificate: now, source: source.clone() }))
            }
        }
    }

    /// The label `credential` and when it expires, where that is known.
    pub(super) fn expiration(&self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Secret { expires, .. } => ("client_secret", *expires),
            Self::Certificate { certificate, .. } => ("certificate", Some(certificate.not_after)),
        }
    }

    /// The fields of a token request that this credential adds, the last one being the secret.
    pub(super) fn fields(
        &self,
        client_id: &str,
        token_url: &str,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, Zeroizing<String>)>, &'static str> {
        match self {
            Self::Secret { secret, .. } => {
                Ok(vec![("client_secret", Zeroizing::new(secret.expose_secret().to_owned()))])
            }
            Self::Certificate { certificate, .. } => Ok(vec![
                ("client_assertion_type", Zeroizing::new(ASSERTION_TYPE.to_owned())),
                ("client_assertion", Zeroizing::new(assertion(certificate, client_id, token_url, now)?)),
            ]),
        }
    }
}

/// A JWT as RFC 7523 has it, signed RS256.
fn assertion(
    certificate: &Certificate,
    client_id: &str,
    token_url: &str,
    now: Timestamp,
) -> Result<String, &'static str> {
    let key = match &certificate.key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err("the certificate's key is no RSA key"),
    };
    let key = key.map_err(|_| "the certificate's key is no usable RSA key")?;
    let random = SystemRandom::new();
    let mut id = [0; 16];
    random.fill(&mut id).map_err(|_| "the system has no random numbers")?;

    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.certificate);
    let header = json!({
        "alg": "RS256",
        "typ": "JWT",
        "x5t": BASE64_URL_SAFE_NO_PAD.encode(thumbprint.as_ref()),
        "kid": hex(thumbprint.as_ref()),
    });
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "jti": hex(&id),
        "nbf": now.as_second(),
        "iat": now.as_second(),
        "exp": now.as_second().saturating_add(LIFETIME.as_secs()),
    });
    let encode = |part: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let mut signed = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signed)
        .map_err(|_| "the certificate's key cannot sign")?;
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signed)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// A new certificate, its key in both forms, and its thumbprint as openssl sees it.
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

        fn proof(&self, key: PrivateKeyDer<'static>) -> Proof {
            let certificate = self.certificate.clone().into();
            let source = CertificateSource::Pem { cert_file: "cert.pem".into(), key_file: "key.pem".into() };
            Proof::Certificate { certificate: Certificate { certificate, key, not_after: Timestamp::MAX }, source }
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
            let proof = made.proof(key);
            let fields = proof.fields("app", "https://id.example.com/connect/token", now).unwrap();
            assert_eq!((fields[0].0, fields[0].1.as_str()), ("client_assertion_type", ASSERTION_TYPE));
            let (name, jwt) = &fields[1];
            assert_eq!(*name, "client_assertion");
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
            let at = now.as_second();
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
        assert!(!format!("{:?}", made.proof(pkcs1())).contains("48, 130"));
    }

    #[test]
    fn a_key_that_cannot_sign_is_said() {
        let broken = Made::new().proof(PrivateKeyDer::Pkcs8(vec![1, 2, 3].into()));
        assert!(broken.fields("app", "https://x/", Timestamp::MIN).is_err());
    }
}
