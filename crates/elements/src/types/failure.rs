//! Failure reasons: a small closed enumeration.

use std::fmt;

/// The same string is the log field, the metric label `reason` and the text on the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// No complete response before the deadline.
    Timeout,
    /// No connection: refused, reset, no route, or the host name does not resolve.
    Connect,
    /// The TLS handshake failed: unknown CA, wrong name, no common version.
    Tls,
    /// 429.
    Throttled,
    /// 401, or the identity service refused the credential.
    Unauthorized,
    /// 403: the app lacks the permission, or the customer is out of its scope.
    Forbidden,
    /// 404, except where it means "the customer does not have this".
    NotFound,
    /// Any other 4xx.
    BadRequest,
    /// 5xx.
    ServerError,
    /// A 2xx response whose body does not match the endpoint, or an incomplete listing.
    Malformed,
    /// The body exceeds the size limit.
    TooLarge,
}

impl FailureReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::Throttled,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::BadRequest,
        Self::ServerError,
        Self::Malformed,
        Self::TooLarge,
    ];

    /// The string used in logs, labels and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::ServerError => "server_error",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
