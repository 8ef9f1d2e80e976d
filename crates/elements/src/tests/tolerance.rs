//! Responses that violate the HTTP grammar and can be read anyway.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::say_with;
use super::*;
use crate::types::FailureReason;

/// A server whose only response to the API has these header lines.
async fn with_headers(lines: &str) -> Server {
    let response = format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n{SEATS_BODY}", SEATS_BODY.len());
    server(move |_| Say::Bytes(response.clone().into_bytes())).await
}

#[tokio::test]
async fn odd_header_lines_are_tolerated() {
    let many = (0..300).fold(String::new(), |lines, number| lines + &format!("x-policy-{number}: applied\r\n"));
    for lines in [
        "x-folded: one\r\n  two\r\n",
        "x-space : before the colon\r\n",
        "no colon at all\r\n",
        "x(odd)name: y\r\n",
        "x-control: a\u{1}b\r\n",
        "x-latin: caf\u{e9}\r\n",
        ": no name\r\n",
        &many,
    ] {
        let server = with_headers(lines).await;
        let client = client(&settings(&server));
        assert!(ask(&client, SEATS).await.is_ok(), "{:?}", &lines[..lines.len().min(40)]);
        assert_eq!(server.seen_on("overview").len(), 1, "at the first request");
    }
}

#[tokio::test]
async fn gzip_of_several_members_is_one_body() {
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (first, second) = SEATS_BODY.split_at(20);
    for coding in ["gzip", "GZIP", "x-gzip"] {
        let body = [gzip(first), gzip(second)].concat();
        let server = server(move |_| say_with(200, &[("content-encoding", coding)], &body)).await;
        let client = client(&settings(&server));
        assert!(ask(&client, SEATS).await.is_ok(), "{coding}");
        assert_eq!(server.seen_on("overview")[0].headers["accept-encoding"], "gzip");
    }
    // The limit applies to the decompressed size of all members.
    let body = gzip(&" ".repeat(512 * 1024)).repeat(3);
    let server = server(move |_| say_with(200, &[("content-encoding", "gzip")], &body)).await;
    let failure = failure(ask(&client(&settings(&server)), SEATS).await);
    assert_eq!(failure.reason, FailureReason::TooLarge, "{failure}");
}
