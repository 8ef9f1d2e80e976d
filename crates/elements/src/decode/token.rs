//! Decodes token responses and error bodies.

use std::time::Duration;

use secrecy::SecretString;

use super::json::{self, Json, Row};
use super::number;
use super::{Malformed, without_addresses};
use crate::redaction::Secrets;

/// An access token. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token {
    /// `access_token`: visible ASCII, so that it is a valid header value, and at most 16 KiB.
    pub access_token: SecretString,
    /// `expires_in`: the remaining lifetime, at most a day.
    pub expires_in: Duration,
}

/// The lifetime if `expires_in` is missing: one hour.
const USUAL_LIFE: u64 = 3600;
const MAX_LIFE: u64 = 24 * 3600;
/// In bytes. Every request sends the token, and servers usually limit headers to less than this.
const MAX_TOKEN: usize = 16 * 1024;
/// In characters.
const MAX_MESSAGE: usize = 200;
const MAX_OAUTH_ERROR: usize = 64;

/// The error codes of token requests (RFC 6749 §5.2).
pub const OAUTH_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// `{"access_token", "expires_in", "token_type"}`. If `expires_in` is missing, unreadable or 0, one hour is used. The
/// error never quotes the body.
pub fn token(body: &[u8]) -> Result<Token, Malformed> {
    let text = json::text(body);
    // Not even its start: a token in another format is still a secret.
    let json = json::parse(&text).map_err(|_| Malformed::new("expected a token, got something that is not JSON"))?;
    let Some(row) = json.row() else {
        return Err(Malformed::new(format!("expected an object with \"access_token\", got {}", json.kind())));
    };
    let token = match row.get("access_token").as_text() {
        Some(token) if token.len() > MAX_TOKEN => {
            let got = token.len();
            return Err(Malformed::new(format!("expected \"access_token\" of at most {MAX_TOKEN} bytes, got {got}")));
        }
        Some(token) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => token,
        Some(_) => return Err(Malformed::new("expected \"access_token\" to be visible ASCII, got something else")),
        None => {
            let kind = row.get("access_token").kind();
            return Err(Malformed::new(format!("expected \"access_token\" to be a string, got {kind}")));
        }
    };
    match row.get("token_type") {
        Json::Null => {}
        Json::Text(kind) if kind.trim().eq_ignore_ascii_case("bearer") => {}
        Json::Text(_) => {
            return Err(Malformed::new("expected \"token_type\" to be Bearer, got another text"));
        }
        other => return Err(Malformed::new(format!("expected \"token_type\" to be Bearer, got {}", other.kind()))),
    }
    let seconds = number::count(row.get("expires_in")).value().filter(|&seconds| seconds > 0).unwrap_or(USUAL_LIFE);
    Ok(Token { access_token: token.into(), expires_in: Duration::from_secs(seconds.min(MAX_LIFE)) })
}

/// The code of an OAuth error (RFC 6749 §5.2), in lower case; `None` if it contains other characters than letters,
/// digits and underscores, or is longer than 64.
#[must_use]
pub fn oauth_error(body: &[u8]) -> Option<String> {
    let text = json::text(body);
    let json = json::parse(&text).ok()?;
    let code = json.row()?.get("error").as_text()?.trim().to_ascii_lowercase();
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    ((1..=MAX_OAUTH_ERROR).contains(&code.len()) && code.bytes().all(is_code)).then_some(code)
}

/// The message in an error body of the API, on one line of at most 200 characters: `message`, `error` with
/// `error_description`, `error.message`, a problem's `title` with `detail`, or a bare JSON string. `None` for HTML, for
/// text that is not JSON, and if none of these is present. Email addresses and these secrets are removed.
#[must_use]
pub fn error_message(body: &[u8], secrets: &Secrets) -> Option<String> {
    let text = json::text(body);
    let json = json::parse(&text).ok()?;
    let found = match json.row() {
        Some(row) => message_of(row),
        None => json.as_text().filter(|text| !text.starts_with('<')).map(str::to_owned),
    }?;
    let found = secrets.redact(&found);
    let words: Vec<&str> =
        found.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    Some(without_addresses(&words.join(" ")).chars().take(MAX_MESSAGE).collect::<String>())
        .filter(|message| !message.is_empty())
}

