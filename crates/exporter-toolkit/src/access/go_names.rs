//! Go's names for TLS versions, cipher suites and curves in `tls_server_config`, mapped to those of rustls.
//!
//! TLS is rustls with ring, which deliberately has no TLS below 1.2, no suite without forward secrecy and authenticated
//! encryption, and no P-521. Go's names for those are refused with a message that says so.

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{ALL_CIPHER_SUITES, kx_group};

use crate::{Diagnostic, quoted};

/// TLS versions, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// `min_version` or `max_version`.
pub(super) fn version(word: &str) -> Result<Version, Diagnostic> {
    match word {
        "TLS12" => Ok(Version::Tls12),
        "TLS13" => Ok(Version::Tls13),
        "TLS10" | "TLS11" => {
            let what = format!("{word} is deliberately not supported: it is broken and deprecated (RFC 8996)");
            Err(Diagnostic::new(what, "write TLS12, the default, which every client of the last ten years speaks"))
        }
        _ => Err(Diagnostic::new(format!("there is no TLS version {}", quoted(word)), "write TLS12 or TLS13")),
    }
}

/// The suites of TLS 1.3, which are not configurable, as in Go.
pub(super) const TLS13_SUITES: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// The suites of a version.
pub(super) fn suites(version: Version) -> impl Iterator<Item = SupportedCipherSuite> {
    ALL_CIPHER_SUITES
        .iter()
        .copied()
        .filter(move |suite| matches!(suite, SupportedCipherSuite::Tls13(_)) == (version == Version::Tls13))
}

/// One of `cipher_suites`; `None` for those of TLS 1.3.
pub(super) fn suite(word: &str) -> Result<Option<SupportedCipherSuite>, Diagnostic> {
    if TLS13_SUITES.contains(&word) {
        return Ok(None);
    }
    if let Some(suite) = suites(Version::Tls12).find(|suite| suite.suite().as_str() == Some(word)) {
        return Ok(Some(suite));
    }
    let known: Vec<_> = suites(Version::Tls12).filter_map(|suite| suite.suite().as_str()).collect();
    let remedy = format!("write some of {}, or leave the key out for all of them", known.join(", "));
    let is_old = word.starts_with("TLS_RSA_") || ["_CBC_", "_RC4_"].iter().any(|mode| word.contains(mode));
    Err(if is_old && word.starts_with("TLS_") {
        let what = format!(
            "{} is deliberately not supported: suites with CBC, RC4 or RSA key exchange are weak",
            quoted(word)
        );
        Diagnostic::new(what, remedy)
    } else {
        Diagnostic::new(format!("there is no cipher suite {}", quoted(word)), remedy)
    })
}

/// One of `curve_preferences`.
pub(super) fn curve(word: &str) -> Result<&'static dyn SupportedKxGroup, Diagnostic> {
    const REMEDY: &str = "write some of X25519, CurveP256, CurveP384, or leave the key out for all of them";
    match word {
        "X25519" => Ok(kx_group::X25519),
        "CurveP256" => Ok(kx_group::SECP256R1),
        "CurveP384" => Ok(kx_group::SECP384R1),
        "CurveP521" => {
            Err(Diagnostic::new("CurveP521 is not supported: the TLS library deliberately lacks it", REMEDY))
        }
        _ => Err(Diagnostic::new(format!("there is no curve {}", quoted(word)), REMEDY)),
    }
}
