//! `demo`: the daemon and a simulator in one process.

use std::fmt::Write;
use std::path::Path;

use simulator::{Scenario, Simulator};

use super::{CommandError, InheritedListeners, listeners, output, serve, simulate, web_options};
use crate::app::Shutdown;
use crate::cli::DemoArgs;
use crate::config::Config;
use crate::web::WebOptions;

/// Seats of the simulated partner change every minute, so they are polled every minute.
const COLLECTORS: &str = "collectors:
  services: { interval: 1m }
  tenant_seats: { interval: 1m }
  customer_seats: { interval: 1m }
  products_purchased: { interval: 5m }
  products_available: { interval: 5m }
  customers: { enabled: true, interval: 1m }
  backup_jobs: { enabled: true, interval: 5m }
  backup_overview: { enabled: true, interval: 5m }
";

pub(super) async fn run(
    args: &DemoArgs,
    inherited: InheritedListeners,
    shutdown: Shutdown,
) -> Result<(), CommandError> {
    let settings = simulate::settings(&args.simulator);
    let registrations: Vec<_> = settings.registrations.iter().map(|known| known.name.clone()).collect();
    let muted = settings.registrations.first().and_then(|known| known.dataset.customers.get(Scenario::Low97.index()));
    let muted = muted.map(|customer| customer.id.clone());
    let web = WebOptions { simulated: true, ..web_options(&args.web)? };
    let listeners = listeners(&args.listen_addresses, inherited)?;
    let simulator = Simulator::on_loopback(settings).await.map_err(CommandError::run)?;
    let yaml = simulate::config(&simulator, &registrations, muted.as_deref(), COLLECTORS);
    let config = Config::parse(&yaml, Path::new("."))?;
    let mut text = "A simulated partner is being polled. Open:\n".to_owned();
    let (scheme, prefix) =
        (if web.access.is_tls() { "https" } else { "http" }, web.external_url.route_prefix().to_owned());
    for listener in &listeners {
        let mut address = listener.local_addr().map_err(CommandError::run)?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let _ = writeln!(
            text,
            "  {scheme}://{address}{prefix}/          the status page\n  \
             {scheme}://{address}{prefix}{}   the metrics",
            web.telemetry_path
        );
    }
    text += "Press Ctrl-C to stop.\n";
    output::print(&text);
    serve(config, None, listeners, web, false, shutdown).await
}