fn message_of(row: Row<'_>) -> Option<String> {
    let say = |name: &str| row.get(name).as_text().filter(|text| !text.is_empty());
    let both = |short: &str, long: &str| match (say(short), say(long)) {
        (Some(short), Some(long)) => Some(format!("{short}: {long}")),
        (short, long) => short.or(long).map(str::to_owned),
    };
    say("message")
        .map(str::to_owned)
        .or_else(|| row.get("error").row()?.get("message").as_text().map(str::to_owned))
        .or_else(|| both("error", "error_description"))
        .or_else(|| both("title", "detail"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_and_its_life() {
        let sample = token(include_bytes!("samples/token.json")).unwrap();
        assert_eq!(sample.access_token.expose_secret(), "eyJhbGciOiJSUzI1NiJ9.example");
        assert_eq!(sample.expires_in, Duration::from_hours(1));
        assert!(!format!("{sample:?}").contains("eyJ"));
        for (rest, seconds) in [
            ("", 3600),
            (r#","expires_in":1800"#, 1800),
            (r#","expires_in":"1800","token_type":"bearer""#, 1800),
            (r#","Expires_In":1800.0,"Token_Type":"BEARER""#, 1800),
            (r#","expires_in":99999999999999999999"#, 3600),
            (r#","expires_in":99999999"#, 86400),
            (r#","expires_in":0"#, 3600),
            (r#","expires_in":-1,"token_type":null"#, 3600),
            (r#","expires_in":"soon""#, 3600),
        ] {
            let body = format!(r#"{{"access_token":"abc"{rest}}}"#);
            assert_eq!(token(body.as_bytes()).unwrap().expires_in.as_secs(), seconds, "{body}");
        }
    }

    #[test]
    fn a_response_without_a_token_is_an_error_that_does_not_quote_it() {
        for (body, message) in [
            ("access_token=abc", "expected a token, got something that is not JSON"),
            ("[]", "expected an object with \"access_token\", got a list"),
            ("{}", "expected \"access_token\" to be a string, got null"),
            (r#"{"access_token":5}"#, "expected \"access_token\" to be a string, got a number"),
            (r#"{"access_token":""}"#, "expected \"access_token\" to be visible ASCII, got something else"),
            (r#"{"access_token":"abc\r\nx: y"}"#, "expected \"access_token\" to be visible ASCII, got something else"),
            (r#"{"access_token":"abc","token_type":"MAC"}"#, "expected \"token_type\" to be Bearer, got another text"),
            (r#"{"access_token":"abc","token_type":[]}"#, "expected \"token_type\" to be Bearer, got a list"),
        ] {
            assert_eq!(token(body.as_bytes()).unwrap_err().to_string(), message, "{body}");
        }
    }

    #[test]
    fn a_token_has_a_largest_size() {
        let body = |length| format!(r#"{{"access_token":"{}"}}"#, "a".repeat(length));
        assert!(token(body(16 * 1024).as_bytes()).is_ok());
        assert_eq!(
            token(body(16 * 1024 + 1).as_bytes()).unwrap_err().to_string(),
            "expected \"access_token\" of at most 16384 bytes, got 16385"
        );
    }

    #[test]
    fn only_the_code_of_an_oauth_error_is_read() {
        for (body, code) in [
            (r#"{"error":"invalid_client","error_description":"no client secret2"}"#, Some("invalid_client")),
            (r#"{"Error":" Invalid_Scope "}"#, Some("invalid_scope")),
            (r#"{"error":"AADSTS7000215"}"#, Some("aadsts7000215")),
            (r#"{"error":"invalid client"}"#, None),
            (r#"{"error":"eyJh.eyJz"}"#, None),
            (r#"{"error":""}"#, None),
            (r#"{"error":{"code":"x"}}"#, None),
            ("invalid_client", None),
        ] {
            assert_eq!(oauth_error(body.as_bytes()).as_deref(), code, "{body}");
        }
        let code = |length| format!(r#"{{"error":"{}"}}"#, "a".repeat(length));
        assert!(oauth_error(code(64).as_bytes()).is_some() && oauth_error(code(65).as_bytes()).is_none());
    }

    #[test]
    fn error_bodies_say_what_went_wrong() {
        for (body, message) in [
            (r#"{"message":"Invalid  type.\n\u0007"}"#, Some("Invalid type.")),
            (r#"{"Message":"No"}"#, Some("No")),
            (r#"{"error":"invalid_client"}"#, Some("invalid_client")),
            (r#"{"error":"invalid_client","error_description":"Unknown"}"#, Some("invalid_client: Unknown")),
            (r#"{"error":{"code":"x","message":"Denied"}}"#, Some("Denied")),
            (r#"{"type":"about:blank","title":"Bad","detail":"pageSize","status":400}"#, Some("Bad: pageSize")),
            (r#"{"title":"Bad"}"#, Some("Bad")),
            (r#""Customer not found""#, Some("Customer not found")),
            (r#""<html>""#, None),
            (r#"{"message":" "}"#, None),
            (r#"{"message":{}}"#, None),
            ("<html><body>503</body></html>", None),
            ("upstream timed out", None),
            ("[]", None),
            ("{}", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(error_message(body.as_bytes(), &Secrets::default()).as_deref(), message, "{body}");
        }
        let long = format!(r#"{{"message":"{}"}}"#, "ä".repeat(999));
        assert_eq!(error_message(long.as_bytes(), &Secrets::default()).unwrap().chars().count(), 200);
        let cut = format!(r#"{{"message":"{} anna@example.com"}}"#, "ä".repeat(194));
        assert!(
            error_message(cut.as_bytes(), &Secrets::default()).unwrap().ends_with("ä <addr"),
            "never half an address"
        );
        let token = "t".repeat(300);
        let echoed = format!(r#"{{"message":"no {token}"}}"#);
        let secrets = Secrets::new([token.as_str()]);
        assert_eq!(error_message(echoed.as_bytes(), &secrets).as_deref(), Some("no <secret>"), "never half a token");
    }
}
