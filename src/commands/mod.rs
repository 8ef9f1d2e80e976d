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

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use elements::clock::Clock;
use elements::error_chain;
use exporter_toolkit::{Access, ConfigErrors, ExternalUrl};
use tokio::net::TcpListener;
use tracing::error;

use crate::app::{self, Shutdown, systemd};
use crate::cli::{Cli, Command, DaemonArgs, WebArgs};
use crate::config::Config;
use crate::web::{self, WebOptions};

/// Why a command failed.
#[derive(Debug)]
enum CommandError {
    /// Invalid configuration; one line per problem.
    Config(ConfigErrors),
    /// Wrong usage.
    Usage(String),
    /// A runtime failure.
    Run(String),
    /// A signal ended the command before it was done.
    Interrupted(i32),
}

impl CommandError {
    fn run(error: impl Error + 'static) -> Self {
        Self::Run(error_chain(&error))
    }

    /// Joins the failures, one text per partner; `Ok` if there is none.
    fn of_partners(failures: &[String]) -> Result<(), Self> {
        if failures.is_empty() { Ok(()) } else { Err(Self::Run(failures.join("; "))) }
    }
}

impl From<ConfigErrors> for CommandError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

/// Runs the command. SIGTERM and SIGINT shut down the daemon in order, and complete a recording; commands that only print end at
/// once.
#[must_use]
pub fn run(cli: Cli, shutdown: io::Result<Shutdown>) -> ExitCode {
    let shutdown = match shutdown {
        Ok(shutdown) => shutdown,
        Err(error) => {
            error!("installing the signal handlers: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Before the runtime starts threads, because it changes the environment, which other threads may be reading.
    let inherited = cli.uses_systemd_socket().then(systemd::listeners);
    let Cli { command, daemon } = cli;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let serves = matches!(command, None | Some(Command::Demo(_) | Command::Simulate(_)));
    // A service logs errors; a command prints them.
    let report = |message: &str| {
        if serves { message.lines().for_each(|line| error!("{line}")) } else { output::print_error(message) }
    };
    let records = matches!(&command, Some(Command::Once(args)) if args.record.is_some());
    let ends_in_order = serves || records;
    let signalled = shutdown.clone().signalled();
    let running = runtime.spawn(async move {
        match command {
            None => run_daemon(daemon, inherited, shutdown).await,
            Some(Command::Demo(args)) => demo::run(&args, inherited, shutdown).await,
            Some(Command::Once(args)) => once::run(&args, shutdown).await,
            Some(Command::Check(args)) => check::run(&args).await,
            Some(Command::Discover(args)) => discover::run(&args).await,
            Some(Command::Simulate(args)) => simulate::run(&args, shutdown).await,
            Some(Command::Completion { shell }) => {
                packaging::completion(shell);
                Ok(())
            }
            Some(Command::Man { directory }) => packaging::man_pages(&directory),
        }
    });
    let result = runtime.block_on(async {
        let ended = async { running.await.unwrap_or_else(|error| Err(CommandError::run(error))) };
        tokio::select! {
            result = ended => result,
            // A thread that is blocked by storage does not keep the process running. A server or a recording ends by
            // itself, or `Shutdown` ends it.
            signal = signalled, if !ends_in_order => Err(CommandError::Interrupted(signal)),
        }
    });
    // Name resolution or a render in progress does not delay the exit.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::Run(message)) => {
            error!("{message}");
            ExitCode::FAILURE
        }
        Err(CommandError::Usage(message)) => {
            report(&message);
            ExitCode::from(2)
        }
        Err(CommandError::Config(errors)) => {
            report(&errors.to_string());
            ExitCode::from(2)
        }
        // The exit code that a shell uses for a process ended by a signal.
        Err(CommandError::Interrupted(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
    }
}

/// The sockets of systemd, if `--web.systemd-socket` is given.
type InheritedListeners = Option<io::Result<Vec<std::net::TcpListener>>>;

async fn run_daemon(args: DaemonArgs, inherited: InheritedListeners, shutdown: Shutdown) -> Result<(), CommandError> {
    let args = Arc::new(args);
    let starting = Arc::clone(&args);
    // Not on the runtime's threads: storage and name servers may block.
    let started = tokio::task::spawn_blocking(move || {
        let (config, web) = load(&starting)?;
        let listeners = listeners(&starting.listen_addresses, inherited)?;
        Ok::<_, CommandError>((config, web, listeners))
    });
    let (config, web, listeners) = tokio::select! {
        started = started => started.map_err(CommandError::run)??,
        _ = shutdown.clone().signalled() => return Ok(()),
    };
    serve(config, Some(args.config.config_file.clone()), listeners, web, args.enable_lifecycle, shutdown).await
}

/// Loads both configuration files; problems of both are reported together.
fn load(args: &DaemonArgs) -> Result<(Config, WebOptions), CommandError> {
    match (Config::load(&args.config.config_file), web_options(&args.web)) {
        (Ok(config), Ok(web)) => Ok((config, web)),
        (Err(errors), Err(CommandError::Config(more))) => Err(CommandError::Usage(format!("{errors}\n{more}"))),
        (Err(errors), _) => Err(CommandError::Config(errors)),
        (_, Err(failure)) => Err(failure),
    }
}

/// The web options from the flags.
fn web_options(args: &WebArgs) -> Result<WebOptions, CommandError> {
    let external_url = ExternalUrl::new(&args.external_url, &args.route_prefix);
    let external_url = external_url.map_err(|error| CommandError::Usage(error.to_string()))?;
    web::check_telemetry_path(&args.telemetry_path).map_err(telemetry_path)?;
    let access = Access::load(args.web_config_file())?;
    Ok(WebOptions { telemetry_path: args.telemetry_path.clone(), external_url, access, simulated: false })
}

fn telemetry_path(error: impl fmt::Display) -> CommandError {
    CommandError::Usage(format!("--web.telemetry-path: {error}"))
}

/// Runs the daemon on existing listeners.
async fn serve(
    config: Config,
    config_file: Option<PathBuf>,
    listeners: Vec<TcpListener>,
    web: WebOptions,
    lifecycle: bool,
    shutdown: Shutdown,
) -> Result<(), CommandError> {
    let setup = app::Setup { config, config_file, listeners, web, lifecycle, clock: Clock::start() };
    let served = app::run(setup, async {
        shutdown.signalled().await;
    })
    .await;
    served.map_err(|error| match error {
        app::Error::Web(error @ web::Error::TelemetryPath(..)) => telemetry_path(error),
        error => CommandError::run(error),
    })
}

/// The listeners of systemd, or those of the flags.
fn listeners(addresses: &[String], inherited: InheritedListeners) -> Result<Vec<TcpListener>, CommandError> {
    let Some(inherited) = inherited else { return listen(addresses) };
    let inherited = inherited.map_err(|error| CommandError::Usage(format!("--web.systemd-socket: {error}")))?;
    inherited.into_iter().map(|listener| TcpListener::from_std(listener).map_err(CommandError::run)).collect()
}

/// Keeps only the partners with these names; all of them if the list is empty.
fn select_partners(config: &mut Config, names: &[String]) -> Result<(), CommandError> {
    let known: Vec<String> = config.partners.iter().map(|partner| partner.name.to_string()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let message = format!("--partner={unknown}: the configuration has no such partner, only {}", known.join(", "));
        return Err(CommandError::Usage(message));
    }
    config.partners.retain(|partner| names.is_empty() || names.iter().any(|name| name == partner.name.as_str()));
    Ok(())
}

fn listen(addresses: &[String]) -> Result<Vec<TcpListener>, CommandError> {
    let bind = |address: &String| {
        exporter_toolkit::bind(address).map_err(|error| {
            let message = format!("--web.listen-address={address}: {error}");
            if error.kind() == ErrorKind::InvalidInput {
                CommandError::Usage(message)
            } else {
                CommandError::Run(message)
            }
        })
    };
    addresses.iter().map(bind).collect()
}
