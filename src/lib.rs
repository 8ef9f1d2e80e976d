//! A Prometheus exporter for seats and subscriptions in AvePoint Elements.
//!
//! A number travels one way: `elements` asks the API, `polling` decides when, `inventory` keeps what is known and how
//! fresh it is, `exposition` turns that into text, `web` serves it. `app` wires them; ARCHITECTURE.md is the map.

pub mod catalog;
pub mod clock;
pub mod config;
pub mod domain;
pub mod exposition;
pub mod inventory;
pub mod web;
