//! Content negotiation: the headers `Accept` and `Accept-Encoding` (RFC 9110, section 12.5).

use std::cmp::Reverse;

use super::Format;

/// Selects the format from the header `Accept`.
///
/// Each format gets the quality of the most specific media range that matches it. OpenMetrics is used if it is named
/// and its quality is not lower than that of text; at equal quality the more specific range wins, then the first. An
/// unknown version does not match. Every other request gets the text format, which every scraper can read.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let ranges: Vec<_> = elements(accept).collect();
    let openmetrics = preference(&ranges, "application/openmetrics-text", &["1.0.0", "0.0.1"]);
    let text = preference(&ranges, "text/plain", &["0.0.4"]);
    let named = openmetrics.is_some_and(|(_, specificity, _)| specificity == 2);
    if named && openmetrics > text { Format::OpenMetrics } else { Format::Text }
}

/// Whether to compress the response, from the header `Accept-Encoding`: gzip is accepted, with a quality not below that
/// of `identity` if that is named.
#[must_use]
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let codings: Vec<_> = elements(accept_encoding).collect();
    let quality = |name: &str| codings.iter().find(|coding| coding.name.eq_ignore_ascii_case(name)).map(|c| c.quality);
    let gzip = quality("gzip").or_else(|| quality("x-gzip")).or_else(|| quality("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= quality("identity").unwrap_or(0.0)
}

/// One element of the header's list.
struct Element<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// The quality, from 0 (never) to 1.
    quality: f32,
}

/// The elements that can be parsed; one with an invalid quality is ignored.
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

/// The preference of a media type: quality, then how specific the matching range is (2 exact, 1 `type/*`, 0 `*/*`),
/// then whether it comes first. `None` if it is not acceptable.
fn preference(ranges: &[Element<'_>], media_type: &str, versions: &[&str]) -> Option<(f32, u8, Reverse<usize>)> {
    let kind = media_type.split_once('/').map_or(media_type, |(kind, _)| kind);
    let covering = ranges.iter().enumerate().filter_map(|(position, range)| {
        let specificity = match range.name.split_once('/')? {
            _ if range.name.eq_ignore_ascii_case(media_type) => 2,
            (range, "*") if range.eq_ignore_ascii_case(kind) => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let version = range.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case("version"));
        version.is_none_or(|(_, version)| versions.contains(version)).then_some((specificity, range.quality, position))
    });
    let best = covering.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(b.2.cmp(&a.2)));
    let (specificity, quality, position) = best.filter(|&(_, quality, _)| quality > 0.0)?;
    Some((quality, specificity, Reverse(position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_negotiated() {
        const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2";
        const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2";
        const PROTOBUF_FIRST: &str = "application/vnd.google.protobuf;\
             proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
             application/openmetrics-text;version=1.0.0;q=0.6,\
             text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2";
        for accept in [
            PROMETHEUS_2,
            PROMETHEUS_3,
            PROTOBUF_FIRST,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=0.001",
            "application/openmetrics-text; version=0.0.1",
            "application/openmetrics-text, text/plain",
            "*/*, application/openmetrics-text",
            "text/*, application/openmetrics-text",
            "text/plain;q=0.1, */*;q=0.9, application/openmetrics-text;q=0.2",
            "text/plain;version=1.0.0, application/openmetrics-text;q=0.2",
        ] {
            assert_eq!(negotiate(Some(accept)), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            ",;, ;q=1",
            "*/*",
            "application/*",
            "*/*;q=0.9, text/plain;q=0.1",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;version=0.0.4;q=0.3, application/openmetrics-text;version=1.0.0;q=0.2",
            "text/plain, application/openmetrics-text",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.000, */*",
            "application/openmetrics-text;version=2.0.0, */*;q=0.1",
            "application/openmetrics-text;q=1.5",
            "application/openmetrics-text;q=NaN",
            "application/openmetrics-text;q=",
            "application/openmetrics-textual",
            "xapplication/openmetrics-text",
            "application/vnd.google.protobuf",
            "application/json",
        ] {
            assert_eq!(negotiate(Some(accept)), Format::Text, "{accept}");
        }
        assert_eq!(negotiate(None), Format::Text);
    }

    #[test]
    fn compression_is_negotiated() {
        for (accept, accepted) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0.001, *;q=0", true),
            ("*", true),
            ("identity;q=0.5, gzip;q=1.0", true),
            ("identity, gzip", true),
            ("identity;q=0, *;q=0.1", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0.0, *", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("br, zstd, deflate", false),
            ("gzipped", false),
            ("gzip;q=much", false),
        ] {
            assert_eq!(accepts_gzip(Some(accept)), accepted, "{accept}");
        }
        assert!(!accepts_gzip(None));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_answered(header in "[a-z/*;,=q0-9. \"-]{0,60}|\\PC{0,60}") {
            let _ = (negotiate(Some(&header)), accepts_gzip(Some(&header)));
        }
    }
}
