//! `simulate`: only the simulator, to test a configuration or alert rules.

use std::fmt::Write;

use elements::recording::Recording;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use simulator::Replay;
use simulator::{Generator, Settings, Simulator, profile};

use super::{CommandError, listen, output};
use crate::app::Shutdown;
use crate::cli::SimulateArgs;
use crate::cli::SimulatorArgs;

pub(super) async fn run(args: &SimulateArgs, shutdown: Shutdown) -> Result<(), CommandError> {
    let recording = args.replay.as_deref().map(Recording::read).transpose();
    let recording = recording.map_err(|error| CommandError::Usage(format!("--replay: {error}")))?;
    let listener = listen(std::slice::from_ref(&args.listen_address))?.remove(0);
    if let Some(recording) = recording {
        let replay = Replay::start(recording, listener).map_err(CommandError::run)?;
        let config = serde_yaml::to_string(&replay.config()).map_err(CommandError::run)?;
        output::print(&format!("# A recording of the Elements API. A configuration for it:\n{config}"));
        shutdown.signalled().await;
        return Ok(());
    }
    let settings = settings(&args.simulator);
    let registrations: Vec<_> = settings.registrations.iter().map(|known| known.name.clone()).collect();
    let simulator = Simulator::start(settings, listener).map_err(CommandError::run)?;
    let config = config(&simulator, &registrations, None, "");
    output::print(&format!("# A simulated Elements API. A configuration for it:\n{config}"));
    shutdown.signalled().await;
    simulator.stop().await;
    Ok(())
}

/// The simulated data set for the command line arguments.
pub(super) fn settings(args: &SimulatorArgs) -> Settings {
    // The argument parser allows only these names.
    let faults = profile(&args.faults).unwrap_or_default();
    let today = today();
    let settings = match args.customers {
        Some(customers) => {
            Settings::generated(&Generator { hostile_names: true, ..Generator::new(args.seed, customers, today) })
        }
        None => Settings::demo(today),
    };
    Settings { faults, time_scale: args.time_scale, ..settings }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// A configuration for the simulator; `muted` is a customer of the first registration. Its secrets are not real; they
/// expire, so that the expiry metric has a value.
pub(super) fn config(simulator: &Simulator, registrations: &[String], muted: Option<&str>, rest: &str) -> String {
    let mut yaml = "partners:\n".to_owned();
    let known = [(Settings::CLIENT, 200), (Settings::SECOND_CLIENT, 21)];
    for (name, ((client_id, secret), days)) in registrations.iter().zip(known) {
        let expires = today().saturating_add(Span::new().days(days));
        let _ = write!(
            yaml,
            "  - name: {name}\n    api_url: {}\n    token_url: {}\n    \
             auth: {{ client_id: {client_id}, client_secret: {secret}, client_secret_expires: {expires} }}\n    \
             budget: {{ requests_per_second: 50, burst: 50, concurrency: 8 }}\n",
            simulator.api_url(),
            simulator.token_url(),
        );
        if let Some(id) = muted.filter(|_| client_id == Settings::CLIENT.0) {
            let _ = writeln!(yaml, "    customers: {{ list: [{{ id: {id}, labels: {{ alerting: \"off\" }} }}] }}");
        }
    }
    yaml + rest
}
