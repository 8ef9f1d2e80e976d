//! What the binary does: the daemon, and the commands beside it. Each is a short file over the same rooms.
//!
//! Exit codes: 0 done, 1 failed at run time, 2 bad usage or configuration.

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

use tokio::net::TcpListener;
use tracing::error;

use crate::app::{self, systemd};
use crate::cli::{Cli, Command, Flags};
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors};
use crate::web::{self, Access, Front, RoutePrefix};

/// Why a command ended without having done its work.
#[derive(Debug)]
enum Failure {
    /// Bad configuration: every problem, a line each.
    Config(ConfigErrors),
    /// Bad usage.
    Usage(String),
    /// Something failed at run time.
    Run(String),
}

impl Failure {
    fn run(error: impl fmt::Display) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors)
    }
}

/// Runs what the command line asks for.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let Cli { command, flags } = cli;
    // Before the runtime has threads: what it takes out of the environment, others may be reading.
    let handed = flags.systemd_socket.then(systemd::listeners);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("starting the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match command {
            None => daemon(&flags, handed).await,
            Some(Command::Demo(world)) => demo::run(&flags, &world, handed).await,
            Some(Command::Once { format }) => once::run(&flags, format).await,
            Some(Command::Check { online }) => check::run(&flags, online).await,
            Some(Command::Discover) => discover::run(&flags).await,
            Some(Command::Simulate(world)) => simulate::run(&flags, &world).await,
            Some(Command::Completion { shell }) => {
                packaging::completion(shell);
                Ok(())
            }
            Some(Command::Man { directory }) => packaging::man_pages(&directory),
        }
    });
    // A name that is being resolved, or a render, does not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Run(message)) => {
            error!("{message}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            output::complain(&message);
            ExitCode::from(2)
        }
        Err(Failure::Config(errors)) => {
            output::complain(&errors.to_string());
            ExitCode::from(2)
        }
    }
}

/// The sockets of systemd, if they were asked for.
type Handed = Option<io::Result<Vec<std::net::TcpListener>>>;

async fn daemon(flags: &Flags, handed: Handed) -> Result<(), Failure> {
    let (config, front) = load(flags)?;
    let listeners = listeners(flags, handed)?;
    serve(config, Some(flags.config_file.clone()), listeners, front, flags).await
}

/// Both files of the configuration; what is wrong with either is said at once.
fn load(flags: &Flags) -> Result<(Config, Front), Failure> {
    match (Config::load(&flags.config_file), front(flags)) {
        (Ok(config), Ok(front)) => Ok((config, front)),
        (Err(errors), Err(Failure::Config(more))) => Err(Failure::Usage(format!("{errors}\n{more}"))),
        (Err(errors), _) => Err(Failure::Config(errors)),
        (_, Err(failure)) => Err(failure),
    }
}

/// What the flags say of the web.
fn front(flags: &Flags) -> Result<Front, Failure> {
    let route_prefix = RoutePrefix::new(&flags.external_url, &flags.route_prefix);
    let route_prefix = route_prefix.map_err(|error| Failure::Usage(error.to_string()))?;
    let access = Access::load(flags.web_config_file())?;
    Ok(Front { telemetry_path: flags.telemetry_path.clone(), route_prefix, access })
}

/// The daemon on listeners that stand already.
async fn serve(
    config: Config,
    config_file: Option<PathBuf>,
    listeners: Vec<TcpListener>,
    front: Front,
    flags: &Flags,
) -> Result<(), Failure> {
    let shutdown = app::termination().map_err(Failure::run)?;
    let lifecycle = flags.enable_lifecycle;
    let setup = app::Setup { config, config_file, listeners, front, lifecycle, clock: Clock::start() };
    let served = app::run(setup, shutdown).await;
    served.map_err(|error| match error {
        app::Error::Site(error) => Failure::Usage(format!("--web.telemetry-path: {error}")),
        error => Failure::run(error),
    })
}

/// Those of systemd, or those that the flags name.
fn listeners(flags: &Flags, handed: Handed) -> Result<Vec<TcpListener>, Failure> {
    let Some(handed) = handed else { return listen(&flags.listen_addresses) };
    let handed = handed.map_err(|error| Failure::Usage(format!("--web.systemd-socket: {error}")))?;
    handed.into_iter().map(|listener| TcpListener::from_std(listener).map_err(Failure::run)).collect()
}

fn listen(addresses: &[String]) -> Result<Vec<TcpListener>, Failure> {
    let bind = |address: &String| {
        web::bind(address).map_err(|error| {
            let message = format!("--web.listen-address={address}: {error}");
            if error.kind() == ErrorKind::InvalidInput { Failure::Usage(message) } else { Failure::Run(message) }
        })
    };
    addresses.iter().map(bind).collect()
}
