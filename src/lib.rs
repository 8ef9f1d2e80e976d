//! A Prometheus exporter for seats and subscriptions in AvePoint Elements.
//!
//! A number travels one way: `elements` asks the API, `polling` decides when, `inventory` keeps what is known and how
//! fresh it is, `exposition` turns that into text, `web` serves it. `app` wires them; ARCHITECTURE.md is the map.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod elements;
pub mod exposition;
pub mod health;
pub mod inventory;
pub mod logging;
pub mod panics;
pub mod polling;
pub mod simulator;
pub mod terminal;
pub mod web;

use std::sync::LazyLock;

use jiff::Timestamp;

/// The version of this build, as in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `--version` prints after the name: version, revision, when and by which compiler it was built.
pub static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    // build.rs writes a number.
    let built = env!("AVEPOINT_EXPORTER_BUILD_TIME").parse().ok().and_then(|time| Timestamp::from_second(time).ok());
    format!(
        "{VERSION} (revision {})\n  built:    {}\n  compiler: {}",
        env!("AVEPOINT_EXPORTER_REVISION"),
        built.map_or_else(|| "unknown".to_owned(), |built| built.to_string()),
        env!("AVEPOINT_EXPORTER_RUSTC"),
    )
});
