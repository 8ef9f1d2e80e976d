//! Texts of the other side without the secrets that it may have echoed.
//!
//! To be called before a text is cut: half a secret is one. Only what the other side said is looked at, never our own
//! words around it.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

const INSTEAD: &str = "<secret>";
/// A shorter secret is looked for as a whole word only: a single letter would turn every sentence into `<secret>`s.
const SHORTEST_PART: usize = 4;

/// Where a client without `proxy_url` looks for one.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];

/// What becomes of characters in a JSON text within a text, and in HTML, as the careful and the less careful write them.
const ESCAPES: [&[(char, &str)]; 5] = [
    &[('"', r#"\""#), ('\\', r"\\")],
    &[('"', r#"\""#), ('\\', r"\\"), ('/', r"\/")],
    &[
        ('"', r"\u0022"),
        ('\\', r"\\"),
        ('&', r"\u0026"),
        ('\'', r"\u0027"),
        ('+', r"\u002B"),
        ('<', r"\u003C"),
        ('>', r"\u003E"),
        ('`', r"\u0060"),
    ],
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")],
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;"), ('+', "&#x2B;")],
];

/// What a proxy is sent besides the request, and may say back: user and password.
#[derive(Clone, Debug)]
pub(super) struct ProxySecrets(Arc<[SecretString]>);

impl ProxySecrets {
    /// Those of `proxy_url`; without one, of the proxies that the environment names.
    pub(super) fn new(proxy_url: Option<&Url>) -> Self {
        let urls: Vec<Zeroizing<String>> = match proxy_url {
            Some(url) => vec![url.as_str().to_owned().into()],
            None => PROXY_VARIABLES.iter().filter_map(|name| Some(std::env::var(name).ok()?.into())).collect(),
        };
        Self(urls.iter().flat_map(|url| user_info(url)).map(SecretString::from).collect())
    }

    /// These and another one.
    pub(super) fn and<'a>(&'a self, secret: &'a str) -> Vec<&'a str> {
        self.0.iter().map(ExposeSecret::expose_secret).chain([secret]).collect()
    }
}

/// `user:password` and the password (the user, where there is none), as they are written and as they are sent.
fn user_info(url: &str) -> BTreeSet<String> {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((written, _)) = authority.rsplit_once('@') else { return BTreeSet::new() };
    let (user, password) = written.split_once(':').unwrap_or((written, ""));
    let secret = if password.is_empty() { user } else { password };
    let sent = format!("{}:{}", percent_decoded(user), percent_decoded(password));
    [written.to_owned(), sent, secret.to_owned(), percent_decoded(secret)].into()
}

fn percent_decoded(text: &str) -> String {
    // One value of a form, in which these would mean something else.
    let form = text.replace('+', "%2B").replace('&', "%26");
    form_urlencoded::parse(format!("={form}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

/// The text with `<secret>` where one of the secrets stands: as it is, percent-encoded, in base64 or in hexadecimal
/// digits, escaped as in HTML or in JSON within the text, in any ASCII letter case, since hosts are written in lower case.
pub(super) fn redacted(text: &str, secrets: &[&str]) -> String {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    for form in secrets.iter().filter(|secret| !secret.is_empty()).flat_map(|secret| forms(secret)) {
        let form = form.as_bytes();
        let places = bytes.windows(form.len()).enumerate();
        found.extend(places.filter(|(_, window)| window.eq_ignore_ascii_case(form)).filter_map(|(start, _)| {
            let end = start + form.len();
            (form.len() >= SHORTEST_PART || is_word(bytes, start, end)).then_some((start, end))
        }));
    }
    found.sort_unstable();
    let (mut clean, mut kept) = (String::with_capacity(text.len()), 0);
    for (start, end) in found {
        if start >= kept {
            clean.push_str(text.get(kept..start).unwrap_or_default());
            clean.push_str(INSTEAD);
        }
        kept = kept.max(end);
    }
    clean.push_str(text.get(kept..).unwrap_or_default());
    clean
}

/// Whether one of the secrets stands in the text.
pub(super) fn holds_secret(text: &str, secrets: &[&str]) -> bool {
    redacted(text, secrets) != text
}

/// What a secret may look like when it comes back.
fn forms(secret: &str) -> BTreeSet<String> {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let escaped = ESCAPES.iter().map(|escapes| {
        let escape = |c| escapes.iter().find(|(plain, _)| *plain == c);
        secret.chars().map(|c| escape(c).map_or_else(|| c.to_string(), |(_, escape)| (*escape).to_owned())).collect()
    });
    let encoded = [
        secret.to_owned(),
        form.replace('+', "%20"),
        form,
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    ];
    encoded.into_iter().chain(escaped).collect()
}

fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    // A byte beyond ASCII belongs to a letter.
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    !is_part(start.checked_sub(1).and_then(|before| text.get(before))) && !is_part(text.get(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        for text in
            ["a+b c/d", "a%2Bb+c%2Fd", "a%2Bb%20c%2Fd", "A%2bB%20C%2fD", "YStiIGMvZA==", "YStiIGMvZA", "612b6220632f64"]
        {
            assert_eq!(redacted(&format!("no <{text}>!"), &["a+b c/d"]), "no <<secret>>!", "{text}");
        }
        for text in [
            r#"a\"b&c\\d/e+f'g"#,
            r#"a\"b&c\\d\/e+f'g"#,
            r"a\u0022b\u0026c\\d/e\u002Bf\u0027g",
            r"a&quot;b&amp;c\d/e+f&#39;g",
            r"a&quot;b&amp;c\d/e&#x2B;f&#x27;g",
        ] {
            assert_eq!(redacted(&format!("no <{text}>!"), &[r#"a"b&c\d/e+f'g"#]), "no <<secret>>!", "{text}");
        }
        assert_eq!(redacted("HUNTER2.example.com", &["Hunter2"]), "<secret>.example.com");
        assert_eq!(redacted("one two", &["two", "", "one"]), "<secret> <secret>");
        assert_eq!(redacted("abcdefgh", &["abcdef", "cdefgh"]), "<secret>", "they overlap");
        assert_eq!(redacted("secret", &["secret"]), "<secret>", "what stands for it is not looked at again");
    }

    #[test]
    fn a_short_secret_does_not_mangle_what_is_said() {
        assert_eq!(redacted("a bad case, e.g. a=1", &["a"]), "<secret> bad case, e.g. <secret>=1");
        assert_eq!(redacted("no such client: abc, abcd", &["abc"]), "no such client: <secret>, abcd");
        assert_eq!(redacted("grün", &["gr"]), "grün");
    }

    #[test]
    fn what_a_proxy_is_sent_is_a_secret() {
        for (url, secrets) in [
            ("http://bob:hunter2@proxy.example.com:3128", &["bob:hunter2", "hunter2"][..]),
            ("http://bob:h%40n+%26t@proxy.example.com/", &["bob:h%40n+%26t", "bob:h@n+&t", "h%40n+%26t", "h@n+&t"]),
            ("bob:hunter2@proxy.example.com:3128", &["bob:hunter2", "hunter2"]),
            ("http://token@proxy.example.com", &["token", "token:"]),
            ("http://proxy.example.com/@", &[]),
        ] {
            assert_eq!(user_info(url).iter().collect::<Vec<_>>(), secrets, "{url}");
        }
        let proxy = ProxySecrets::new(Some(&"http://bob:hunter2@proxy.example.com".parse().unwrap()));
        let said = format!("no: Basic {}, bob:hunter2, hunter2, token", BASE64_STANDARD.encode("bob:hunter2"));
        assert_eq!(redacted(&said, &proxy.and("token")), "no: Basic <secret>, <secret>, <secret>, <secret>");
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn nothing_of_it_is_left(before in "\\PC{0,9}", secret in "[!-~ä]{4,20}", after in "\\PC{0,9}") {
            for form in forms(&secret) {
                let clean = redacted(&format!("{before}{form}{after}"), &[&secret]);
                prop_assert!(!clean.replace(INSTEAD, "\0").contains(&form), "{}", clean);
            }
        }

        #[test]
        fn what_holds_none_stays(text in "\\PC{0,30}") {
            prop_assert_eq!(redacted(&text, &["\u{1}\u{2}\u{3}\u{4}"]), text);
        }
    }
}
