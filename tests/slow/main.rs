//! The end-to-end tests that take minutes: faults, attacks, floods, kills and load.

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

mod faults;
mod floods;
mod ha;
mod hostile;
mod kill;
mod storm;

#[path = "../support/mod.rs"]
mod support;
