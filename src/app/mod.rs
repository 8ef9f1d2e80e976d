//! The daemon, wired: partners that poll, a publisher that renders, a web server that answers, a configuration that can
//! be read again.
//!
//! [`run`] reads from top to bottom like the way of a number. It takes its listeners and the future that ends it, so
//! that a test runs it as `main` does.

mod counters;
mod partner;
mod partners;
mod publisher;
mod ready;
mod rotation;
mod runtime;
mod signals;
mod state;
pub mod systemd;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info, warn};

pub use partner::Partner;
pub use partners::{Partners, Running};
pub use signals::termination;

use crate::clock::Clock;
use crate::config::{Config, PartnerSettings, StateSettings};
use crate::elements::ClientError;
use crate::exposition::Published;
use crate::inventory::state_file::State;
use crate::inventory::{Inventory, Past};
use crate::web::readiness::EverReady;
use crate::web::{self, Access, Front, Site};
use counters::AppCounters;
use runtime::PollerRuntime;
use state::Keeper;

/// How long a start or a reload waits until what it changed is served.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

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

/// What the daemon is started with.
#[derive(Debug)]
pub struct Setup {
    /// The configuration to start with.
    pub config: Config,
    /// Where it came from, to be read again; without it, there is nothing to reload.
    pub config_file: Option<PathBuf>,
    /// Where to answer.
    pub listeners: Vec<TcpListener>,
    /// Where the pages are, and who may ask for them.
    pub front: Front,
    /// Whether `POST /-/reload` is answered.
    pub lifecycle: bool,
    /// What times are reckoned by.
    pub clock: Clock,
}

/// Runs the daemon until `shutdown`, or until a server fails.
pub async fn run(setup: Setup, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Setup { config, config_file, listeners, front, lifecycle, clock } = setup;
    let access = front.access.clone();
    let counters = AppCounters::new(clock).map_err(Error::Counters)?;
    let mut hangups = signals::hangup().map_err(Error::Server)?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();

    warn_of(config.warnings(clock.wall_now()).into_iter().chain(access.warnings()));
    let state_settings = config.state.clone();
    let opened = state_settings.as_ref().map(|settings| Keeper::open(settings, counters.registry(), clock));
    let (keeper, restored) = opened.transpose().map_err(Error::Counters)?.unzip();
    let pollers = PollerRuntime::start().map_err(Error::Server)?;
    let mut partners = Partners::none(clock, pollers.handle());
    let past = handed_out(restored.flatten(), &config);
    // From before the first poll, so that what it brings is saved.
    let changed = partners.changed();
    partners.apply(config, past).await.map_err(Error::Client)?;
    let running = partners.running();
    let keeping = keeper.map(|keeper| keeper.start(running.clone(), changed));
    tasks.spawn(rotation::follow_credentials(running.clone()));

    let ever_ready = EverReady::default();
    tasks.spawn(ready::notice(running.clone(), partners.changed(), clock, ever_ready.clone()));

    let published = Published::new();
    let (show, mut shown) = watch::channel(Arc::default());
    tasks.spawn(publisher::publish(
        running.clone(),
        show,
        published.clone(),
        partners.changed(),
        clock,
        told(stopped.clone()),
    ));

    // The first answer holds what was restored. Whatever delays it does not keep us from answering.
    let _ = tokio::time::timeout(SHOWN_WITHIN, shown.wait_for(|shown| Arc::ptr_eq(shown, &running.borrow()))).await;

    let (reload, mut reloads) = mpsc::channel(1);
    let site = site(published, ever_ready, running, &counters, clock, front, lifecycle.then_some(reload));
    let router = web::router(site).map_err(Error::Site)?;
    let mut servers = JoinSet::new();
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            info!(%address, tls = access.is_tls(), version = crate::VERSION, "listening");
        }
        servers.spawn(web::serve(
            listener,
            router.clone(),
            access.clone(),
            web::Limits::default(),
            told(stopped.clone()),
        ));
    }
    tasks.spawn(systemd::keep_watchdog_quiet());
    systemd::ready("serving");

    let mut outcome = Ok(());
    tokio::pin!(shutdown);
    loop {
        let reply = tokio::select! {
            () = &mut shutdown => break info!("shutting down"),
            Some(ended) = servers.join_next() => {
                outcome = server_ended(ended);
                break;
            }
            error = failed(&mut tasks) => {
                outcome = Err(task_ended(&error));
                break;
            }
            error = partners.failed() => {
                outcome = Err(task_ended(&error));
                break;
            }
            Some(()) = hangups.recv() => None,
            Some(reply) = reloads.recv() => Some(reply),
        };
        systemd::reloading();
        let reload =
            reload_from(config_file.as_deref(), state_settings.as_ref(), &access, &mut partners, &mut shown, clock);
        let reloaded = tokio::select! {
            reloaded = reload => reloaded,
            // Files on storage that hangs do not hold up the end.
            () = &mut shutdown => break info!("shutting down"),
        };
        systemd::ready(if reloaded.is_ok() { "serving" } else { "serving; the last reload was refused" });
        counters.reloaded(reloaded.is_ok());
        match &reloaded {
            Ok(()) => info!("the configuration was reloaded"),
            Err(problems) => error!("the configuration was not reloaded, the one from before stays:\n{problems}"),
        }
        if let Some(reply) = reply {
            // Whoever asked may have left.
            let _: Result<(), _> = reply.send(reloaded);
        }
    }
    systemd::stopping();
    stop.send_replace(true);
    partners.stop().await;
    while let Some(ended) = servers.join_next().await {
        outcome = outcome.and(server_ended(ended));
    }
    tasks.shutdown().await;
    if let Some(keeping) = keeping {
        keeping.end().await;
    }
    outcome
}

