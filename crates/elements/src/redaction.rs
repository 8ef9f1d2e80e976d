//! Removes secrets from texts that a server sent, before they are logged or shown.
//!
//! These are replaced by `<secret>`: the secret itself (ignoring case, because hosts are written in lower case), with
//! any of its characters percent-encoded, in base64 of either alphabet at any offset, and the start of a long secret
//! with everything that follows it. Other encodings are not detected. A text is cut before it is searched, and each
//! secret costs one pass over it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use percent_encoding::percent_decode_str;
use url::Url;
use zeroize::Zeroizing;

const REDACTED: &str = "<secret>";
/// The number of bytes of a text that are searched. Messages are much shorter in the end.
const MAX_TEXT: usize = 4096;
/// A shorter secret is replaced only as a whole word: a single letter would turn every sentence into `<secret>`s.
const MIN_PART: usize = 4;
/// For a secret of at least [`LONG`] bytes, this many bytes of its start are enough to match.
const PREFIX: usize = 8;
const LONG: usize = 16;
/// The minimum and maximum number of base64 characters to search for.
const BASE64_NEEDLE: Range<usize> = 6..12;

/// The environment variables in which a client without `proxy_url` looks for a proxy.
const PROXY_VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];

/// A secret and its search patterns. Cheap to clone; zeroed with the last clone. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct Secret(Arc<Forms>);

struct Forms {
    plain: Zeroizing<Vec<u8>>,
    /// The start of its base64 form, at each of the three alignments.
    base64: Vec<Zeroizing<Vec<u8>>>,
}

impl Secret {
    pub(super) fn new(secret: &str) -> Self {
        let base64 = (0..3).filter_map(|offset| base64_needle(secret.as_bytes(), offset)).collect();
        Self(Arc::new(Forms { plain: Zeroizing::new(secret.as_bytes().to_vec()), base64 }))
    }

    /// All positions where it occurs.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            match self.plain_at(text, at).or_else(|| self.base64_at(text, at)) {
                Some(place) => {
                    at = place.end;
                    found.push(place);
                }
                None => at += 1,
            }
        }
        found
    }

    fn plain_at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let ends = [false, true].map(|decode| self.plain_end(text, at, decode));
        ends.into_iter().flatten().max().map(|end| at..end)
    }

    /// The end of an occurrence that starts at `at`.
    fn plain_end(&self, text: &[u8], at: usize, percent_decode: bool) -> Option<usize> {
        let secret = self.0.plain.as_slice();
        let (mut end, mut matched) = (at, 0);
        while let Some(length) = secret.get(matched).and_then(|&byte| length_of(byte, text, end, percent_decode)) {
            end += length;
            matched += 1;
        }
        let whole = matched > 0 && matched == secret.len() && (matched >= MIN_PART || is_word(text, at, end));
        (whole || (secret.len() >= LONG && matched >= PREFIX)).then_some(end)
    }

    /// The whole base64 run that contains the match at `at`.
    fn base64_at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let rest = text.get(at..)?;
        let matches = |needle: &[u8]| {
            rest.len() >= needle.len() && needle.iter().zip(rest).all(|(wanted, &byte)| *wanted == standard(byte))
        };
        let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        self.0.base64.iter().any(|needle| matches(needle)).then(|| {
            let before = text.get(..at).unwrap_or_default().iter().rev().take_while(is_base64).count();
            at - before..at + rest.iter().take_while(is_base64).count()
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The secrets that one HTTP exchange may reveal. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Creates the set; empty secrets are ignored.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.is_empty()).map(Secret::new).collect())
    }

    /// The credentials sent to a proxy, which it may echo, user and password: of `proxy_url`, or of the proxies in the
    /// environment.
    pub(super) fn of_proxy(proxy_url: Option<&Url>) -> Self {
        let urls: Vec<Zeroizing<String>> = match proxy_url {
            Some(url) => vec![url.as_str().to_owned().into()],
            None => PROXY_VARIABLES.iter().filter_map(|name| Some(std::env::var(name).ok()?.into())).collect(),
        };
        let secrets: Vec<Zeroizing<String>> = urls.iter().flat_map(|url| user_info(url)).collect();
        Self::new(secrets.iter().map(|secret| secret.as_str()))
    }

    /// Adds another secret.
    pub(super) fn and(&self, secret: &Secret) -> Self {
        Self([&self.0[..], std::slice::from_ref(secret)].concat())
    }

    /// The first 4 KiB of the text, with every secret replaced by `<secret>`.
    pub(super) fn redact(&self, text: &str) -> String {
        let searched = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
        let mut found: Vec<_> = self.0.iter().flat_map(|secret| secret.find(searched.as_bytes())).collect();
        found.sort_unstable_by_key(|place| place.start);
        let (mut clean, mut kept) = (String::with_capacity(searched.len()), 0);
        for Range { start, end } in found {
            if start >= kept {
                clean.push_str(searched.get(kept..start).unwrap_or_default());
                clean.push_str(REDACTED);
            }
            kept = kept.max(end);
        }
        let rest = searched.get(kept..).unwrap_or_default();
        // At the cut, a secret may be too short to be recognised.
        let known = if searched.len() < text.len() { rest.len().saturating_sub(BASE64_NEEDLE.end) } else { rest.len() };
        clean.push_str(rest.get(..rest.floor_char_boundary(known)).unwrap_or_default());
        clean
    }

    /// Whether the text contains one of the secrets.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| !secret.find(text.as_bytes()).is_empty())
    }
}

