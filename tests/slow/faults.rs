//! The fault table: the daemon against the simulator under each fault, and under several at once. This test writes
//! `docs/faults.md`, which says what is checked.
//!
//! `FAULTS=429` runs only the rows whose names contain that; `UPDATE_GOLDENS=1` rewrites the document.

mod answering;
mod clock;
mod combinations;
mod daemon;
mod document;
mod door;
mod optional;
mod refusing;
mod rows;
mod scene;
mod setup;
mod table;
mod truth;

use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use self::combinations::combinations;
use self::rows::Row;
use self::scene::{Account, LATE, play};
use self::table::all_rows;

/// Concurrent rows per core: most of them wait.
const AT_ONCE: usize = 4;

#[test]
fn every_fault_is_held() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let single = all_rows(&format!("http://{}/connect/token", trap.local_addr().unwrap()));
    let mixed = combinations(&single);
    let wanted = std::env::var("FAULTS").unwrap_or_default();
    let rows: Vec<_> = single.iter().chain(&mixed).filter(|row| row.name.contains(&wanted)).collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let start = Instant::now();
    let mut played = play_all(&rows, cores * AT_ONCE, runtime.handle());
    // A row that was late among many is repeated among few.
    let is_late = |(_, verdict): &(&Row, Verdict)| verdict.as_ref().is_err_and(|problem| problem.starts_with(LATE));
    let late: Vec<_> = played.extract_if(.., |played| is_late(played)).map(|(row, _)| row).collect();
    played.extend(play_all(&late, cores.div_ceil(2), runtime.handle()));
    let accounts: Vec<Account> = played.iter().filter_map(|(_, verdict)| verdict.as_ref().ok().copied()).collect();
    println!(
        "{} faults, {} combinations: {} held; {} scrapes checked; at most {} MiB, {} files; {:.0?} with {} rows at once, {} of them again",
        rows.iter().filter(|row| !row.is_combined()).count(),
        rows.iter().filter(|row| row.is_combined()).count(),
        accounts.len(),
        accounts.iter().map(|account| account.scrapes).sum::<u64>(),
        accounts.iter().map(|account| account.memory_kib).max().unwrap_or(0) / 1024,
        accounts.iter().map(|account| account.files).max().unwrap_or(0),
        start.elapsed(),
        cores * AT_ONCE,
        late.len(),
    );
    let not_held: Vec<_> =
        played.iter().filter_map(|(row, verdict)| Some((&row.name, verdict.as_ref().err()?))).collect();
    assert!(not_held.is_empty(), "{not_held:#?}");
    assert!(trap.accept().is_err(), "somebody followed a redirect");
    if wanted.is_empty() {
        document::compare(&single, &mixed);
    }
}

type Verdict = Result<Account, String>;

/// Runs rows, this many at the same time.
fn play_all<'a>(rows: &[&'a Row], at_once: usize, runtime: &tokio::runtime::Handle) -> Vec<(&'a Row, Verdict)> {
    let (next, played) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(rows.len()) {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = std::panic::catch_unwind(AssertUnwindSafe(|| play(row, runtime)))
                        .unwrap_or_else(|panic| Err(said(panic.as_ref())));
                    match &verdict {
                        Ok(Account { scrapes, memory_kib, files, recovery }) => println!(
                            "held: {} ({scrapes} scrapes, {} MiB, {files} files, recovered in {recovery:.1?})",
                            row.name,
                            memory_kib / 1024
                        ),
                        Err(problem) => println!("NOT held: {}: {problem}", row.name),
                    }
                    played.lock().unwrap().push((*row, verdict));
                }
            });
        }
    });
    played.into_inner().unwrap()
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
