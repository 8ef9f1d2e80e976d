//! The commands of the binary: the daemon and the others. Each is a short file that uses the same modules.
//!
//! Exit codes: 0 success, 1 runtime failure, 2 wrong usage or configuration.

mod check;
mod demo;
mod discover;
mod once;
mod output;
mod packaging;
mod simulate;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use elements::clock::Clock;
use exporter_toolkit::{Access, ConfigErrors, ExternalUrl};
use tokio::net::TcpListener;
use tracing::error;

use crate::app::{self, Shutdown, systemd};
use crate::cli::{Cli, Command, Flags};
use crate::config::Config;
use crate::web::WebOptions;

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// Invalid configuration; one line per problem.
    Config(ConfigErrors),
    /// Wrong usage.
    Usage(String),
    /// A runtime failure.
    Run(String),
    /// A signal ended the command before it was done.
    Interrupted(i32),
}

impl Failure {
    fn run(error: impl fmt::Display) -> Self {
        Self::Run(error.to_string())
    }

    /// Joins the failures, one text per partner; `Ok` if there is none.
    fn of_partners(failures: &[String]) -> Result<(), Self> {
        if failures.is_empty() { Ok(()) } else { Err(Self::Run(failures.join("; "))) }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

/// Runs the command. SIGTERM and SIGINT shut down the daemon in order; commands that only print end at once.
#[must_use]
pub fn run(cli: Cli, shutdown: io::Result<Shutdown>) -> ExitCode {
    let Cli { command, flags } = cli;
    let shutdown = match shutdown {
        Ok(shutdown) => shutdown,
        Err(error) => {
            error!("installing the signal handlers: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Before the runtime starts threads, because it changes the environment, which other threads may be reading.
    let handed = flags.systemd_socket.then(systemd::listeners);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let serves = matches!(command, None | Some(Command::Demo(_) | Command::Simulate(_)));
    let signalled = shutdown.clone().signalled();
    let running = runtime.spawn(async move {
        match command {
            None => daemon(flags, handed, shutdown).await,
            Some(Command::Demo(world)) => demo::run(&flags, &world, handed, shutdown).await,
            Some(Command::Once { format }) => once::run(&flags, format).await,
            Some(Command::Check { online }) => check::run(&flags, online).await,
            Some(Command::Discover) => discover::run(&flags).await,
            Some(Command::Simulate(world)) => simulate::run(&flags, &world, shutdown).await,
            Some(Command::Completion { shell }) => {
                packaging::completion(shell);
                Ok(())
            }
            Some(Command::Man { directory }) => packaging::man_pages(&directory),
        }
    });
    let result = runtime.block_on(async {
        let ended = async { running.await.unwrap_or_else(|error| Err(Failure::run(error))) };
        tokio::select! {
            result = ended => result,
            // A thread that is blocked by storage does not keep the process running. A server ends by itself, or
            // `Shutdown` ends it.
            signal = signalled, if !serves => Err(Failure::Interrupted(signal)),
        }
    });
    // Name resolution or a render in progress does not delay the exit.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(message)) => {
            error!("{message}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            output::print_error(&message);
            ExitCode::from(2)
        }
        Err(Failure::Config(errors)) => {
            output::print_error(&errors.to_string());
            ExitCode::from(2)
        }
        // The exit code that a shell uses for a process ended by a signal.
        Err(Failure::Interrupted(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
    }
}

/// The sockets of systemd, if `--web.systemd-socket` is given.
type Handed = Option<io::Result<Vec<std::net::TcpListener>>>;

async fn daemon(flags: Flags, handed: Handed, shutdown: Shutdown) -> Result<(), Failure> {
    let flags = Arc::new(flags);
    let starting = Arc::clone(&flags);
    // Not on the runtime's threads: storage and name servers may block.
    let started = tokio::task::spawn_blocking(move || {
        let (config, web) = load(&starting)?;
        Ok::<_, Failure>((config, web, listeners(&starting, handed)?))
    });
    let (config, web, listeners) = tokio::select! {
        started = started => started.map_err(Failure::run)??,
        _ = shutdown.clone().signalled() => return Ok(()),
    };
    serve(config, Some(flags.config_file.clone()), listeners, web, &flags, shutdown).await
}

/// Loads both configuration files; problems of both are reported together.
fn load(flags: &Flags) -> Result<(Config, WebOptions), Failure> {
    match (Config::load(&flags.config_file), web_options(flags)) {
        (Ok(config), Ok(web)) => Ok((config, web)),
        (Err(errors), Err(Failure::Config(more))) => Err(Failure::Usage(format!("{errors}\n{more}"))),
        (Err(errors), _) => Err(Failure::Config(errors)),
        (_, Err(failure)) => Err(failure),
    }
}

/// The web options from the flags.
fn web_options(flags: &Flags) -> Result<WebOptions, Failure> {
    let external_url = ExternalUrl::new(&flags.external_url, &flags.route_prefix);
    let external_url = external_url.map_err(|error| Failure::Usage(error.to_string()))?;
    let access = Access::load(flags.web_config_file())?;
    Ok(WebOptions { telemetry_path: flags.telemetry_path.clone(), external_url, access, simulated: false })
}

/// Runs the daemon on existing listeners.
async fn serve(
    config: Config,
    config_file: Option<PathBuf>,
    listeners: Vec<TcpListener>,
    web: WebOptions,
    flags: &Flags,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let lifecycle = flags.enable_lifecycle;
    let setup = app::Setup { config, config_file, listeners, web, lifecycle, clock: Clock::start() };
    let served = app::run(setup, async {
        shutdown.signalled().await;
    })
    .await;
    served.map_err(|error| match error {
        app::Error::Site(error) => Failure::Usage(format!("--web.telemetry-path: {error}")),
        error => Failure::run(error),
    })
}

/// The listeners of systemd, or those of the flags.
fn listeners(flags: &Flags, handed: Handed) -> Result<Vec<TcpListener>, Failure> {
    let Some(handed) = handed else { return listen(&flags.listen_addresses) };
    let handed = handed.map_err(|error| Failure::Usage(format!("--web.systemd-socket: {error}")))?;
    handed.into_iter().map(|listener| TcpListener::from_std(listener).map_err(Failure::run)).collect()
}

fn listen(addresses: &[String]) -> Result<Vec<TcpListener>, Failure> {
    let bind = |address: &String| {
        exporter_toolkit::bind(address).map_err(|error| {
            let message = format!("--web.listen-address={address}: {error}");
            if error.kind() == ErrorKind::InvalidInput { Failure::Usage(message) } else { Failure::Run(message) }
        })
    };
    addresses.iter().map(bind).collect()
}