/// The number of bytes of the text, from `at` on, that represent this byte of a secret.
fn length_of(byte: u8, text: &[u8], at: usize, percent_decode: bool) -> Option<usize> {
    let found = *text.get(at)?;
    if percent_decode && found == b'%' {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok())?;
        let decoded = u8::from_str_radix(digits, 16).ok()?;
        return decoded.eq_ignore_ascii_case(&byte).then_some(3);
    }
    (found.eq_ignore_ascii_case(&byte) || (percent_decode && (found, byte) == (b'+', b' '))).then_some(1)
}

/// The start of a secret in base64 after `offset` other bytes: the characters that depend only on the secret.
fn base64_needle(secret: &[u8], offset: usize) -> Option<Zeroizing<Vec<u8>>> {
    let start = secret.get(..BASE64_NEEDLE.end.min(secret.len()))?;
    let bytes = Zeroizing::new([&vec![0; offset], start].concat());
    let encoded = Zeroizing::new(BASE64_STANDARD_NO_PAD.encode(bytes.as_slice()));
    let known = (8 * offset).div_ceil(6)..8 * bytes.len() / 6;
    let needle = encoded.as_bytes().get(known)?;
    let needle = needle.get(..BASE64_NEEDLE.end.min(needle.len()))?;
    (needle.len() >= BASE64_NEEDLE.start).then(|| Zeroizing::new(needle.to_vec()))
}

/// Maps a character of the URL alphabet to the standard one.
fn standard(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    }
}

fn is_word(text: &[u8], start: usize, end: usize) -> bool {
    // A byte beyond ASCII is part of a letter.
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    !is_part(start.checked_sub(1).and_then(|before| text.get(before))) && !is_part(text.get(end))
}

