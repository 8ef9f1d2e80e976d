//! The client of the AvePoint Elements API: what it asks and how its answers become domain types.

pub mod wire;
