//! A Prometheus exporter for seats and subscriptions in AvePoint Elements.
//!
//! Data flows in one direction: `elements` queries the API, `polling` decides when, `inventory` stores the values and
//! their age, `exposition` renders them as text, and `web` serves it. `app` wires these modules; ARCHITECTURE.md gives
//! the overview.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod config;
pub mod ha;
pub mod health;
pub mod inventory;
pub mod logging;
pub mod metrics;
pub mod panics;
pub mod polling;
pub mod remote;
pub mod terminal;
pub mod web;

use std::sync::LazyLock;

use jiff::Timestamp;

/// The version of this build, from Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The output of `--version` after the name: version, revision, build time and compiler.
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
