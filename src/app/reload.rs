//! Reload: reads both configuration files again and applies what changed.

use std::sync::Arc;

use elements::error_chain;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{error, warn};

use super::{Daemon, FIRST_RENDER_TIMEOUT, Partner, blocking, config_log, systemd};
use crate::config::{Config, changed_keys};

/// Where the result of a requested reload is sent: an error message if the configuration is invalid.
pub(super) type ReloadReply = oneshot::Sender<Result<(), String>>;

impl Daemon {
    /// Reloads, then reports the result to systemd, the metrics, the log and the requester.
    pub(super) async fn reload_and_report(&mut self, reply: Option<ReloadReply>) {
        systemd::reloading();
        let reloaded = self.reload().await;
        systemd::ready(match (&reloaded, &self.standby) {
            (Ok(()), None) => "serving",
            (Ok(()), Some(_)) => "standing by",
            (Err(_), _) => "serving; the last reload failed",
        });
        self.metrics.reloaded(reloaded.is_ok());
        if let Err(problems) = &reloaded {
            error!("reload failed; keeping the previous configuration:\n{problems}");
        }
        if let Some(reply) = reply {
            // The requester may have disconnected.
            let _: Result<(), _> = reply.send(reloaded);
        }
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
        let (config, rules, warnings) = blocking(load).await.map_err(|error| error_chain(&error))??;
        if config.state != self.leader.state {
            warn!("state: the change takes effect at the next start");
        }
        if config.ha.as_ref() != self.replica.as_ref().map(|replica| &replica.settings) {
            warn!("ha: the change takes effect at the next start");
        }
        let partners = &mut self.leader.partners;
        let before = partners.running().borrow().config_yaml.clone();
        let changed = changed_keys(&before, &config.to_redacted_yaml());
        if self.standby.is_some() {
            partners.show(&config);
            self.standby = Some(config);
        } else {
            partners.apply(config, |_| None).await.map_err(|error| error_chain(&error))?;
        }
        self.access.apply(rules);
        config_log::warnings(warnings.into_iter().chain(self.access.warnings()));
        let running = Arc::clone(&self.leader.partners.running().borrow());
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
