//! Panic hook: logs and counts every panic, also those that are caught.
//!
//! A panic unwinds and ends one task, never the process. [`install_hook`] sees every panic where it happens. The label
//! of the counter is the innermost [`scope`] or [`sync_scope`], or [`Task::Other`] without one.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;
use tracing::{Span, error};

/// The maximum bytes of a panic message in the log.
const MAX_MESSAGE: usize = 2000;

/// The label `task` of `avepoint_exporter_panics_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Polling a target, or the poll loop.
    Poll,
    /// Rendering the exposition.
    Render,
    /// Restoring or saving the state.
    State,
    /// Serving a connection.
    Connection,
    /// Anything else.
    Other,
}

impl Task {
    /// Every task, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Poll, Self::Render, Self::State, Self::Connection, Self::Other];

    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Render => "render",
            Self::State => "state",
            Self::Connection => "connection",
            Self::Other => "other",
        }
    }
}

/// Panics of this process, in the order of [`Task::ALL`].
static COUNTS: [AtomicU64; Task::ALL.len()] = [const { AtomicU64::new(0) }; Task::ALL.len()];

tokio::task_local! {
    static CURRENT: Task;
}

/// The number of panics so far.
#[must_use]
pub fn count(task: Task) -> u64 {
    COUNTS.get(task as usize).map_or(0, |count| count.load(Ordering::Relaxed))
}

/// Counts panics of this future for `task`.
pub fn scope<F: Future>(task: Task, future: F) -> TaskLocalFuture<Task, F> {
    CURRENT.scope(task, future)
}

/// Counts panics of this function for `task`.
pub fn sync_scope<T>(task: Task, function: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(task, function)
}

/// Runs this function on a blocking thread, in the current span; its panics count for `task`.
pub fn spawn_blocking<T: Send + 'static>(task: Task, function: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(|| sync_scope(task, function)))
}

/// Installs the hook that counts and logs panics. If logging is not set up, the previous hook prints them.
pub fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let task = CURRENT.try_with(|task| *task).unwrap_or(Task::Other);
            if let Some(count) = COUNTS.get(task as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            if tracing::enabled!(tracing::Level::ERROR) { log(task, info) } else { before(info) }
        }));
    });
}

fn log(task: Task, info: &PanicHookInfo<'_>) {
    let message = message(info.payload());
    let end = message.floor_char_boundary(MAX_MESSAGE);
    let message = message.get(..end).unwrap_or_default();
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    error!(task = task.as_str(), location, thread, backtrace, "panic, please report it: {message}");
}

/// The message of a panic.
#[must_use]
pub fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_one_event_of_the_log() {
        install_hook();
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let panics = || sync_scope(Task::State, || panic!("{}", "x".repeat(10_000)));
            std::panic::catch_unwind(panics).unwrap_err();
            // A test on another thread may have met the events of the hook first, without a subscriber: they are off then.
            tracing::callsite::rebuild_interest_cache();
            written.0.lock().unwrap().clear();
            std::panic::catch_unwind(panics).unwrap_err();
        });
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        let event: serde_json::Value = serde_json::from_str(&log).unwrap();
        let fields = &event["fields"];
        assert_eq!((&event["level"], &fields["task"]), (&"ERROR".into(), &"state".into()), "{log}");
        assert!(fields["location"].as_str().unwrap().contains("panics.rs:"), "{log}");
        let message = fields["message"].as_str().unwrap();
        assert!(message.starts_with("panic, please report it: xxx") && message.len() < 2100, "{}", message.len());
    }

    #[tokio::test]
    async fn a_panic_is_counted_once_by_the_innermost_task() {
        install_hook();
        install_hook();
        let before = Task::ALL.map(count);
        let render = || sync_scope(Task::Render, || panic!("a test of panics"));
        let panicked = tokio::spawn(scope(Task::Poll, async move { tokio::task::spawn_blocking(render).await }));
        assert!(panicked.await.unwrap().unwrap_err().is_panic());
        let polling = tokio::spawn(scope(Task::Poll, async { panic!("a test of panics") }));
        assert_eq!(message(polling.await.unwrap_err().into_panic().as_ref()), "a test of panics");
        // Other tests of this process panic too, but not in a render.
        assert_eq!(count(Task::Render) - before[Task::Render as usize], 1);
        assert!(count(Task::Poll) > before[Task::Poll as usize]);
    }
}
