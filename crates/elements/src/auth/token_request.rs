//! The body of a token request, and what its response means.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::PEER;
use super::token_state::TokenError;
use crate::RequestError;
use crate::decode::{self, Token};
use crate::redaction::Secrets;
use crate::response::Response;
use crate::types::{FailureReason, Scope};

/// The body of a token request.
pub(super) fn form(client_id: &str, scope: Scope, credential: &[(&str, Zeroizing<String>)]) -> String {
    // Percent-encoding needs up to three bytes per byte. A growing buffer would leave copies of the secret in memory.
    let length = credential.iter().map(|(name, value)| name.len() + 3 * value.len()).sum::<usize>();
    form_urlencoded::Serializer::new(String::with_capacity(256 + 3 * client_id.len() + length))
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client_id)
        .append_pair("scope", scope.permission())
        .extend_pairs(credential)
        .finish()
}

/// Bytes that are zeroed when their last owner drops them.
pub(super) fn wiped(text: String) -> Bytes {
    Bytes::from_owner(Zeroizing::new(text.into_bytes()))
}

/// The header and the lifetime of the token in a response to this secret. Errors quote nothing of the response except
/// OAuth's error code.
pub(super) fn read(response: Response, secret: &Secrets) -> Result<(HeaderValue, Duration), TokenError> {
    let Response { status, retry_after, request_id, body, .. } = response;
    let body = Zeroizing::new(body);
    let malformed = |problem: String| {
        RequestError::new(FailureReason::Malformed, format!("{PEER} answered {}: {problem}", status.as_u16()))
    };
    if status.is_success() {
        let token = decode::token(&body).map_err(|problem| malformed(problem.to_string())).and_then(|token| {
            let Token { access_token, expires_in } = token;
            let mut header = HeaderValue::from_maybe_shared(wiped(["Bearer ", access_token.expose_secret()].concat()))
                .map_err(|_| malformed("the token cannot stand in a header".to_owned()))?;
            header.set_sensitive(true);
            Ok((header, expires_in))
        });
        return token.map_err(|failure| RequestError { request_id, ..failure }.into());
    }
    let code = decode::oauth_error(&body);
    let mut failure = RequestError { request_id, ..RequestError::from_status(PEER, status, None, b"", secret) };
    match code.as_deref() {
        Some("invalid_client" | "unauthorized_client") => failure.reason = FailureReason::Unauthorized,
        // The registration lacks the permission of the scope.
        Some("invalid_scope") => (failure.reason, failure.not_granted) = (FailureReason::Forbidden, true),
        _ => {}
    }
    if let Some(code) = code.filter(|code| decode::OAUTH_ERRORS.contains(&code.as_str()) || !secret.are_in(code)) {
        failure.message = format!("{}: {code}", failure.message);
    }
    let refused = matches!(failure.reason, FailureReason::Unauthorized | FailureReason::Forbidden);
    Err(TokenError { failure, refused, retry_after })
}
