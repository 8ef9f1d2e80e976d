//! Wires the daemon: pollers, a publisher that renders, a state writer that saves, a web server, and a configuration
//! that can be reloaded. With `ha`, it serves as a standby until it acquires the lease, and polls as long as it holds it.
//!
//! [`run`] takes its listeners, its clock and the shutdown future as arguments, so that tests run it in the same way as
//! `main`. No file is read on a thread of the async runtime. It returns within [`GRACE`] of the shutdown, even if
//! something hangs.

mod app_state;
mod config_log;
mod credential_watcher;
mod health;
mod leader;
mod metrics;
mod partner;
mod partners;
mod publisher;
mod readiness_watcher;
mod reload;
mod replica;
mod runtime;
mod shutdown;
mod state;
pub mod systemd;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{timeout, timeout_at};
use tracing::{info, warn};

pub use partner::Partner;
pub use partners::{ActiveConfig, Partners};
pub use shutdown::{GRACE, Shutdown};

use elements::clock::Clock;
use exporter_toolkit::{Access, Limits, Options};
use exposition::SnapshotHandle;

use crate::config::{Config, StateLocation};
use crate::panics::{self, Task};
use crate::remote::RemoteError;
use crate::web::readiness::ReadyLatch;
use crate::web::{self, WebOptions};
use app_state::{app_state, other_files};
use health::Health;
use leader::{Leader, SharedState};
use metrics::AppMetrics;
use reload::ReloadReply;
use replica::{LeadershipChange, Replica};
use runtime::PollerRuntime;

