//! Wires the daemon: pollers, a publisher that renders, a state writer that saves, a web server, and a configuration
//! that can be reloaded.
//!
//! [`run`] takes its listeners, its clock and the shutdown future as arguments, so that tests run it in the same way as
//! `main`. No file is read on a thread of the async runtime. It returns within [`GRACE`] of the shutdown, even if
//! something hangs.

mod config_log;
mod credential_watcher;
mod health;
mod metrics;
mod partner;
mod partners;
mod publisher;
mod readiness_watcher;
mod runtime;
mod shutdown;
mod state;
pub mod systemd;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{timeout, timeout_at};
use tracing::{error, info, warn};

pub use partner::Partner;
pub use partners::{Partners, Running};
pub use shutdown::{GRACE, Shutdown};

use elements::clock::Clock;
use exporter_toolkit::{Access, Limits, Options};
use exposition::Published;

use crate::config::changed_keys;
use crate::config::{Config, PartnerSettings, StateSettings};
use crate::inventory::state_file::State;
use crate::inventory::{Inventory, Past};
use crate::panics::{self, Task};
use crate::web::readiness::EverReady;
use crate::web::{self, AppState, WebOptions};
use health::Health;
use metrics::AppMetrics;
use runtime::PollerRuntime;
use state::{StateWriter, StateWriterHandle};

/// How long a start or a reload waits for its changes to be rendered.
const FIRST_RENDER_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of [`GRACE`] for polls to end; after it the state is saved without waiting for them.
const POLLS_END_WITHIN: Duration = Duration::from_secs(2);

