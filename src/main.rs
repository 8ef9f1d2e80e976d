//! The binary: signals, arguments, logs, exit codes.

use std::process::ExitCode;

use avepoint_exporter::app::Shutdown;
use avepoint_exporter::cli::Cli;
use avepoint_exporter::{commands, logging};
use clap::Parser;

/// Threads of the system's allocator have separate heaps, and values move between threads as they change: each heap
/// would keep the gaps that they leave.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let shutdown = Shutdown::install();
    let cli = Cli::parse();
    let log = cli.log();
    logging::start(log.log_level, log.log_format);
    commands::run(cli, shutdown)
}
