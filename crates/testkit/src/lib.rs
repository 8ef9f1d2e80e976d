//! What tests of several crates share. Not part of the exporter.

#![allow(
    clippy::float_cmp,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, and what is written is read again exactly"
)]

pub mod checker;
pub mod golden;
