//! Compares two configurations: decides what a reload keeps.

use elements::RegistrationKey;
use secrecy::ExposeSecret as _;

use super::credential::{CertificateSource, Credential, SecretSource};
use super::settings::{CustomerSettings, PartnerSettings};

impl PartnerSettings {
    /// Whether both settings send requests in the same way, with the same registration, to the same hosts. Credentials
    /// are equal if they have the same source: the content of the source may change without a reload.
    #[must_use]
    pub fn same_connection(&self, other: &Self) -> bool {
        self.name == other.name
            && self.api_url == other.api_url
            && self.same_registration(other)
            && self.credential.same_source(&other.credential)
            && self.budget == other.budget
            && self.proxy_url == other.proxy_url
            && self.ca_file == other.ca_file
    }

    /// The app registration: all partners with the same key share its budget and its tokens.
    #[must_use]
    pub fn registration_key(&self) -> RegistrationKey {
        RegistrationKey::new(&self.client_id, &self.token_url)
    }

    /// Whether both use the same app registration.
    #[must_use]
    pub fn same_registration(&self, other: &Self) -> bool {
        self.registration_key() == other.registration_key()
    }
}

impl CustomerSettings {
    /// Whether a listing may contain customers that these settings include and the old ones excluded. Customers of
    /// `list` do not count, because their ids are known.
    #[must_use]
    pub fn widens_discovery(&self, before: &Self) -> bool {
        let more = |now: &[String], before: &[String]| now.iter().any(|glob| !before.contains(glob));
        self.discover
            && (!before.discover
                || self.max > before.max
                || more(&self.include, &before.include)
                || more(&before.exclude, &self.exclude))
    }
}

impl Credential {
    fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::ClientSecret { source: a, expires: a_expires, .. },
                Self::ClientSecret { source: b, expires: b_expires, .. },
            ) => a == b && a_expires == b_expires,
            (Self::Certificate { source: a, .. }, Self::Certificate { source: b, .. }) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for SecretSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a.expose_secret() == b.expose_secret(),
            (Self::File(a), Self::File(b)) => a == b,
            (Self::Env(a), Self::Env(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for CertificateSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pem { cert_file: a, key_file: a_key }, Self::Pem { cert_file: b, key_file: b_key }) => {
                a == b && a_key == b_key
            }
            (Self::Pfx { pfx_file: a, password: a_password }, Self::Pfx { pfx_file: b, password: b_password }) => {
                a == b && a_password == b_password
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_narrower_discovers_nobody_new() {
        let settings = |discover, include: &[&str], exclude: &[&str]| {
            let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
            let (include, exclude) = (texts(include), texts(exclude));
            CustomerSettings { discover, include, exclude, only: vec![], list: vec![], max: 1 }
        };
        let before = settings(true, &["a*", "b*"], &["*test*"]);
        for (now, more) in [
            (settings(true, &["b*", "a*"], &["*test*"]), false),
            (settings(true, &["a*"], &["*test*", "*old*"]), false),
            (settings(false, &["*"], &[]), false),
            (settings(true, &["a*", "b*", "c*"], &["*test*"]), true),
            (settings(true, &["a*", "b*"], &[]), true),
        ] {
            assert_eq!(now.widens_discovery(&before), more, "{now:?}");
        }
        assert!(before.widens_discovery(&settings(false, &["a*", "b*"], &["*test*"])));
    }
}