/// Maximum wait of a start or a reload until its changes are rendered.
const FIRST_RENDER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the daemon could not start, or ended. The cause of an error is not in its text; [`elements::error_chain`] adds it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A partner could not be set up.
    #[error(transparent)]
    Partner(#[from] partner::PartnerError),
    /// A metric could not be registered: a bug.
    #[error("registering the exporter's own metrics")]
    Metrics(#[from] prometheus::Error),
    /// The web server could not be set up.
    #[error(transparent)]
    Web(web::Error),
    /// The lease cannot be used as configured.
    #[error("ha")]
    Election(#[from] RemoteError),
    /// The state file or blob cannot be used as configured.
    #[error("state")]
    State(#[source] io::Error),
    /// Another replica has become the leader; its values are newer. A restart makes this one a standby.
    #[error("another replica leads: {0}; exiting, so that a restart begins as a standby")]
    Replaced(String),
    /// A server ended.
    #[error("serving")]
    Server(#[source] io::Error),
    /// A task panicked (a bug); the panic was logged.
    #[error("a task ended abnormally")]
    Task(#[source] JoinError),
}

/// The arguments of the daemon.
#[derive(Debug)]
pub struct Setup {
    /// The initial configuration.
    pub config: Config,
    /// The file to reload it from; without it there is no reload.
    pub config_file: Option<PathBuf>,
    /// The listening sockets.
    pub listeners: Vec<TcpListener>,
    /// Paths, external URL and access control.
    pub web: WebOptions,
    /// Whether `POST /-/reload` is enabled.
    pub lifecycle: bool,
    /// The clock of the process.
    pub clock: Clock,
}

/// Runs the daemon until `shutdown`, or until a server or a task fails.
pub async fn run(setup: Setup, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    panics::install_hook();
    let mut shutdown = std::pin::pin!(shutdown);
    let started = tokio::select! {
        started = Daemon::start(setup) => started?,
        // Blocked storage does not delay the shutdown. Nothing was polled yet, so nothing is lost.
        () = &mut shutdown => {
            info!("shutting down before the start was complete");
            return Ok(());
        }
    };
    started.run(shutdown).await
}

/// A reload request, or a change of the leadership.
enum Event {
    Reload(Option<ReloadReply>),
    LeadershipChange(LeadershipChange),
}

/// The running daemon.
struct Daemon {
    config_file: Option<PathBuf>,
    access: Access,
    clock: Clock,
    metrics: AppMetrics,
    leader: Leader,
    /// `None` for one process, which always leads.
    replica: Option<Replica>,
    /// On a standby, the configuration to apply when it becomes the leader.
    standby: Option<Config>,
    /// The runtime of the pollers.
    pollers: PollerRuntime,
    rendered: watch::Receiver<Arc<ActiveConfig>>,
    reloads: mpsc::Receiver<ReloadReply>,
    hangups: tokio::signal::unix::Signal,
    /// Signals the shutdown to the servers and the publisher.
    stop: watch::Sender<bool>,
    servers: JoinSet<io::Result<()>>,
    tasks: JoinSet<()>,
}

impl Daemon {
    /// Restores the state and starts polling, unless this replica must first acquire the lease; then starts all tasks and
    /// listens.
    async fn start(setup: Setup) -> Result<Self, Error> {
        let Setup { config, config_file, listeners, web, lifecycle, clock } = setup;
        let (access, external_url) = (web.access.clone(), web.external_url.clone());
        let hangups = shutdown::hangup().map_err(Error::Server)?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();

        let other_files = other_files(&config, web.simulated);
        let (warnings, config) = blocking(move || (config.warnings(clock.wall_now()), config)).await?;
        config_log::loaded(&config);
        config_log::warnings(warnings.into_iter().chain(access.warnings()));
        let replica = Replica::join(config.ha.clone(), clock).await?;
        let watcher = replica.as_ref().map(Replica::watcher);
        let lease = config.ha.as_ref().map(|ha| ha.lease.label()).zip(watcher.clone());
        let metrics = AppMetrics::new(lease, clock)?;
        let pollers = PollerRuntime::start().map_err(Error::Server)?;
        let partners = Partners::none(clock, pollers.handle(), watcher.clone());
        let (running, changed) = (partners.running(), partners.changed());
        let state = config.state.clone();
        let shared_state = replica.as_ref().map(|replica| match state.as_ref().map(|state| &state.location) {
            Some(StateLocation::AzureBlob(blob)) => SharedState { lease: replica.lease_of(blob) },
            Some(StateLocation::File(_)) | None => SharedState { lease: None },
        });
        let mut leader = Leader::new(partners, state, shared_state, metrics.registry().clone(), clock);
        let standby = if replica.is_some() {
            leader.partners.show(&config);
            Some(config)
        } else {
            leader.begin(config).await?;
            None
        };
        tasks.spawn(credential_watcher::watch_credentials(running.clone()));

        let ready_latch = ReadyLatch::default();
        tasks.spawn(readiness_watcher::watch_readiness(running.clone(), changed.clone(), clock, ready_latch.clone()));

        let exposition = SnapshotHandle::new();
        let (render, mut rendered) = watch::channel(Arc::default());
        let publisher = publisher::Publisher::new(running.clone(), changed, render, exposition.clone(), clock);
        let health = Health::new(running.clone(), &publisher, leader.saving(), clock);
        tasks.spawn(publisher.run(shutdown_signalled(stopped.clone())));

        // The first response contains the restored state. If rendering is delayed, the server starts anyway.
        let first = rendered.wait_for(|rendered| Arc::ptr_eq(rendered, &running.borrow()));
        let _ = timeout(FIRST_RENDER_TIMEOUT, first).await;

        let (reload, reloads) = mpsc::channel(1);
        let reload = lifecycle.then_some(reload);
        let state = app_state(exposition, ready_latch, running, watcher, &metrics, &health, clock, web, reload);
        let router = web::router(state).map_err(Error::Web)?;
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
        servers.spawn(exporter_toolkit::serve(listeners, router, options, shutdown_signalled(stopped)));
        tasks.spawn(systemd::feed_watchdog(move || health.check(), health::CHECK_INTERVAL));
        systemd::ready(if replica.is_some() { "standing by" } else { "serving" });
        Ok(Self {
            config_file,
            access,
            clock,
            metrics,
            leader,
            replica,
            standby,
            pollers,
            rendered,
            reloads,
            hangups,
            stop,
            servers,
            tasks,
        })
    }

    /// Serves, reloads on request, leads while it holds the lease, then shuts down.
    async fn run(mut self, mut shutdown: std::pin::Pin<&mut impl Future<Output = ()>>) -> Result<(), Error> {
        let outcome = loop {
            let event = tokio::select! {
                () = &mut shutdown => {
                    info!("shutting down");
                    break Ok(());
                }
                Some(ended) = self.servers.join_next() => break server_ended(ended),
                error = first_panic(&mut self.tasks) => break Err(Error::Task(error)),
                error = self.leader.first_panic() => break Err(Error::Task(error)),
                change = replica::next(&mut self.replica) => match change {
                    Ok(change) => Event::LeadershipChange(change),
                    Err(error) => break Err(Error::Task(error)),
                },
                Some(()) = self.hangups.recv() => Event::Reload(None),
                Some(reply) = self.reloads.recv() => Event::Reload(Some(reply)),
            };
            let handled = tokio::select! {
                handled = self.handle(event) => handled,
                () = &mut shutdown => {
                    info!("shutting down");
                    break Ok(());
                }
            };
            if handled.is_err() {
                break handled;
            }
        };
        self.end().await.and(outcome)
    }

    async fn handle(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Reload(reply) => self.reload_and_report(reply).await,
            Event::LeadershipChange(LeadershipChange::Begin) => {
                info!("the lease was acquired: restoring the state, then polling");
                systemd::ready("serving");
                if let Some(config) = self.standby.take() {
                    self.leader.begin(config).await?;
                }
            }
            Event::LeadershipChange(LeadershipChange::Pause) => {
                warn!("the lease was lost: polling stops, and the last known values are still served");
                systemd::ready("serving; the lease was lost");
                self.leader.pause(tokio::time::Instant::now() + GRACE).await;
            }
            Event::LeadershipChange(LeadershipChange::Resume) => {
                info!("the lease was acquired again: polling continues");
                systemd::ready("serving");
                self.leader.resume().await?;
            }
            Event::LeadershipChange(LeadershipChange::Replaced(leader)) => return Err(Error::Replaced(leader)),
        }
        Ok(())
    }

    /// Ends polls, connections and the state writer, then resigns, all within [`GRACE`].
    async fn end(mut self) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + GRACE;
        systemd::stopping();
        self.stop.send_replace(true);
        let (leader, replica, servers, pollers) = (&mut self.leader, self.replica, &mut self.servers, self.pollers);
        let save = async {
            leader.pause(deadline).await;
            if let Some(replica) = replica {
                let _ = timeout_at(deadline, replica.resign()).await;
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
}

/// Runs work that may block on storage outside of the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::Task)
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
