//! The binary: arguments, logs, exit codes.

use std::process::ExitCode;

use avepoint_exporter::cli::Cli;
use avepoint_exporter::{commands, logging};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.flags.log_level, cli.flags.log_format);
    commands::run(cli)
}
