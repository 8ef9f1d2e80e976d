//! `demo`: the daemon against a simulator in the same process.

use std::fmt::Write;
use std::path::Path;

use super::{Failure, listen, output, serve, simulate};
use crate::cli::{Flags, World};
use crate::config::Config;
use crate::simulator::Simulator;

/// Seats of the simulated partner move by the minute, so they are asked for by the minute.
const COLLECTORS: &str = "collectors:
  services: { interval: 1m }
  tenant_seats: { interval: 1m }
  customer_seats: { interval: 1m }
  products_purchased: { interval: 5m }
  products_available: { interval: 5m }
";

pub(super) async fn run(flags: &Flags, world: &World) -> Result<(), Failure> {
    let settings = simulate::settings(world)?;
    let registrations: Vec<_> = settings.registrations.iter().map(|known| known.name.clone()).collect();
    let listeners = listen(&flags.listen_addresses)?;
    let simulator = Simulator::on_loopback(settings).await.map_err(Failure::run)?;
    let config = Config::parse(&simulate::config(&simulator, &registrations, COLLECTORS), Path::new("."))?;
    let mut text = "A simulated partner is being polled. Open:\n".to_owned();
    for listener in &listeners {
        let mut address = listener.local_addr().map_err(Failure::run)?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let _ = writeln!(
            text,
            "  http://{address}/          who runs out of what, and when\n  http://{address}{}   what Prometheus scrapes",
            flags.telemetry_path
        );
    }
    text += "Ctrl-C ends it.\n";
    output::answer(&text);
    serve(config, None, listeners, flags).await
}
