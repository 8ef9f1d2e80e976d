//! Frames of HTTP/2 (RFC 9113) written by hand, for what no client library would send.
//!
//! This file stands once and is built twice: here, and by `tests/hostile.rs`.

#![allow(dead_code, reason = "each of the two uses a part")]

/// What a client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Kinds.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

// Flags: `ACK` of SETTINGS and PING, the others of HEADERS, `END_STREAM` of DATA, too.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `:method GET` and `:method POST` of HPACK's static table.
pub(crate) const GET: u8 = 0x82;
pub(crate) const POST: u8 = 0x83;

/// The frame, its head included.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS with `SETTINGS_INITIAL_WINDOW_SIZE`: what may be sent of an answer before the client gives more.
pub(crate) fn initial_window(bytes: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

/// A whole head in HPACK: `:scheme http` of the static table, `:path` and `:authority` written out.
pub(crate) fn head(method: u8, path: &str) -> Vec<u8> {
    [&[method, 0x86, 0x04, u8::try_from(path.len()).unwrap()], path.as_bytes(), &[0x01, 1], b"x"].concat()
}

/// A request without a body.
pub(crate) fn get(path: &str, stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head(GET, path))
}
