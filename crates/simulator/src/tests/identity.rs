//! Tokens: which clients get one, and how long it is valid.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{digest, rand};
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_token_is_as_documented() {
    let api = Api::start(by_hand(&["a"])).await;
    let (client_id, secret) = Settings::CLIENT;
    let response = json(api.ask_token(&credentials(client_id, secret)).await).await;
    assert_eq!(response["expires_in"], 3600);
    assert_eq!(response["token_type"], "Bearer");
    assert_eq!(response["scope"], LICENSE_SCOPE);
    assert_ne!(response["access_token"], api.token.as_str());
    assert_eq!(status(api.services("")).await, 200);
}

#[tokio::test]
async fn who_asks_wrongly_is_refused_with_the_documented_error() {
    let mut settings = by_hand(&["a"]);
    settings.registrations[0].scopes = vec![LICENSE_SCOPE.to_owned()];
    let api = Api::start(settings).await;
    let (client_id, secret) = Settings::CLIENT;
    let long = [LICENSE_SCOPE; 20].join(" ");
    for (change, expected, error) in [
        (("client_secret", "wrong"), 401, "invalid_client"),
        (("client_secret", ""), 401, "invalid_client"),
        (("client_id", "nobody"), 401, "invalid_client"),
        (("client_id", ""), 400, "invalid_request"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
        (("grant_type", ""), 400, "invalid_request"),
        (("scope", "elements.license.read"), 400, "invalid_scope"),
        (("scope", ""), 400, "invalid_scope"),
        (("scope", "elements.license.read.all elements.customers.read.all"), 400, "invalid_scope"),
        (("scope", &long), 400, "invalid_scope"),
        (("client_assertion", "a.b.c"), 400, "invalid_request"),
    ] {
        let mut fields = credentials(client_id, secret);
        fields.retain(|(name, _)| *name != change.0);
        fields.push(change);
        let response = api.ask_token(&fields).await;
        assert_eq!(response.status(), expected, "{change:?}");
        assert_eq!(json(response).await["error"], error, "{change:?}");
    }
    let mut repeated = credentials(client_id, secret);
    repeated.push(("scope", LICENSE_SCOPE));
    assert_eq!(json(api.ask_token(&repeated).await).await["error"], "invalid_request");
}

#[tokio::test]
async fn the_token_endpoint_takes_only_forms_by_post() {
    let api = Api::start(by_hand(&["a"])).await;
    assert_eq!(status(api.http.get(api.simulator.token_url())).await, 405);
    let response = api.http.post(api.simulator.token_url()).body("{}").send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(json(response).await["error"], "invalid_request");
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered() {
    let mut api = Api::start(by_hand(&["a"])).await;
    let good = std::mem::take(&mut api.token);
    let url = format!("{}{BASE_PATH}/customers/services/batch", api.simulator.api_url());
    let anonymous = api.http.post(&url).header("content-type", "application/json").body("{}");
    let refused = anonymous.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(json(refused).await["message"].is_string());
    assert_eq!(status(api.services("").header("authorization", format!("Basic {good}"))).await, 401);
    api.token = "made-up".to_owned();
    assert_eq!(status(api.services("")).await, 401);
    api.token = good;
    assert_eq!(status(api.services("")).await, 200);
    api.simulator.revoke_tokens(Settings::CLIENT.0);
    assert_eq!(status(api.services("")).await, 401);
    api.token = api.new_token(Settings::CLIENT).await;
    assert_eq!(status(api.services("")).await, 200);
}

#[tokio::test]
async fn a_token_expires() {
    let settings = Settings { token_lifetime: Duration::ZERO, ..by_hand(&["a"]) };
    let api = Api::start(settings).await;
    assert_eq!(status(api.services("")).await, 401);
}

#[tokio::test]
async fn a_token_of_another_scope_is_no_permission() {
    let mut api = Api::start(by_hand(&["a"])).await;
    let (client_id, secret) = Settings::CLIENT;
    let mut fields = credentials(client_id, secret);
    fields[3].1 = "elements.customers.read.all";
    api.token = json(api.ask_token(&fields).await).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status(api.services("")).await, 403);
}

/// A new certificate (DER) and its key (PKCS #8).
fn certificate(folder: &Path) -> (Vec<u8>, RsaKeyPair) {
    let openssl = |arguments: &str| {
        let run = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        assert!(run.expect("this test needs the openssl command").status.success());
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -outform DER -out cert.der -days 2 -subj /CN=test");
    openssl("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der");
    let key = std::fs::read(folder.join("key.der")).unwrap();
    (std::fs::read(folder.join("cert.der")).unwrap(), RsaKeyPair::from_pkcs8(&key).unwrap())
}

fn signed(header: &Value, claims: &Value, key: &RsaKeyPair) -> String {
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", BASE64URL.encode(signature))
}

#[tokio::test]
async fn a_certificate_proves_itself_with_an_assertion() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let mut settings = by_hand(&["a"]);
    let mut registration = Registration::with_secret("certified", "certified", "", Dataset::default());
    registration.credential = SimCredential::Certificate(certificate.clone());
    settings.registrations.push(registration);
    let api = Api::start(settings).await;

    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    let kid = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
    let header = json!({"alg": "RS256", "typ": "JWT", "x5t": BASE64URL.encode(thumbprint.as_ref()), "kid": kid});
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "iss": "certified", "sub": "certified", "aud": api.simulator.token_url(),
        "jti": "1", "nbf": now, "iat": now, "exp": now + 300,
    });
    let ask = async |assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", "certified"),
            ("scope", LICENSE_SCOPE),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        let response = api.ask_token(&fields).await;
        (response.status().as_u16(), json(response).await)
    };
    let good = signed(&header, &claims, &key);
    let (status, response) = ask(&good).await;
    assert_eq!(status, 200, "{response}");
    let (status, response) = ask(&good).await;
    assert_eq!(
        (status, response["error"].as_str()),
        (400, Some("invalid_client")),
        "an assertion is good for one token"
    );

    let changed = |base: &Value, field: &str, value: Value| {
        let mut changed = base.clone();
        changed["jti"] = json!(format!("{field}-{value}"));
        changed[field] = value;
        changed
    };
    let mut wrong: Vec<_> = [
        ("iss", json!("nobody")),
        ("sub", json!("nobody")),
        ("aud", json!("http://elsewhere.example/connect/token")),
        ("exp", json!(now - 120)),
        ("exp", json!(now + 86_400)),
        ("nbf", json!(now + 3600)),
        ("jti", json!("")),
    ]
    .into_iter()
    .map(|(field, value)| signed(&header, &changed(&claims, field, value), &key))
    .collect();
    for (field, value) in [("x5t", json!("AAAA")), ("kid", json!("00")), ("kid", Value::Null), ("alg", json!("none"))] {
        let mut header = header.clone();
        header[field] = value.clone();
        wrong.push(signed(&header, &changed(&claims, "jti", json!(format!("{field}{value}"))), &key));
    }
    let (other, stolen) = (good.rsplit_once('.').unwrap(), signed(&header, &changed(&claims, "jti", json!("2")), &key));
    wrong.push(format!("{}.{}", stolen.rsplit_once('.').unwrap().0, other.1));
    wrong.extend(["", "a.b.c", "no-jwt", "..."].map(ToOwned::to_owned));
    for assertion in wrong {
        let (status, response) = ask(&assertion).await;
        assert_eq!((status, response["error"].as_str()), (400, Some("invalid_client")), "{assertion}");
    }
}
