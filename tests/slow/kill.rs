//! kill -9 at any time: the next start serves exactly what was saved last.
//!
//! 100 kills; `KILLS` sets another number.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use avepoint_exporter::config::Config;
use avepoint_exporter::inventory::state_file::State;
use elements::types::Observation;
use simulator::{Dataset, Settings};

use crate::support::known::{kept, served_of};
use crate::support::{Exporter, Samples, Simulated, config, today, value};

const SAVED: &str = "avepoint_exporter_state_last_save_timestamp_seconds";
const CLIENT: &str = Settings::CLIENT.0;

/// All customers several times a second, so that every save contains something new.
fn settings(simulator: &Simulated) -> String {
    let collectors: String = ["services", "tenant_seats", "customer_seats", "products_purchased", "products_available"]
        .map(|collector| format!("  {collector}: {{ interval: 50ms, max_age: 1h }}\n"))
        .concat();
    let budget = "budget: { requests_per_second: 5000, burst: 100, concurrency: 8 }";
    config(simulator, budget, &format!("collectors:\n{collectors}state: {{ file: state, interval: 10ms }}"))
}

/// Sets the next number in every tenant, twice: a response that mixes two times is detected.
fn turn(world: &mut Dataset, number: u32) {
    for tenant in world.customers.iter_mut().flat_map(|customer| &mut customer.tenants) {
        (tenant.assigned, tenant.available) = (number, number);
    }
}

/// The tenants of a state, in order.
fn numbers(state: &State) -> Vec<f64> {
    let customers = state.partners.iter().flat_map(|known| known.past.customers.values());
    let observations =
        customers.flat_map(|customer| customer.targets.iter().filter_map(|(_, known)| known.observation.as_ref()));
    let mut numbers = Vec::new();
    for (_, observation) in observations {
        let Observation::TenantSeats(tenants) = observation else { continue };
        for tenant in tenants.iter() {
            assert_eq!(tenant.seats.assigned, tenant.seats.available, "a mixture within an answer");
            numbers.push(tenant.seats.assigned.unwrap().get());
        }
    }
    numbers
}

/// The daemon, started while the simulator's data set is locked: its requests wait for the lock. So it serves only the
/// restored values.
fn start_and_look(simulator: &Simulated, file: &Path) -> (Exporter, Samples) {
    let start = |_: &mut Dataset| {
        let exporter = Exporter::start(&["--config.file", file.to_str().unwrap()]);
        let samples = exporter.samples();
        (exporter, samples)
    };
    simulator.with_dataset(CLIENT, start).unwrap()
}

/// Stops the thread that changes the data set, also when the test ends early.
struct End<'a>(&'a AtomicBool);
impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_served_after_a_kill_is_what_was_saved_last() {
    let kills: u32 = std::env::var("KILLS").map_or(100, |kills| kills.parse().unwrap());
    let mut settled = Settings::of_size(20, 3, today());
    for customer in &mut settled.registrations[0].dataset.customers {
        customer.rows.iter_mut().for_each(|row| row.follows = None);
    }
    let simulator = Simulated::start(settled);
    simulator.with_dataset(CLIENT, |world| turn(world, 1));
    let folder = tempfile::tempdir().unwrap();
    let (file, path) = (folder.path().join("config.yaml"), folder.path().join("state"));
    fs::write(&file, settings(&simulator)).unwrap();
    let config = Config::load(&file).unwrap();

    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let end = End(&ended);
        let turning = scope.spawn(|| {
            let mut number = 1;
            while !ended.load(Ordering::Relaxed) {
                number += 1;
                simulator.with_dataset(CLIENT, |world| turn(world, number));
                std::thread::sleep(Duration::from_millis(3));
            }
            number
        });
        let mut dice = fastrand::Rng::with_seed(9);
        let (mut before, mut reported) = (None::<State>, 0.0);
        let (mut in_a_save, mut lag, mut files) = (0, Vec::new(), 0);
        for kill in 0..=kills {
            let (exporter, first) = start_and_look(&simulator, &file);
            let same = match &before {
                None => kept(first).is_empty(),
                Some(saved) => kept(first) == served_of(&config, saved),
            };
            assert!(same, "after {kill} kills something else is served than what was saved");
            // Two of three live until they have saved something, however slow the machine is.
            if kill % 3 != 0 {
                let restored = value(&exporter.samples(), SAVED).unwrap();
                exporter.wait_for("a save", |samples| value(samples, SAVED).unwrap() > restored);
            }
            let last = Instant::now() + Duration::from_millis(dice.u64(0..250));
            while Instant::now() < last {
                reported = value(&exporter.samples(), SAVED).unwrap();
            }
            drop(exporter);

            // The process is dead, and its lock on the file is released.
            in_a_save += u32::from(folder.path().join("state.tmp").exists());
            let Ok(content) = fs::read(&path) else {
                assert!(reported <= 0.0, "what was reported as saved is gone");
                continue;
            };
            let saved = State::decode(&content).expect("what a kill leaves is whole");
            let at = saved.saved.as_millisecond() as f64 / 1000.0;
            assert!(at >= reported, "older than what was reported as saved: {at}, {reported}");
            lag.push(at - reported);
            if let Some(before) = &before {
                assert!(saved.saved >= before.saved);
                let (earlier, later) = (numbers(before), numbers(&saved));
                // A tenant's number never decreases.
                let never_less = earlier.iter().zip(&later).all(|(earlier, later)| later >= earlier);
                assert!(earlier.is_empty() || earlier.len() <= later.len() && never_less);
                files += u32::from(later != earlier);
            }
            before = Some(saved);
        }
        drop(end);
        let turns = turning.join().unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().contains("bad")), "{names:?}");
        let newest = lag.iter().copied().fold(0.0, f64::max);
        println!(
            "{} kills, {in_a_save} of them in the middle of a save, {files} left other values than the kill before; the world turned {turns} times; the file was at most {newest:.3} s newer than what was scraped last",
            kills + 1
        );
        assert!(files * 2 > kills, "saves that differ");
    });
}
