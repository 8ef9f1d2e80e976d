//! Hours of polling with a simulated clock: queue and backoff as the poller combines them, against
//! an API with a delay and a budget in requests per second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::PollQueue;
use super::backoff::{self, PollOutcome};

const INTERVAL: Duration = Duration::from_mins(15);
const HOUR: f64 = 3600.0;

struct Simulation {
    queue: PollQueue<usize>,
    rng: fastrand::Rng,
    /// The interval between two requests, and the delay of a response.
    spacing: Duration,
    latency: Duration,
    now: Timestamp,
    in_flight: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// When each target was polled, in seconds.
    polls: Vec<Vec<f64>>,
}

impl Simulation {
    fn new(targets: usize, per_second: f64) -> Self {
        let mut queue = PollQueue::default();
        (0..targets).for_each(|target| queue.add(target, Timestamp::UNIX_EPOCH));
        Self {
            queue,
            rng: fastrand::Rng::with_seed(7),
            spacing: Duration::from_secs_f64(1.0 / per_second),
            latency: Duration::from_millis(20),
            now: Timestamp::UNIX_EPOCH,
            in_flight: BinaryHeap::new(),
            polls: vec![Vec::new(); targets],
        }
    }

    /// Runs until this many hours have passed.
    fn run(&mut self, hours: f64) {
        let end = Timestamp::UNIX_EPOCH + Duration::from_secs_f64(hours * HOUR);
        while self.now < end {
            while let Some(&Reverse((at, target))) = self.in_flight.peek()
                && at <= self.now
            {
                self.in_flight.pop();
                let due = backoff::next_due(at, PollOutcome::Answered, INTERVAL, self.rng.f64());
                self.queue.finish(&target, due, false);
            }
            if let Some(target) = self.queue.take_due(self.now) {
                self.polls[target].push(self.now.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64());
                self.in_flight.push(Reverse((self.now + self.latency, target)));
                self.now += self.spacing;
            } else {
                let response = self.in_flight.peek().map(|&Reverse((at, _))| at);
                self.now = self.queue.next_due().into_iter().chain(response).min().unwrap_or(end).max(self.now);
            }
        }
    }

    /// Forgets what a restart forgets: only the polls in flight.
    fn restart(&mut self, down: Duration) {
        self.now += down;
        let mut queue = PollQueue::default();
        for (target, polls) in self.polls.iter().enumerate() {
            let polled = polls.last().map_or(self.now, |&at| Timestamp::UNIX_EPOCH + Duration::from_secs_f64(at));
            queue.add(target, backoff::next_due(polled, PollOutcome::Answered, INTERVAL, 1.0));
        }
        self.queue = queue;
        self.in_flight.clear();
    }

    /// Polls per hour.
    fn polls_in(&self, from: f64, hours: f64) -> usize {
        let within = |&&at: &&f64| at >= from * HOUR && at < (from + hours) * HOUR;
        self.polls.iter().map(|polls| polls.iter().filter(within).count()).sum()
    }
}

#[test]
fn the_calls_of_every_hour_are_those_of_the_plan_restarts_included() {
    const TARGETS: usize = 4000;
    for restarts in [false, true] {
        let mut simulation = Simulation::new(TARGETS, 50.0);
        for quarter in 1..=20 {
            simulation.run(f64::from(quarter) / 4.0 + 0.1);
            if restarts {
                simulation.restart(Duration::from_secs(5));
            }
        }
        let planned = TARGETS as f64 * HOUR / INTERVAL.as_secs_f64();
        // The first pass is due all at once; after that, every hour is like the others.
        for hour in [0.5, 1.0, 2.0, 3.0, 4.0] {
            let ratio = simulation.polls_in(hour, 1.0) as f64 / planned;
            println!("restarts {restarts}, from hour {hour}: {ratio:.3} of the plan");
            assert!(ratio <= 1.02, "{ratio} of the plan");
            assert!(ratio >= 0.93, "{ratio} of the plan");
        }
    }
}

#[test]
fn a_budget_that_is_too_small_makes_everything_late_alike() {
    const TARGETS: usize = 2000;
    // Half of the rate that the intervals need.
    let per_second = TARGETS as f64 / INTERVAL.as_secs_f64() / 2.0;
    let mut simulation = Simulation::new(TARGETS, per_second);
    simulation.run(10.0);
    let all = simulation.polls_in(0.0, 10.0) as f64;
    assert!(all >= per_second * 10.0 * HOUR * 0.999, "nothing idles while something is due");
    let gaps = |polls: &Vec<f64>| polls.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let expected = 2.0 * INTERVAL.as_secs_f64();
    for polls in &simulation.polls {
        let mean = (polls[polls.len() - 1] - polls[0]) / (polls.len() - 1) as f64;
        assert!((mean / expected - 1.0).abs() < 0.02, "every {mean} s instead of {expected}");
        assert!(gaps(polls) < expected * 1.1, "a gap of {} s", gaps(polls));
    }
    let lag = simulation.queue.max_lateness(simulation.now);
    assert!(lag > SignedDuration::from_mins(13) && lag < SignedDuration::from_mins(17), "{lag:?}");
}