/// What was restored, for each partner; for one who shares its app registration with nobody, the customers themselves.
fn handed_out(restored: Option<State>, config: &Config) -> impl FnMut(&PartnerSettings) -> Option<Past> + use<> {
    let ids: Vec<_> = config.partners.iter().map(|settings| settings.client_id.clone()).collect();
    let mut restored = restored;
    move |PartnerSettings { name, client_id, .. }| {
        let known = restored.as_mut()?;
        let alone = ids.iter().filter(|id| *id == client_id).count() == 1;
        if alone { known.take_past_of(name, client_id) } else { known.past_of(name, client_id) }
    }
}

/// Reads the configuration again and applies what changed; the problems, if it cannot be.
async fn reload_from(
    file: Option<&Path>,
    state: Option<&StateSettings>,
    access: &Access,
    partners: &mut Partners,
    shown: &mut watch::Receiver<Arc<Running>>,
    clock: Clock,
) -> Result<(), String> {
    let file = file.ok_or("there is no configuration file: this is a demonstration")?.to_owned();
    let reread = access.clone();
    let loaded = tokio::task::spawn_blocking(move || (Config::load(&file), reread.reread())).await;
    let (config, rules) = match loaded.map_err(|error| error.to_string())? {
        (Ok(config), Ok(rules)) => (config, rules),
        (Err(errors), Err(more)) => return Err(format!("{errors}\n{more}")),
        (Err(errors), _) | (_, Err(errors)) => return Err(errors.to_string()),
    };
    let warnings = config.warnings(clock.wall_now());
    if config.state.as_ref() != state {
        warn!("state: what was changed there holds from the next start on");
    }
    partners.apply(config, |_| None).await.map_err(|error| error.to_string())?;
    access.apply(rules);
    warn_of(warnings.into_iter().chain(access.warnings()));
    let running = Arc::clone(&partners.running().borrow());
    let rereading = Arc::clone(&running);
    // It panicked, which says so itself: the configuration is applied nevertheless.
    let _ = tokio::task::spawn_blocking(move || rereading.partners.iter().for_each(Partner::reread_credential)).await;
    // So that whoever asked for the reload and scrapes sees what it changed. Whatever delays it is not the reload's.
    let _ = tokio::time::timeout(SHOWN_WITHIN, shown.wait_for(|shown| Arc::ptr_eq(shown, &running))).await;
    Ok(())
}

fn warn_of(warnings: impl Iterator<Item = String>) {
    for warning in warnings {
        warn!("{warning}");
    }
}

/// What the web server shows, and how it asks for a reload.
fn site(
    exposition: Published,
    ever_ready: EverReady,
    running: watch::Receiver<Arc<Running>>,
    counters: &AppCounters,
    clock: Clock,
    front: Front,
    reload: Option<web::Reload>,
) -> Site {
    let now = move || Arc::clone(&running.borrow());
    let (counted, numbered, known, configured) = (now.clone(), now.clone(), now.clone(), now);
    let counters = counters.clone();
    Site {
        exposition,
        own: Arc::new(move || {
            counted().partners.iter().flat_map(Partner::gather).chain([counters.gather()]).flatten().collect()
        }),
        configuration: Arc::new(move || numbered().number),
        inventories: Arc::new(move || -> Vec<Inventory> { known().snapshots() }),
        clock,
        ever_ready,
        config_yaml: Arc::new(move || configured().config_yaml.clone()),
        telemetry_path: front.telemetry_path,
        route_prefix: front.route_prefix,
        reload,
    }
}

fn server_ended(ended: Result<io::Result<()>, JoinError>) -> Result<(), Error> {
    ended.map_err(io::Error::other).flatten().map_err(Error::Server)
}

fn task_ended(error: &JoinError) -> Error {
    error!("a task ended abnormally: {error}");
    Error::Server(io::Error::other("a task ended abnormally"))
}

/// Ready when a task ended abnormally: a bug. Never otherwise, since others may have done what they were for.
async fn failed(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) => return error,
            Some(Ok(())) => {}
            None => std::future::pending().await,
        }
    }
}

/// Ready when the daemon ends.
async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|&stopped| stopped).await;
}
