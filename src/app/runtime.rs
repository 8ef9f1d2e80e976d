//! The runtime of the pollers: threads of its own, so that what the API sends never holds up who scrapes.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// More than most machines have cores: a connection over which the other side sends without end holds its thread for
/// some time, and the timers that end it need another one. Idle threads cost nothing.
const THREADS: usize = 8;
/// Scrapes go before polls where there are too few cores for both. Lowering a priority needs no privilege.
const NICE: i32 = 5;

/// Ends its tasks when it is dropped, without waiting for work that blocks.
#[derive(Debug)]
pub(super) struct PollerRuntime(Option<Runtime>);

impl PollerRuntime {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).thread_name("poller").enable_all().on_thread_start(|| {
            // On Linux this is the thread's priority, elsewhere the process's. Where it cannot be had, all are equal.
            if cfg!(target_os = "linux") {
                let _ = rustix::process::setpriority_process(None, NICE);
            }
        });
        builder.build().map(|runtime| Self(Some(runtime)))
    }

    /// Where pollers are spawned.
    pub(super) fn handle(&self) -> Handle {
        // It is there until the drop.
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
