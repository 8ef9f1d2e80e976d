//! The runtime of the pollers: its own threads, so that responses of the API never delay scrapes.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// More threads than most machines have cores: a connection on which the peer sends without end occupies its thread for
/// some time, and the timers that end it need another thread. Idle threads cost nothing.
const THREADS: usize = 8;
/// Scrapes have priority over polls if there are too few cores for both. Lowering a priority needs no privilege.
const NICE: i32 = 10;

/// Ends its tasks when it is dropped, without waiting for blocking work.
#[derive(Debug)]
pub(super) struct PollerRuntime(Option<Runtime>);

impl PollerRuntime {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("poller").enable_all().on_thread_start(|| {
            // On Linux this sets the thread's priority, elsewhere the process's. If it fails, all threads have equal
            // priority.
            if cfg!(target_os = "linux") {
                let _ = rustix::process::setpriority_process(None, NICE);
            }
        });
        builder.build().map(|runtime| Self(Some(runtime)))
    }

    /// The handle on which pollers are spawned.
    pub(super) fn handle(&self) -> Handle {
        // It is `Some` until the drop.
        self.0.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for PollerRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
