//! The binary: arguments, logs, exit codes.

fn main() {}