/// Why the daemon could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A partner could not be set up.
    #[error(transparent)]
    Partner(#[from] partner::PartnerError),
    /// A metric could not be registered: a bug.
    #[error("registering the exporter's own metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The web pages could not be set up.
    #[error(transparent)]
    Site(web::Error),
    /// A server ended.
    #[error("serving: {0}")]
    Server(#[source] io::Error),
    /// A task panicked (a bug); the panic was logged.
    #[error("a task ended abnormally: {0}")]
    Task(#[source] JoinError),
}

/// The arguments of the daemon.
#[derive(Debug)]
pub struct Setup {
    /// The initial configuration.
    pub config: Config,
    /// The file to reload it from; without it there is no reload.
    pub config_file: Option<PathBuf>,
    /// Where to answer.
    pub listeners: Vec<TcpListener>,
    /// The routes of the pages, and the access rules.
    pub web: WebOptions,
    /// Whether `POST /-/reload` is enabled.
    pub lifecycle: bool,
    /// The clock.
    pub clock: Clock,
}

/// Runs the daemon until `shutdown`, or until a server or a task fails.
pub async fn run(setup: Setup, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    panics::install_hook();
    let mut shutdown = std::pin::pin!(shutdown);
    let started = tokio::select! {
        started = Daemon::start(setup) => started?,
        // Blocked storage does not delay the shutdown; nothing was polled, so nothing is lost.
        () = &mut shutdown => {
            info!("shutting down before the start was complete");
            return Ok(());
        }
    };
    started.run(shutdown).await
}

/// The running daemon.
struct Daemon {
    config_file: Option<PathBuf>,
    state_settings: Option<StateSettings>,
    access: Access,
    clock: Clock,
    metrics: AppMetrics,
    partners: Partners,
    /// The runtime of the pollers.
    pollers: PollerRuntime,
    writer: Option<StateWriterHandle>,
    rendered: watch::Receiver<Arc<Running>>,
    reloads: mpsc::Receiver<tokio::sync::oneshot::Sender<Result<(), String>>>,
    hangups: tokio::signal::unix::Signal,
    /// Signals the shutdown to the servers and the publisher.
    stop: watch::Sender<bool>,
    servers: JoinSet<io::Result<()>>,
    tasks: JoinSet<()>,
}

impl Daemon {
    /// Restores the state, starts all tasks, and listens.
    async fn start(setup: Setup) -> Result<Self, Error> {
        let Setup { config, config_file, listeners, web, lifecycle, clock } = setup;
        let access = web.access.clone();
        let external_url = web.external_url.clone();
        let metrics = AppMetrics::new(clock)?;
        let hangups = shutdown::hangup().map_err(Error::Server)?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();

        let other_files = other_files(&config, web.simulated);
        let state_settings = config.state.clone();
        let (warnings, config) = blocking(move || (config.warnings(clock.wall_now()), config)).await?;
        config_log::loaded(&config);
        config_log::warnings(warnings.into_iter().chain(access.warnings()));
        let (mut writer, mut restored) = (None, None);
        if let Some(settings) = state_settings.clone() {
            let registry = metrics.registry().clone();
            let opened = blocking(move || StateWriter::open(&settings, &registry, clock)).await??;
            (writer, restored) = (Some(opened.0), opened.1);
        }
        let pollers = PollerRuntime::start().map_err(Error::Server)?;
        let mut partners = Partners::none(clock, pollers.handle());
        let restored = restored_state_for(restored, &config);
        // Created before the first poll, so that its results are saved.
        let changed = partners.changed();
        partners.apply(config, restored).await?;
        let running = partners.running();
        let writer = writer.map(|writer| writer.start(running.clone(), changed));
        tasks.spawn(credential_watcher::watch_credentials(running.clone()));

        let ever_ready = EverReady::default();
        tasks.spawn(readiness_watcher::watch_readiness(running.clone(), partners.changed(), clock, ever_ready.clone()));

        let exposition = Published::new();
        let (render, mut rendered) = watch::channel(Arc::default());
        let publisher =
            publisher::Publisher::new(running.clone(), partners.changed(), render, exposition.clone(), clock);
        let health = Health::new(running.clone(), &publisher, writer.as_ref(), clock);
        tasks.spawn(publisher.run(shutdown_signalled(stopped.clone())));

        // The first response contains the restored state. If rendering is delayed, the server starts anyway.
        let first = rendered.wait_for(|rendered| Arc::ptr_eq(rendered, &running.borrow()));
        let _ = timeout(FIRST_RENDER_TIMEOUT, first).await;

        let (reload, reloads) = mpsc::channel(1);
        let reload = lifecycle.then_some(reload);
        let state = app_state(exposition, ever_ready, running, &metrics, &health, clock, web, reload);
        let router = web::router(state).map_err(Error::Site)?;
        let mut servers = JoinSet::new();
        for listener in &listeners {
            if let Ok(address) = listener.local_addr() {
                info!(%address, tls = access.is_tls(), version = crate::VERSION, "listening");
            }
        }
        let options = Options {
            access: access.clone(),
            external_url,
            limits: Limits { other_files, ..Limits::default() },
            scope: |connection| Box::pin(panics::scope(Task::Connection, connection)),
        };
        let stopped = shutdown_signalled(stopped);
        servers.spawn(exporter_toolkit::serve(listeners, router, options, stopped));
        tasks.spawn(systemd::feed_watchdog(move || health.check(), health::CHECK_INTERVAL));
        systemd::ready("serving");
        Ok(Self {
            config_file,
            state_settings,
            access,
            clock,
            metrics,
            partners,
            pollers,
            writer,
            rendered,
            reloads,
            hangups,
            stop,
            servers,
            tasks,
        })
    }

    /// Serves, reloads on request, then shuts down.
    async fn run(mut self, mut shutdown: std::pin::Pin<&mut impl Future<Output = ()>>) -> Result<(), Error> {
        let outcome = loop {
            let reply = tokio::select! {
                () = &mut shutdown => {
                    info!("shutting down");
                    break Ok(());
                }
                Some(ended) = self.servers.join_next() => break server_ended(ended),
                error = first_panic(&mut self.tasks) => break Err(Error::Task(error)),
                error = self.partners.failed() => break Err(Error::Task(error)),
                error = state::first_panic(self.writer.as_mut()) => break Err(Error::Task(error)),
                Some(()) = self.hangups.recv() => None,
                Some(reply) = self.reloads.recv() => Some(reply),
            };
            systemd::reloading();
            let reloaded = tokio::select! {
                reloaded = self.reload() => reloaded,
                // Files on blocked storage do not delay the shutdown.
                () = &mut shutdown => {
                    info!("shutting down");
                    break Ok(());
                }
            };
            systemd::ready(if reloaded.is_ok() { "serving" } else { "serving; the last reload failed" });
            self.metrics.reloaded(reloaded.is_ok());
            if let Err(problems) = &reloaded {
                error!("reload failed; keeping the previous configuration:\n{problems}");
            }
            if let Some(reply) = reply {
                // The requester may have disconnected.
                let _: Result<(), _> = reply.send(reloaded);
            }
        };
        self.end().await.and(outcome)
    }

    /// Ends polls, connections and the state writer, all within [`GRACE`].
    async fn end(mut self) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + GRACE;
        systemd::stopping();
        self.stop.send_replace(true);
        let (partners, writer, servers, pollers) = (&mut self.partners, self.writer, &mut self.servers, self.pollers);
        let save = async {
            if timeout(POLLS_END_WITHIN, partners.stop()).await.is_err() {
                warn!("polls did not end in time; saving the state without them");
            }
            if let Some(writer) = writer {
                writer.end(deadline).await;
            }
        };
        let serve = async {
            let mut outcome = Ok(());
            while let Some(ended) = servers.join_next().await {
                outcome = outcome.and(server_ended(ended));
            }
            outcome
        };
        let ((), outcome) = tokio::join!(save, async { timeout_at(deadline, serve).await.unwrap_or(Ok(())) });
        // A task that blocks its thread is abandoned.
        let _ = timeout_at(deadline, self.tasks.shutdown()).await;
        drop(pollers);
        outcome
    }

    /// Reads the configuration again and applies the changes. Returns the problems if it is invalid.
    async fn reload(&mut self) -> Result<(), String> {
        let file = self.config_file.clone().ok_or("there is no configuration file to reload: this is a demo")?;
        let (reread, clock) = (self.access.clone(), self.clock);
        let load = move || match (Config::load(&file), reread.reread()) {
            (Ok(config), Ok(rules)) => {
                let warnings = config.warnings(clock.wall_now());
                Ok((config, rules, warnings))
            }
            (Err(errors), Err(more)) => Err(format!("{errors}\n{more}")),
            (Err(errors), _) | (_, Err(errors)) => Err(errors.to_string()),
        };
        let (config, rules, warnings) = blocking(load).await.map_err(|error| error.to_string())??;
        if config.state != self.state_settings {
            warn!("state: the change takes effect at the next start");
        }
        let before = self.partners.running().borrow().config_yaml.clone();
        let changed = changed_keys(&before, &config.to_redacted_yaml());
        self.partners.apply(config, |_| None).await.map_err(|error| error.to_string())?;
        self.access.apply(rules);
        config_log::warnings(warnings.into_iter().chain(self.access.warnings()));
        let running = Arc::clone(&self.partners.running().borrow());
        let rereading = Arc::clone(&running);
        // A panic is logged by its hook; the configuration is applied anyway.
        let _ = blocking(move || rereading.partners.iter().for_each(Partner::reread_credential)).await;
        // A requester that scrapes after the reload sees its changes. A delay in rendering does not fail the reload.
        let rendered = self.rendered.wait_for(|rendered| Arc::ptr_eq(rendered, &running));
        let _ = timeout(FIRST_RENDER_TIMEOUT, rendered).await;
        config_log::reloaded(&changed);
        Ok(())
    }
}

/// Runs work that may block on storage outside of the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::Task)
}

