//! What a scraper can read: the headers `Accept` and `Accept-Encoding` (RFC 9110, 12.5).

use std::cmp::Reverse;

use super::Format;

/// The format to answer with, by the header `Accept`.
///
/// Each format has the quality of the most specific range that covers it. OpenMetrics is for those who name it and do
/// not like text better; if both are liked the same, the more specific range wins, then the first. A version that is
/// not known is not covered. Whatever else is asked for is answered with text, which every scraper reads.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let ranges: Vec<_> = elements(accept).collect();
    let openmetrics = preference(&ranges, "application", "openmetrics-text", &["1.0.0", "0.0.1"]);
    let text = preference(&ranges, "text", "plain", &["0.0.4"]);
    let named = openmetrics.is_some_and(|(_, specificity, _)| specificity == 2);
    if named && openmetrics > text { Format::OpenMetrics } else { Format::Text }
}

/// Whether to answer compressed, by the header `Accept-Encoding`: gzip is accepted, and not less than `identity`
/// where that is named.
#[must_use]
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let codings: Vec<_> = elements(accept_encoding).collect();
    let quality = |name: &str| codings.iter().find(|coding| coding.name.eq_ignore_ascii_case(name)).map(|c| c.quality);
    let gzip = quality("gzip").or_else(|| quality("x-gzip")).or_else(|| quality("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= quality("identity").unwrap_or(0.0)
}

/// An element of the list that such a header is.
struct Element<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// From 0 (never) to 1.
    quality: f32,
}

/// The elements that can be read; one with a quality that is none is left out.
fn elements(header: Option<&str>) -> impl Iterator<Item = Element<'_>> {
    header.unwrap_or_default().split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut parameters = Vec::new();
        let mut quality = 1.0;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            if key.eq_ignore_ascii_case("q") {
                quality = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
            } else {
                parameters.push((key, value));
            }
        }
        Some(Element { name, parameters, quality })
    })
}

/// How much a media type is wanted: quality, then how specific the range is that covers it (2 itself, 1 `type/*`,
/// 0 `*/*`), then whether it comes first. `None` if it is not wanted.
fn preference(
    ranges: &[Element<'_>],
    kind: &str,
    subtype: &str,
    versions: &[&str],
) -> Option<(f32, u8, Reverse<usize>)> {
    let covering = ranges.iter().enumerate().filter_map(|(position, range)| {
        let (range_kind, range_subtype) = range.name.split_once('/')?;
        let specificity = match (range_kind, range_subtype) {
            ("*", "*") => 0,
            (range_kind, "*") if range_kind.eq_ignore_ascii_case(kind) => 1,
            (range_kind, range_subtype)
                if range_kind.eq_ignore_ascii_case(kind) && range_subtype.eq_ignore_ascii_case(subtype) =>
            {
                2
            }
            _ => return None,
        };
        let version = range.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case("version"));
        version.is_none_or(|(_, version)| versions.contains(version)).then_some((specificity, range.quality, position))
    });
    let best = covering.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)));
    best.filter(|&(_, quality, _)| quality > 0.0)
        .map(|(specificity, quality, position)| (quality, specificity, Reverse(position)))
}
