//! Checks each request before its handler: rate limit, host, password. Adds the headers of every response.

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::Access;
use super::headers::set_defaults;
use super::passwords::Verdict;
use super::web_config::WebConfig;
use crate::host::HostCheck;

impl Access {
    /// Responds with a refusal, or with the response of the router.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        hosts: &HostCheck,
        pages: TowerToHyperService<Router>,
    ) -> Response {
        let config = self.config().await;
        let mut response = match self.refuse(&config, hosts, &request).await {
            Some(refusal) => refusal,
            None => match pages.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        set_defaults(response.headers_mut());
        for (name, value) in &config.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    async fn refuse(&self, config: &WebConfig, hosts: &HostCheck, request: &Request<Incoming>) -> Option<Response> {
        if config.rate.as_ref().is_some_and(|rate| !rate.try_acquire()) {
            return Some(refusal(StatusCode::TOO_MANY_REQUESTS));
        }
        if let Some((status, reason)) = hosts.refuse(request) {
            return Some((status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], reason).into_response());
        }
        if config.users.is_empty() {
            return None;
        }
        let verdict = match basic_auth(request.headers()) {
            Some((user, password)) => self.0.passwords.verify(&config.users, &user, password).await,
            None => Verdict::Rejected,
        };
        match verdict {
            Verdict::Accepted => None,
            Verdict::Rejected => {
                let mut response = refusal(StatusCode::UNAUTHORIZED);
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
                Some(response)
            }
            Verdict::Busy => {
                let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                Some(response)
            }
        }
    }
}

fn refusal(status: StatusCode) -> Response {
    let text = format!("{}\n", status.canonical_reason().unwrap_or_default());
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// User and password of a request with basic authentication.
fn basic_auth(headers: &HeaderMap) -> Option<(String, SecretSlice<u8>)> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = SecretSlice::from(STANDARD.decode(credentials).ok()?);
    let mut parts = decoded.expose_secret().splitn(2, |&byte| byte == b':');
    let (user, password) = (parts.next()?, parts.next()?);
    Some((String::from_utf8_lossy(user).into_owned(), password.to_vec().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, Vec<u8>)> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
        basic_auth(&headers).map(|(user, password)| (user, password.expose_secret().to_vec()))
    }

    #[test]
    fn credentials_are_read_as_they_are_sent() {
        let sent = |text: &str| format!("bAsIc {}", STANDARD.encode(text));
        let some = |user: &str, password: &str| Some((user.to_owned(), password.as_bytes().to_vec()));
        assert_eq!(read(&sent("alice:one")), some("alice", "one"));
        assert_eq!(read(&sent("alice:o:n:e")), some("alice", "o:n:e"));
        assert_eq!(read(&sent(":")), some("", ""));
        for nothing in [&sent("alice"), "Basic", "Basic ", "Basic !!!", "Bearer YTpi", "Basic YTpi x"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        assert_eq!(basic_auth(&HeaderMap::new()).map(|_| ()), None);
    }
}
