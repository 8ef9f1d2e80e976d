//! A panic message may contain any value with `Debug`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use avepoint_exporter::config::Config;
use avepoint_exporter::panics::Task;
use avepoint_exporter::web::readiness::ReadyLatch;
use avepoint_exporter::web::{AppState, Role, router};
use elements::Client;
use elements::clock::Clock;
use exporter_toolkit::{Access, ExternalUrl, Options, bind, serve};
use exposition::SnapshotHandle;

use super::{
    PFX_PASSWORD, PROXY_PASSWORD, PROXY_USER, SECRET, all_secrets, certificate, holds_no_key, is_clean, key_forms,
};
use crate::support::get;

const FOLDER: &str = "FOLDER_OF_THE_PANIC";

/// Runs itself as a process whose tasks panic, and searches its output.
#[test]
fn a_panic_of_a_task_prints_no_secret() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return tasks_panic_with_all_they_have(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let key = certificate(folder.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "secrets::panics::a_panic_of_a_task_prints_no_secret", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}");
    assert_eq!(printed.matches("all that it has: ").count(), 6, "two tasks panicked, three times each: {printed}");
    assert!(printed.contains("PartnerSettings") && printed.contains("stack backtrace"), "{printed}");
    is_clean("a panic", &printed, &all_secrets());
    holds_no_key("a panic", &printed, &key_forms(&key, 8));
}

/// A server whose tasks panic with the configuration, a client and its credential as their message.
fn tasks_panic_with_all_they_have(folder: &Path) {
    let proxy = format!("proxy_url: 'http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:1'");
    let auths = [
        format!("client_secret: '{SECRET}'"),
        "certificate: { cert_file: app.crt, key_file: app.key }".to_owned(),
        format!("certificate: {{ pfx_file: app.pfx, pfx_password: {PFX_PASSWORD} }}"),
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for auth in auths {
        let yaml = format!("partners: [{{ auth: {{ client_id: a, {auth} }}, {proxy} }}]");
        let config = Arc::new(Config::parse(&yaml, folder).unwrap());
        let client = Client::new(&config.partners[0].client_config().unwrap(), Clock::start()).unwrap();
        let panics = move || -> ! { panic!("all that it has: {:?}", (&config, &client)) };
        let (of_pages, of_tasks) = (panics.clone(), panics);
        let state = AppState {
            exposition: SnapshotHandle::new(),
            self_metrics: Arc::new(Vec::new),
            readiness: Arc::new(|| std::iter::empty().collect()),
            health: Arc::new(|| Ok(())),
            role: Arc::new(Role::default),
            inventories: Arc::new(move || of_tasks()),
            config_yaml: Arc::new(move || of_pages()),
            clock: Clock::start(),
            ready_latch: ReadyLatch::default(),
            telemetry_path: "/metrics".to_owned(),
            external_url: ExternalUrl::default(),
            simulated: false,
            reload: None,
        };
        let (url, server) = runtime.block_on(async {
            let listener = bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let access = Access::load(None).unwrap();
            let router = router(state).unwrap();
            let server = async move {
                let options = Options {
                    scope: |connection| Box::pin(avepoint_exporter::panics::scope(Task::Connection, connection)),
                    ..Options::new(access)
                };
                serve(vec![listener], router, options, std::future::pending()).await
            };
            (url, tokio::spawn(server))
        });
        for page in ["/config", "/"] {
            // The response that a client gets, if any.
            let answer = std::panic::catch_unwind(|| get(&format!("{url}{page}"), &[]));
            let said = answer.map_or_else(|_| String::new(), |(_, text)| text);
            is_clean(page, &said, &all_secrets());
        }
        server.abort();
    }
}
