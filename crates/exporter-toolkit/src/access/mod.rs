//! Access control: TLS, users, headers and rate limit from the file of `--web.config.file`, in the format of
//! Prometheus' exporter-toolkit.
//!
//! The file and the certificates, keys and CAs that it names are checked for changes when a request arrives, at most
//! every second, off the threads of the runtime. A valid change applies to the next connection or request. An invalid
//! change is ignored and logged once. So is a change that removes protection, because a file may be empty for a moment
//! while it is being written: it needs a reload or a restart.

mod auth;
mod client_verifier;
mod files;
mod go_names;
mod headers;
mod passwords;
mod tls;
mod token_bucket;
mod users;
mod web_config;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::{ConfigErrors, ConfigPath, Diagnostic, Location, Problem, quoted};
use files::Files;
use passwords::Passwords;
use web_config::WebConfig;

/// The minimum time between two checks of the files.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// How long a request waits for a refresh. On slow storage the previous configuration then applies.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    file: Option<PathBuf>,
    config: RwLock<Arc<WebConfig>>,
    /// The files that were read last, whether they were valid or not.
    files: Mutex<Files>,
    refresh: Mutex<Refresh>,
    passwords: Arc<Passwords>,
}

/// A valid configuration that was read but does not apply yet.
pub struct Reread(Option<(WebConfig, Files)>);

struct Refresh {
    last: Instant,
    in_flight: bool,
}

/// Marks a refresh as in flight until it is dropped.
struct InFlight(Access);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.refresh.lock().in_flight = false;
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("file", &self.0.file).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads and validates the file. Without a file, every client has access, over plain HTTP.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let (config, files) = match file {
            Some(file) => {
                let (config, files) = WebConfig::read(file);
                (config?, files)
            }
            None => (WebConfig::open(), Files::default()),
        };
        Self::new(file, config, files)
    }

    /// Validates a text, and reads the files that it names. Relative paths start at `base`. Later changes of the files
    /// are not detected.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigErrors> {
        let mut files = Files::default();
        let config = WebConfig::parse(text, base, &mut files)?;
        Self::new(None, config, files)
    }

    fn new(file: Option<&Path>, config: WebConfig, files: Files) -> Result<Self, ConfigErrors> {
        let passwords = Passwords::new().map_err(|_| {
            let diagnostic = Diagnostic::new("the system gives no random numbers", "check /dev/urandom");
            ConfigErrors::new(vec![Problem { location: Location::File, diagnostic }])
        })?;
        Ok(Self(Arc::new(Inner {
            file: file.map(Path::to_owned),
            config: RwLock::new(Arc::new(config)),
            files: Mutex::new(files),
            refresh: Mutex::new(Refresh { last: Instant::now(), in_flight: false }),
            passwords: Arc::new(passwords),
        })))
    }

    /// Reads and validates the file again. The result takes effect with [`Access::apply`], so that a reload can check
    /// everything else first. Blocks while files are read.
    pub fn reread(&self) -> Result<Reread, ConfigErrors> {
        let Some(file) = &self.0.file else { return Ok(Reread(None)) };
        let (config, files) = WebConfig::read(file);
        config.map(|config| Reread(Some((config, files))))
    }

    /// Replaces the configuration, even if this removes protection.
    pub fn apply(&self, reread: Reread) {
        if let Some((config, files)) = reread.0 {
            *self.0.files.lock() = files;
            self.install(config);
        }
    }

    /// Warnings about settings that are valid but unwise, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.current().warnings.clone()
    }

    /// Whether connections begin with a TLS handshake at the moment.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.current().tls.is_some()
    }

    /// The configuration of the next handshake.
    pub(super) async fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.config().await.tls.as_ref().map(|tls| Arc::clone(&tls.server))
    }

    /// Whether a handshake would use this configuration now.
    pub(super) fn is_current(&self, tls: Option<&Arc<ServerConfig>>) -> bool {
        match (&self.current().tls, tls) {
            (Some(now), Some(then)) => Arc::ptr_eq(&now.server, then),
            (now, then) => now.is_none() && then.is_none(),
        }
    }

    /// The current configuration, after a refresh if one is due.
    async fn config(&self) -> Arc<WebConfig> {
        if self.0.file.is_some() && self.is_due() {
            let in_flight = InFlight(self.clone());
            let refresh = tokio::task::spawn_blocking(move || in_flight.0.refresh());
            let _ = tokio::time::timeout(REFRESH_TIMEOUT, refresh).await;
        }
        self.current()
    }

    /// Whether a refresh is due. If so, marks it as in flight: the caller must run it.
    fn is_due(&self) -> bool {
        let mut refresh = self.0.refresh.lock();
        let is_due = !refresh.in_flight && refresh.last.elapsed() >= REFRESH_INTERVAL;
        if is_due {
            *refresh = Refresh { last: Instant::now(), in_flight: true };
        }
        is_due
    }

    fn refresh(&self) {
        let Some(file) = &self.0.file else { return };
        // Read without the lock: storage that hangs must not hold up a reload.
        let before = self.0.files.lock().clone();
        if !before.changed() {
            return;
        }
        let (config, read) = WebConfig::read(file);
        let mut files = self.0.files.lock();
        if *files != before {
            // A reload has read them meanwhile.
            return;
        }
        *files = read;
        match config {
            Err(errors) => warn!("the changed web configuration is invalid; keeping the previous one: {errors}"),
            Ok(config) => {
                if let Some(what) = self.current().weakens(&config) {
                    warn!(
                        "the changed web configuration would remove {what}; keeping the previous one until a reload or \
                         a restart"
                    );
                    return;
                }
                info!("the changed web configuration or certificate applies now");
                for warning in &config.warnings {
                    warn!("{warning}");
                }
                self.install(config);
            }
        }
    }

    fn install(&self, config: WebConfig) {
        self.0.passwords.users_changed(&self.current().users, &config.users);
        *self.0.config.write() = Arc::new(config);
    }

    fn current(&self) -> Arc<WebConfig> {
        Arc::clone(&self.0.config.read())
    }
}

/// A boolean in any of the spellings that exporter-toolkit's YAML has for it.
fn parse_bool(at: &ConfigPath<'_>, text: Option<&str>, default: bool) -> bool {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("" | "~" | "null") => default,
        Some("true" | "yes" | "on" | "y") => true,
        Some("false" | "no" | "off" | "n") => false,
        Some(text) => {
            at.error(format!("{} is neither true nor false", quoted(text)), "write `true` or `false`");
            default
        }
    }
}

#[cfg(test)]
mod tests;
