//! The daemon, wired: partners that poll, a publisher that renders, a web server that answers.
//!
//! [`run`] reads from top to bottom like the way of a number. It takes its listeners and the future that ends it, so
//! that a test runs it as `main` does.

mod counters;
mod partner;
mod publisher;
mod signals;
pub mod systemd;

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

pub use partner::Partner;
pub use signals::termination;

use crate::clock::Clock;
use crate::config::Config;
use crate::elements::ClientError;
use crate::exposition::{self, Published};
use crate::inventory::Shared;
use crate::polling::Poller;
use crate::web::{self, Front, Site};
use counters::AppCounters;

/// Why the daemon could not start or had to end.
#[derive(Debug)]
pub enum Error {
    /// A partner's client could not be built.
    Client(ClientError),
    /// A counter could not be registered: a bug.
    Counters(prometheus::Error),
    /// The pages could not be laid out.
    Site(web::Error),
    /// A server ended.
    Server(io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Counters(error) => write!(f, "registering the exporter's own metrics: {error}"),
            Self::Site(error) => error.fmt(f),
            Self::Server(error) => write!(f, "serving: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Partners, their pollers, and the signal that one of them changed.
pub struct Partners {
    /// In the order of the configuration.
    pub partners: Vec<Partner>,
    /// One for each.
    pub pollers: Vec<Poller>,
    /// Told at every change of an inventory.
    pub changed: watch::Receiver<()>,
}

impl Partners {
    /// Wires the partners of a configuration. Nothing is asked yet.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, ClientError> {
        let collectors = Arc::new(config.collectors.clone());
        let (tell, changed) = watch::channel(());
        let (mut partners, mut pollers) = (Vec::new(), Vec::new());
        for settings in &config.partners {
            let (partner, poller) = Partner::new(settings, &collectors, tell.clone(), clock)?;
            partners.push(partner);
            pollers.push(poller);
        }
        Ok(Self { partners, pollers, changed })
    }
}

/// Runs the daemon until `shutdown`, or until a server fails.
pub async fn run(
    config: Config,
    listeners: Vec<TcpListener>,
    front: Front,
    clock: Clock,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    for warning in config.warnings(clock.now()).into_iter().chain(front.access.warnings()) {
        warn!("{warning}");
    }
    let Partners { partners, pollers, changed } = Partners::new(&config, clock).map_err(Error::Client)?;
    let inventories: Arc<[Shared]> = partners.iter().map(|partner| partner.inventory.clone()).collect();
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();

    for poller in pollers {
        tasks.spawn(poller.run(told(stopped.clone())));
    }

    let published = Published::new();
    tasks.spawn(publisher::publish(
        inventories,
        config.customer_name_label,
        published.clone(),
        changed,
        clock,
        told(stopped.clone()),
    ));

    let counters = AppCounters::new(clock).map_err(Error::Counters)?;
    let snapshots = partners.clone();
    let own = move || {
        let families = partners.iter().flat_map(Partner::gather).chain([counters.gather()]);
        exposition::merge(families.collect())
    };
    let config_yaml = config.to_redacted_yaml();
    let site = Site {
        exposition: published,
        own: Arc::new(own),
        inventories: Arc::new(move || snapshots.iter().map(Partner::snapshot).collect()),
        clock,
        config_yaml: Arc::new(move || config_yaml.clone()),
        telemetry_path: front.telemetry_path,
        route_prefix: front.route_prefix,
    };
    let router = web::router(site).map_err(Error::Site)?;
    let mut servers = JoinSet::new();
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            info!(%address, tls = front.access.is_tls(), version = crate::VERSION, "listening");
        }
        servers.spawn(web::serve(listener, router.clone(), front.access.clone(), web::Limits::default(), told(stopped.clone())));
    }
    tasks.spawn(systemd::keep_watchdog_quiet());
    systemd::ready("serving");

    let mut outcome = Ok(());
    tokio::pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => info!("shutting down"),
        Some(ended) = servers.join_next() => outcome = server_ended(ended),
        Some(Err(error)) = tasks.join_next() => {
            error!("a task ended abnormally: {error}");
            outcome = Err(Error::Server(io::Error::other("a task ended abnormally")));
        }
    }
    systemd::stopping();
    stop.send_replace(true);
    while let Some(ended) = servers.join_next().await {
        outcome = outcome.and(server_ended(ended));
    }
    tasks.shutdown().await;
    outcome
}

fn server_ended(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), Error> {
    ended.map_err(io::Error::other).flatten().map_err(Error::Server)
}

/// Ready when the daemon ends.
async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|&stopped| stopped).await;
}