/// `user:password` and the password (the user, if there is none), decoded.
fn user_info(url: &str) -> Vec<Zeroizing<String>> {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user_info, _)) = authority.rsplit_once('@') else { return Vec::new() };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decode = |text| Zeroizing::new(percent_decode_str(text).decode_utf8_lossy().into_owned());
    let (user, password) = (decode(user), decode(password));
    let both = Zeroizing::new(format!("{}:{}", *user, *password));
    vec![both, if password.is_empty() { user } else { password }]
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE;
    use proptest::prelude::*;
    use url::form_urlencoded;

    use super::*;

    fn redacted(text: &str, secrets: &[&str]) -> String {
        Secrets::new(secrets.iter().copied()).redact(text)
    }

    #[test]
    fn a_secret_is_found_as_it_is_percent_encoded_and_in_base64() {
        for text in
            ["a+b c/d", "a%2Bb+c%2Fd", "a%2Bb%20c%2Fd", "A%2bB%20C%2fD", "%61+b%20c/d", "YStiIGMvZA==", "YStiIGMvZA"]
        {
            assert_eq!(redacted(&format!("no <{text}>!"), &["a+b c/d"]), "no <<secret>>!", "{text}");
        }
        assert_eq!(redacted("HUNTER2.example.com", &["Hunter2"]), "<secret>.example.com");
        assert_eq!(redacted("100%25 and 100%", &["100%25"]), "<secret> and 100%");
        assert_eq!(redacted("one two", &["two", "", "one"]), "<secret> <secret>");
        assert_eq!(redacted("abcdefgh", &["abcdef", "cdefgh"]), "<secret>", "they overlap");
        assert_eq!(redacted("secret", &["secret"]), "<secret>", "what stands for it is not searched again");
    }

    #[test]
    fn a_short_secret_is_replaced_as_a_word_only() {
        assert_eq!(redacted("a bad case, e.g. a=1", &["a"]), "<secret> bad case, e.g. <secret>=1");
        assert_eq!(redacted("no such client: abc, abcd", &["abc"]), "no such client: <secret>, abcd");
        assert_eq!(redacted("grün", &["gr"]), "grün");
    }

    #[test]
    fn the_beginning_of_a_token_is_redacted_too() {
        let token = "eyJhbGciOiJSUzI1NiJ9.payload.signature";
        assert_eq!(redacted("token eyJhbGciOiJS... is not valid", &[token]), "token <secret>... is not valid");
        assert_eq!(redacted("token eyJhbGc... is not valid", &[token]), "token eyJhbGc... is not valid");
        assert_eq!(redacted("hunter2-hun", &["hunter2-hunter"]), "hunter2-hun", "of a short one, all of it");
    }

    #[test]
    fn credentials_of_a_proxy_are_secrets() {
        for (url, secrets) in [
            ("http://bob:hunter2@proxy.example.com:3128", &["bob:hunter2", "hunter2"][..]),
            ("http://bob:h%40n+%26t@proxy.example.com/", &["bob:h@n+&t", "h@n+&t"]),
            ("bob:hunter2@proxy.example.com:3128", &["bob:hunter2", "hunter2"]),
            ("http://token@proxy.example.com", &["token:", "token"]),
            ("http://proxy.example.com/@", &[]),
        ] {
            assert_eq!(user_info(url).iter().map(|secret| secret.as_str()).collect::<Vec<_>>(), secrets, "{url}");
        }
        let proxy = Secrets::of_proxy(Some(&"http://bob:hunter2@proxy.example.com".parse().unwrap()));
        let text = format!("no: Basic {}, bob:hunter2, hunter2, token", BASE64_STANDARD_NO_PAD.encode("bob:hunter2"));
        let clean = proxy.and(&Secret::new("token")).redact(&text);
        assert_eq!(clean, "no: Basic <secret>, <secret>, <secret>, <secret>");
        assert!(!format!("{proxy:?}").contains("hunter2"));
    }

    /// This takes minutes if each position of the text is compared with the whole token.
    #[test]
    fn a_large_token_in_a_large_message_is_one_pass() {
        let token = format!("{}b", "a".repeat(16 * 1024));
        let text = "a".repeat(64 * 1024);
        assert_eq!(redacted(&text, &[&token]), REDACTED);
        let long = format!("{} {}", "x".repeat(MAX_TEXT - 6), &token[..400]);
        assert_eq!(redacted(&long, &[&token]).trim_matches('x'), "", "its rest at the cut is removed too");
    }

    proptest! {
        /// In base64 of a longer text, the neighbours of a secret affect one character at each end.
        #[test]
        fn base64_is_found_at_every_alignment(
            before in proptest::collection::vec(any::<u8>(), 0..6),
            secret in "[!-~ä]{8,60}",
            after in proptest::collection::vec(any::<u8>(), 0..6),
        ) {
            let all = [&before, secret.as_bytes(), &after].concat();
            for encoded in [BASE64_STANDARD_NO_PAD.encode(&all), BASE64_URL_SAFE.encode(&all)] {
                prop_assert_eq!(redacted(&format!("no <{encoded}>!"), &[&secret]), "no <<secret>>!");
            }
        }

        #[test]
        fn no_part_of_a_secret_is_left(before in "\\PC{0,9}", secret in "[!-~ä]{4,20}", after in "\\PC{0,9}", upper: bool) {
            let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let encoded = if upper { encoded } else { encoded.to_ascii_lowercase() };
            for form in [&secret, &encoded] {
                let clean = redacted(&format!("{before}{form}{after}"), &[&secret]);
                prop_assert!(!clean.replace(REDACTED, "\0").contains(form.as_str()), "{}", clean);
            }
        }

        #[test]
        fn every_long_enough_beginning_is_found(secret in "[!-~]{16,40}", length in PREFIX..40) {
            let part = &secret[..length.min(secret.len())];
            prop_assert_eq!(redacted(&format!("no \u{1}{part}\u{1}!"), &[&secret]), "no \u{1}<secret>\u{1}!");
        }

        #[test]
        fn a_text_without_a_secret_is_unchanged(text in "\\PC{0,30}") {
            prop_assert_eq!(redacted(&text, &["\u{1}\u{2}\u{3}\u{4}"]), text);
        }
    }
}