/// The restored state of a partner. If no other partner shares its app registration, the customers are moved and not
/// copied.
fn restored_state_for(
    restored: Option<State>,
    config: &Config,
) -> impl FnMut(&PartnerSettings) -> Option<Past> + use<> {
    let ids: Vec<_> = config.partners.iter().map(|settings| settings.client_id.clone()).collect();
    let mut restored = restored;
    move |PartnerSettings { name, client_id, .. }| {
        let known = restored.as_mut()?;
        let alone = ids.iter().filter(|id| *id == client_id).count() == 1;
        if alone { known.take_past_of(name, client_id) } else { known.past_of(name, client_id) }
    }
}

/// Open files that are not connections of scrapers, at most: those that are open before anything is polled, connections to
/// the API and for tokens (both ends of them, if the API is simulated), and some for files and the pollers' runtime.
fn other_files(config: &Config, simulated: bool) -> usize {
    const FURTHER_FILES: usize = 16;
    let open = std::fs::read_dir("/proc/self/fd").map_or(16, Iterator::count);
    let to_api: usize = config.partners.iter().map(|partner| partner.budget.concurrency as usize + 1).sum();
    open + FURTHER_FILES + to_api * if simulated { 2 } else { 1 }
}

/// The data and the reload handle for the web server.
#[expect(clippy::too_many_arguments, reason = "one source for each of its parts")]
fn app_state(
    exposition: Published,
    ever_ready: EverReady,
    running: watch::Receiver<Arc<Running>>,
    metrics: &AppMetrics,
    health: &Health,
    clock: Clock,
    web: WebOptions,
    reload: Option<web::Reload>,
) -> AppState {
    let now = move || Arc::clone(&running.borrow());
    let (measured, known, listed, configured) = (now.clone(), now.clone(), now.clone(), now);
    let (metrics, health) = (metrics.clone(), health.clone());
    AppState {
        exposition,
        own_metrics: Arc::new(move || {
            measured().partners.iter().flat_map(Partner::gather).chain([metrics.gather()]).flatten().collect()
        }),
        inventories: Arc::new(move || -> Vec<Inventory> { known().snapshots() }),
        readiness: Arc::new(move || listed().partners.iter().map(Partner::readiness).collect()),
        health: Arc::new(move || health.check()),
        clock,
        ever_ready,
        config_yaml: Arc::new(move || configured().config_yaml.clone()),
        telemetry_path: web.telemetry_path,
        external_url: web.external_url,
        simulated: web.simulated,
        reload,
    }
}

fn server_ended(ended: Result<io::Result<()>, JoinError>) -> Result<(), Error> {
    ended.map_err(io::Error::other).flatten().map_err(Error::Server)
}

/// Resolves when a task has panicked (a bug). Otherwise it never resolves, because other tasks may finish normally.
async fn first_panic(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(error)) => return error,
            Some(Ok(())) => {}
            None => std::future::pending().await,
        }
    }
}

/// Resolves when shutdown has been signalled.
async fn shutdown_signalled(mut stopped: watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = stopped.wait_for(|&stopped| stopped).await;
}
