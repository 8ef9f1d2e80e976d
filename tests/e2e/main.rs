//! The quick end-to-end tests: the exporter and its commands as their users meet them.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes, outside of any runtime")]
#![allow(clippy::format_push_string, reason = "speed does not matter here")]
#![allow(
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "they are whole numbers, read as they were written"
)]
#![allow(unreachable_pub, reason = "the modules are of this binary alone")]

mod access;
mod calls;
mod changes;
mod commands;
mod compressed;
mod config;
mod corpus;
mod credentials;
mod demo;
mod golden;
mod layers;
mod optional;
mod outage;
mod process;
mod recordings;
mod reference;
mod reload;
mod restart;
mod secrets;

#[path = "../support/mod.rs"]
mod support;
