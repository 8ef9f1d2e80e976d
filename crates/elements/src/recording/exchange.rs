//! Writes the file of one exchange.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use url::Url;

use super::forms;
use super::rewrite::{Rewriter, quoted};

/// The words of the API's paths. Every other word in a path may be an id.
const PATH_WORDS: &[&str] = &[
    "3rd-party-products",
    "avpt-products",
    "batch",
    "cloud-backup-m365",
    "customers",
    "external",
    "general",
    "jobs",
    "overview",
    "partner",
    "services",
    "tenants",
    "type",
    "v3",
];
const MEDIA_TYPES: &[&str] =
    &["application/json", "application/problem+json", "application/xml", "text/html", "text/plain", "text/xml"];

/// A request and how it ended, as it came.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The partner's name in the configuration.
    pub partner: &'a str,
    /// The endpoint's name in this project, or `token`.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: &'a str,
    /// Where it was sent.
    pub url: &'a Url,
    /// The request's body, if it is JSON without secrets.
    pub request: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// How long it took.
    pub took: Duration,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// With a response.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Those of [`super::HEADERS`] that came.
        headers: &'a [(&'static str, String)],
        /// The decompressed body.
        body: &'a [u8],
    },
    /// Without a complete response; the word of the reason.
    Failed(&'static str),
}

/// The file of an exchange.
pub(super) fn document(exchange: &Exchange<'_>, rewriter: &mut Rewriter<'_>) -> String {
    let Exchange { operation, method, url, request, outcome, took, .. } = exchange;
    let path = if *operation == "token" { "/connect/token".to_owned() } else { path(url, rewriter) };
    let sent = request.and_then(|request| rewriter.body(request, 4));
    let sent = sent.map(|body| format!(",\n    \"body\": {body}")).unwrap_or_default();
    let ended = match outcome {
        Outcome::Failed(reason) => format!("\"failure\": {}", quoted(reason)),
        Outcome::Answered { status, headers, body } => {
            let headers: Map<String, Value> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), header(value).into())).collect();
            let headers = Value::Object(headers);
            let milliseconds = took.as_millis();
            let body = response(body, rewriter);
            format!(
                "\"response\": {{\n    \"status\": {status},\n    \"headers\": {headers},\n    \
                 \"milliseconds\": {milliseconds}{body}\n  }}"
            )
        }
    };
    let (operation, method, path) = (quoted(operation), quoted(method), quoted(&path));
    format!(
        "{{\n  \"operation\": {operation},\n  \"request\": {{\n    \"method\": {method},\n    \"path\": {path}{sent}\n  }},\n  \
         {ended}\n}}\n"
    )
}

/// The JSON member with the body; empty if the body is empty. Of a body that is not JSON, only kind and length are
/// kept.
fn response(body: &[u8], rewriter: &mut Rewriter<'_>) -> String {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body));
    if text.trim().is_empty() {
        return String::new();
    }
    if let Some(body) = rewriter.body(&text, 4) {
        return format!(",\n    \"body\": {body}");
    }
    let start = text.trim_start();
    let kind = match start.chars().next() {
        Some('<') => "markup",
        Some('{' | '[') => "broken JSON",
        _ => "text",
    };
    format!(",\n    \"not_json\": {{\"kind\": {}, \"bytes\": {}}}", quoted(kind), body.len())
}

/// The path and the query from the API's own first word on, with pseudonyms for ids.
fn path(url: &Url, rewriter: &mut Rewriter<'_>) -> String {
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<String> = url.path_segments().into_iter().flatten().map(decode).collect();
    let begin = segments.windows(2).position(|two| two == ["partner", "external"]).unwrap_or(0);
    let (mut clean, mut before) = (Vec::new(), "");
    for segment in segments.get(begin..).unwrap_or_default() {
        let is_id = before == "customers" && !["services", "batch"].contains(&segment.as_str());
        let is_plain = PATH_WORDS.contains(&segment.as_str()) || segment.bytes().all(|byte| byte.is_ascii_digit());
        clean.push(if is_plain && !is_id { segment.clone() } else { rewriter.id(segment) });
        before = segment;
    }
    let query: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| {
            let value = if forms::is_value(&value) { value.into_owned() } else { rewriter.id(&value) };
            (name.into_owned(), value)
        })
        .collect();
    let mut replaced = url.clone();
    if let Ok(mut segments) = replaced.path_segments_mut() {
        segments.clear().extend(&clean);
    }
    replaced.set_query(None);
    if !query.is_empty() {
        replaced.query_pairs_mut().extend_pairs(query);
    }
    let query = replaced.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", replaced.path())
}

/// A header's value, if it is a number, a date, or a known media type with a charset.
fn header(value: &str) -> String {
    let value = value.trim();
    let (media_type, charset) = value.split_once(';').unwrap_or((value, ""));
    let is_known = |list: &[&str], text: &str| list.iter().any(|known| known.eq_ignore_ascii_case(text.trim()));
    let is_media_type = is_known(MEDIA_TYPES, media_type) && is_known(&["", "charset=utf-8"], charset);
    // `100, 100;w=60` of the drafts for rate limits
    let is_limit = |part: &str| {
        let part = part.trim();
        let number =
            ["w=", "limit=", "remaining=", "reset=", "r=", "t=", "q="].iter().find_map(|name| part.strip_prefix(name));
        forms::is_value(number.unwrap_or(part))
    };
    let stays = is_media_type || forms::is_http_date(value) || value.split([',', ';']).all(is_limit);
    if stays { value.to_owned() } else { "removed".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_without_personal_data_are_kept() {
        for value in [
            "application/json; charset=utf-8",
            "text/html",
            "30",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "100, 100;w=60",
            "limit=5, reset=1",
        ] {
            assert_eq!(header(value), value);
        }
        for value in ["application/contoso", "text/html; charset=contoso", "contoso", "limit=contoso"] {
            assert_eq!(header(value), "removed");
        }
    }
}
