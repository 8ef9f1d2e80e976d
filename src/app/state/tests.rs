use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use prometheus::Registry;
use tokio::time::timeout;

use super::*;
use crate::config::StateLocation;
use crate::inventory::{Listing, PriorState};

const PATIENCE: Duration = Duration::from_secs(30);
const END_WITHIN: Duration = Duration::from_secs(4);

/// A writer for a file, and a partner whose listing was polled at this second.
struct Kept {
    path: std::path::PathBuf,
    number: Arc<AtomicI64>,
    changed: watch::Sender<()>,
    stop: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
    registry: Registry,
    /// The number of saves so far, including the one in progress.
    begun: Arc<AtomicI64>,
    /// While it is locked, a save blocks.
    hangs: Arc<tokio::sync::Mutex<()>>,
}

impl Kept {
    /// The number that makes a save panic.
    const PANICS: i64 = -1;

    fn start(path: &Path, interval: Duration) -> (Self, Option<State>) {
        let settings = StateSettings { location: StateLocation::File(path.to_owned()), interval };
        let registry = Registry::new();
        let metrics = StateMetrics::new(&registry).unwrap();
        let (writer, restored) =
            StateWriter::open(&settings, None, metrics, Progress::default(), Clock::start()).unwrap();
        let number = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&number);
        let (begun, hangs) = (Arc::new(AtomicI64::new(0)), Arc::<tokio::sync::Mutex<()>>::default());
        let (counting, hanging) = (Arc::clone(&begun), Arc::clone(&hangs));
        let known = move || {
            counting.fetch_add(1, Ordering::Relaxed);
            drop(hanging.blocking_lock());
            let number = counted.load(Ordering::Relaxed);
            if number == Self::PANICS {
                // Disables the panic hook, because backtraces are slow.
                std::panic::resume_unwind(Box::new("a test of a save that panics"));
            }
            let polled = Timestamp::from_second(number).ok();
            let past = PriorState { listing: Listing { polled, ..Listing::default() }, ..PriorState::default() };
            vec![KnownPartner { name: "main".into(), client_id: "id".into(), past }]
        };
        let (changed, receiver) = watch::channel(());
        let (stop, stopped) = oneshot::channel::<Instant>();
        let task = tokio::spawn(writer.run(known, receiver, async { stopped.await.unwrap() }));
        (Self { path: path.to_owned(), number, changed, stop, task, registry, begun, hangs }, restored)
    }

    fn change(&self, number: i64) {
        self.number.store(number, Ordering::Relaxed);
        self.changed.send_replace(());
    }

    fn failures(&self) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "avepoint_exporter_state_save_failures_total");
        family.unwrap().get_metric()[0].get_counter().get_value()
    }

    async fn end(self) {
        self.stop.send(Instant::now() + END_WITHIN).unwrap();
        self.task.await.unwrap();
    }
}

fn number(state: &State) -> i64 {
    state.partners[0].past.listing.polled.unwrap().as_second()
}

fn saved(path: &Path) -> Option<i64> {
    Some(number(&State::decode(&std::fs::read(path).ok()?).unwrap()))
}

async fn wait_for(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it never came");
}

#[tokio::test]
async fn what_changed_is_saved_and_read_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (kept, restored) = Kept::start(&path, Duration::from_millis(1));
    assert!(restored.is_none());
    for change in 1..4 {
        kept.change(change);
        wait_for(|| saved(&path) == Some(change)).await;
    }
    kept.end().await;
    let (kept, restored) = Kept::start(&path, Duration::from_hours(1));
    assert_eq!(number(&restored.unwrap()), 3);
    let before = std::fs::read(&path).unwrap();
    kept.end().await;
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing has changed");
}

#[tokio::test]
async fn the_end_saves_what_the_interval_holds_back() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, _) = Kept::start(&folder.path().join("state"), Duration::from_hours(1));
    kept.change(7);
    let path = kept.path.clone();
    kept.end().await;
    assert_eq!(saved(&path), Some(7));
}

#[tokio::test]
async fn a_save_that_fails_is_tried_again_without_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/state");
    let (kept, _) = Kept::start(&path, Duration::from_millis(1));
    kept.change(1);
    wait_for(|| kept.failures() >= 2.0).await;
    std::fs::create_dir(folder.path().join("missing")).unwrap();
    wait_for(|| saved(&path) == Some(1)).await;
    kept.end().await;
}

#[tokio::test]
async fn a_save_that_hangs_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, _) = Kept::start(&folder.path().join("state"), Duration::from_millis(1));
    let hangs = Arc::clone(&kept.hangs);
    let hanging = hangs.lock().await;
    kept.change(1);
    wait_for(|| kept.begun.load(Ordering::Relaxed) > 0).await;
    timeout(END_WITHIN * 3, kept.end()).await.expect("it ends");
    drop(hanging);
}

#[tokio::test]
async fn a_save_that_panics_has_failed_and_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (kept, _) = Kept::start(&path, Duration::from_millis(1));
    kept.change(Kept::PANICS);
    wait_for(|| kept.failures() >= 2.0).await;
    kept.number.store(5, Ordering::Relaxed);
    wait_for(|| saved(&path) == Some(5)).await;
    kept.end().await;
}
