//! Test helpers shared by several crates. Not part of the exporter.

#![allow(
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "a test may panic, and written numbers are parsed exactly"
)]

pub mod checker;
