//! Texts of the other side without the secrets that it may have echoed.
//!
//! To be called before a text is cut: half a secret is one. Only what the other side said is looked at, never our own
//! words around it.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use url::form_urlencoded;

const INSTEAD: &str = "<secret>";
/// A shorter secret is looked for as a whole word only: a single letter would turn every sentence into `<secret>`s.
const SHORTEST_PART: usize = 4;

/// The text with `<secret>` where one of the secrets stands: as it is, percent-encoded, in base64 or in hexadecimal
/// digits, in any ASCII letter case, since hosts are written in lower case.
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
fn forms(secret: &str) -> [String; 7] {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [
        secret.to_owned(),
        form.replace('+', "%20"),
        form,
        BASE64_STANDARD.encode(secret),
        BASE64_STANDARD_NO_PAD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    ]
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
