//! The identity service's answer, and what error bodies say.

use std::time::Duration;

use secrecy::SecretString;

use super::json::{self, Json, Row};
use super::number;
use super::{Malformed, without_addresses};
use crate::elements::redaction::redacted;

/// An access token. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token {
    /// `access_token`: visible ASCII, so that it can stand in a header.
    pub access_token: SecretString,
    /// `expires_in`: how long it lives from now; at most a day.
    pub expires_in: Duration,
}

/// A token lives one hour, where `expires_in` does not say otherwise.
const USUAL_LIFE: u64 = 3600;
const LONGEST_LIFE: u64 = 24 * 3600;

/// `{"access_token", "expires_in", "token_type"}`. An `expires_in` that is absent, unreadable or 0 is an hour. The
/// message never quotes the body.
pub fn token(body: &[u8]) -> Result<Token, Malformed> {
    let text = json::text(body);
    // Not even how it starts: a token in another format is still a secret.
    let json = json::parse(&text).map_err(|_| Malformed::new("expected a token, got something that is not JSON"))?;
    let Some(row) = json.row() else {
        return Err(Malformed::new(format!("expected an object with \"access_token\", got {}", json.kind())));
    };
    let token = match row.get("access_token").as_text() {
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
    Ok(Token { access_token: token.into(), expires_in: Duration::from_secs(seconds.min(LONGEST_LIFE)) })
}

/// What an error body says, on one line of at most 200 characters: `message`, OAuth's `error` with
/// `error_description`, `error.message`, a problem's `title` with `detail`, or a bare JSON string. `None` for HTML,
/// for text that is no JSON, and where nothing of these stands there. Without email addresses and these secrets.
#[must_use]
pub fn error_message(body: &[u8], secrets: &[&str]) -> Option<String> {
    let text = json::text(body);
    let json = json::parse(&text).ok()?;
    let found = match json.row() {
        Some(row) => message_of(row),
        None => json.as_text().filter(|text| !text.starts_with('<')).map(str::to_owned),
    }?;
    let found = redacted(&found, secrets);
    let words: Vec<&str> =
        found.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    Some(without_addresses(&words.join(" ")).chars().take(200).collect::<String>())
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
    fn what_is_no_token_says_so_without_quoting_it() {
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
            assert_eq!(error_message(body.as_bytes(), &[]).as_deref(), message, "{body}");
        }
        let long = format!(r#"{{"message":"{}"}}"#, "ä".repeat(999));
        assert_eq!(error_message(long.as_bytes(), &[]).unwrap().chars().count(), 200);
        let cut = format!(r#"{{"message":"{} anna@example.com"}}"#, "ä".repeat(194));
        assert!(error_message(cut.as_bytes(), &[]).unwrap().ends_with("ä <addr"), "never half an address");
        let token = "t".repeat(300);
        let echoed = format!(r#"{{"message":"no {token}"}}"#);
        assert_eq!(error_message(echoed.as_bytes(), &[&token]).as_deref(), Some("no <secret>"), "never half a token");
    }
}
