//! The identity service's answer, and what error bodies say.

use std::time::Duration;

use secrecy::SecretString;

use super::json::{self, Json, Row};
use super::number;
use super::{Malformed, excerpt};

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
        Json::Text(kind) => {
            let kind = excerpt(kind, 16);
            return Err(Malformed::new(format!("expected \"token_type\" to be Bearer, got \"{kind}\"")));
        }
        other => return Err(Malformed::new(format!("expected \"token_type\" to be Bearer, got {}", other.kind()))),
    }
    let seconds = number::count(row.get("expires_in")).value().filter(|&seconds| seconds > 0).unwrap_or(USUAL_LIFE);
    Ok(Token { access_token: token.into(), expires_in: Duration::from_secs(seconds.min(LONGEST_LIFE)) })
}

/// What an error body says, on one line of at most 200 characters: `message`, OAuth's `error` with
/// `error_description`, `error.message`, a problem's `title` with `detail`, or a bare JSON string. `None` for HTML,
/// for text that is no JSON, and where nothing of these stands there.
#[must_use]
pub fn error_message(body: &[u8]) -> Option<String> {
    let text = json::text(body);
    let json = json::parse(&text).ok()?;
    let found = match json.row() {
        Some(row) => message_of(row),
        None => json.as_text().filter(|text| !text.starts_with('<')).map(str::to_owned),
    }?;
    let words: Vec<&str> =
        found.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    Some(words.join(" ").chars().take(200).collect::<String>()).filter(|message| !message.is_empty())
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
