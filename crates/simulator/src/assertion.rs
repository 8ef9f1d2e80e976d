//! Client assertions (RFC 7523): a JWT signed with the private key of the uploaded certificate.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use jiff::Timestamp;
use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;

/// Allowed clock difference in seconds.
const LEEWAY: i64 = 60;
/// The maximum lifetime of an assertion in seconds. The documentation uses 5 minutes.
const MAX_LIFETIME: i64 = 600;

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    x5t: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

/// Validates an assertion, except whether it was used before, and returns its `jti`; or returns what is wrong.
pub(super) fn verify(
    assertion: &str,
    certificate: &[u8],
    client_id: &str,
    audiences: &[String],
    now: Timestamp,
) -> Result<String, &'static str> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("the assertion is no JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("the assertion is no JWT")?;
    let decode = |part: &str| BASE64URL.decode(part).map_err(|_| "the assertion is not base64url without padding");
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| "the header must have alg, typ, x5t and kid")?;
    if header.alg != "RS256" || header.typ != "JWT" {
        return Err("alg must be RS256 and typ JWT");
    }
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
    if header.x5t != BASE64URL.encode(thumbprint.as_ref()) || header.kid != hex::encode_upper(thumbprint) {
        return Err("x5t or kid is not the thumbprint of the certificate");
    }
    let (_, certificate) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_| "the uploaded certificate cannot be read")?;
    let key = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature is wrong")?;

    let claims: Claims = serde_json::from_slice(&decode(claims)?)
        .map_err(|_| "the claims must have iss, sub, aud, jti, nbf, iat and exp")?;
    if claims.iss != client_id || claims.sub != client_id {
        return Err("iss and sub must be the client id");
    }
    if !audiences.contains(&claims.aud) {
        return Err("aud must be the token URL");
    }
    let now = now.as_second();
    if claims.exp <= now - LEEWAY || claims.nbf > now + LEEWAY || claims.iat > now + LEEWAY {
        return Err("the assertion is expired or not valid yet");
    }
    if claims.exp.saturating_sub(claims.iat) > MAX_LIFETIME {
        return Err("the assertion lives too long");
    }
    if claims.jti.is_empty() {
        return Err("jti is empty");
    }
    Ok(claims.jti)
}
