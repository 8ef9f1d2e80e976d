//! Serves an exporter: the web configuration of Prometheus' exporter-toolkit, listeners, limits on peers.
//!
//! [`Access`] reads the file of `--web.config.file` (TLS, client certificates, headers, rate limit, users) and reads it
//! again when it changes. [`serve`] answers HTTP/1.1 on any number of listeners within [`Limits`], and shuts down within a
//! deadline. [`ExternalUrl`] is `--web.external-url` with its route prefix. Every error in a configuration is a
//! [`Diagnostic`] with its [`Location`]; all of a file are reported together ([`ConfigErrors`]).

mod access;
mod activity;
mod batched_body;
mod connections;
mod diagnostic;
mod external_url;
mod file;
mod host;
mod permissions;
mod server;
mod yaml;

pub use access::{Access, Reread};
pub use diagnostic::{ConfigErrors, ConfigPath, Diagnostic, Location, Problem, quoted};
pub use external_url::{ExternalUrl, ExternalUrlError};
pub use file::{open_regular_file, read_file};
pub use permissions::world_accessible_warning;
pub use server::{ConnectionScope, Limits, Options, bind, check_address, serve};
pub use yaml::{Pairs, read_yaml};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
