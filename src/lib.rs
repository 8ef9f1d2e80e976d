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
pub mod web;

/// The version of this build, as in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
