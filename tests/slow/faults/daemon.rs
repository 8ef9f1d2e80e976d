//! The daemon of a row: the binary as a process, or the library in this process if its clock must be set.

use std::path::{Path, PathBuf};
use std::process::Command;

use avepoint_exporter::app::{self, Setup};
use avepoint_exporter::config::Config;
use avepoint_exporter::web::WebOptions;
use elements::clock::{Clock, suspended};
use exporter_toolkit::{Access, ExternalUrl};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::rows::Row;
use crate::support::Exporter;

pub enum Daemon {
    Process(Exporter),
    Inside { url: String, stop: oneshot::Sender<()>, running: JoinHandle<Result<(), app::Error>>, runtime: Handle },
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub fn start(row: &Row, runtime: &Handle, folder: &Path, yaml: &str) -> Self {
        let Some(wall) = row.wall else { return Self::Process(Exporter::with_config(folder, yaml)) };
        let file = folder.join("config.yaml");
        std::fs::write(&file, yaml).unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let setup = Setup {
            config: Config::load(&file).unwrap(),
            config_file: Some(file),
            listeners: vec![listener],
            web: WebOptions {
                telemetry_path: "/metrics".to_owned(),
                external_url: ExternalUrl::default(),
                access: Access::load(None).unwrap(),
                simulated: false,
            },
            lifecycle: false,
            clock: Clock::following(wall.read, suspended),
        };
        let running = runtime.spawn(app::run(setup, async {
            let _ = stopped.await;
        }));
        Self::Inside { url, stop, running, runtime: runtime.clone() }
    }

    pub fn url(&self) -> &str {
        match self {
            Self::Process(exporter) => &exporter.url,
            Self::Inside { url, .. } => url,
        }
    }

    /// Its folder in `/proc`, if it is a process of its own.
    pub fn process(&self) -> Option<PathBuf> {
        match self {
            Self::Process(exporter) => Some(format!("/proc/{}", exporter.child.id()).into()),
            Self::Inside { .. } => None,
        }
    }

    /// Another configuration, by SIGHUP.
    pub fn reload(&mut self, folder: &Path, yaml: &str) {
        let Self::Process(exporter) = self else { panic!("only a process is told by a signal") };
        std::fs::write(folder.join("config.yaml"), yaml).unwrap();
        assert!(Command::new("kill").args(["-HUP", &exporter.child.id().to_string()]).status().unwrap().success());
        exporter.wait_for_line("the configuration was reloaded");
    }

    /// The log so far.
    pub fn log(&mut self) -> String {
        match self {
            Self::Process(exporter) => exporter.log().to_owned(),
            Self::Inside { .. } => String::new(),
        }
    }

    /// Stops it, which must be an orderly shutdown.
    pub fn end(self) -> Result<(), String> {
        match self {
            Self::Process(mut exporter) => match exporter.terminate().0 {
                Some(0) => Ok(()),
                code => Err(format!("it ended with {code:?}")),
            },
            Self::Inside { stop, running, runtime, .. } => {
                let _ = stop.send(());
                let ended = runtime.block_on(running).map_err(|error| error.to_string())?;
                ended.map_err(|error| error.to_string())
            }
        }
    }
}
