use proptest::prelude::*;

use super::bucket::{MAX_CARRY, MIN_PAUSE, TIMER_SLACK};
use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn acquired(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Acquired(generation) => generation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_burst_is_sent_at_once_and_then_the_rate_applies() {
    let mut bucket = AimdBucket::new(5.0, 3);
    for _ in 0..3 {
        let generation = acquired(bucket.acquire(Duration::ZERO));
        assert!(bucket.redeem(Duration::ZERO, generation));
    }
    let Verdict::NotBefore(time) = bucket.acquire(Duration::ZERO) else { panic!("beyond the burst") };
    assert!(time >= seconds(0.2) && time < seconds(0.201), "{time:?}");
    acquired(bucket.acquire(time));
}

#[test]
fn unused_permits_do_not_add_to_the_burst() {
    let mut bucket = AimdBucket::new(5.0, 2);
    let held = acquired(bucket.acquire(Duration::ZERO));
    let other = acquired(bucket.acquire(Duration::ZERO));
    assert_eq!(bucket.acquire(seconds(100.0)), Verdict::Exhausted);
    bucket.give_back(seconds(100.0), other);
    acquired(bucket.acquire(seconds(100.0)));
    assert!(bucket.redeem(seconds(100.0), held));
}

#[test]
fn requests_in_flight_halve_the_rate_once_and_can_only_extend_the_pause() {
    let mut bucket = AimdBucket::new(8.0, 4);
    let generation = acquired(bucket.acquire(Duration::ZERO));
    for wait in [2.0, 5.0, 1.0] {
        bucket.throttled(seconds(1.0), generation, Some(seconds(wait)), 0.0);
    }
    bucket.throttled(seconds(1.0), generation, None, 1.0);
    let state = bucket.state(seconds(2.0));
    assert!((state.rate - 4.0).abs() < 1e-9);
    assert_eq!(state.paused_for, Some(seconds(4.0)));
    assert_eq!(state.paused_total, seconds(1.0));
    assert!(!bucket.redeem(seconds(2.0), generation), "acquired before the pause");
    assert_eq!(bucket.acquire(seconds(2.0)), Verdict::NotBefore(seconds(6.0)));
    // The pause is over; the bucket is empty and the rate grows.
    assert!(matches!(bucket.acquire(seconds(6.0)), Verdict::NotBefore(_)));
    let state = bucket.state(seconds(8.0));
    assert_eq!((state.paused_for, state.paused_total), (None, seconds(5.0)));
    assert!((state.rate - 4.8).abs() < 1e-9);
    assert!((bucket.state(seconds(60.0)).rate - 8.0).abs() < 1e-9);
}

#[test]
fn a_late_429_pauses_again_without_halving_the_rate() {
    let mut bucket = AimdBucket::new(8.0, 4);
    bucket.throttled(Duration::ZERO, 0, Some(seconds(1.0)), 0.0);
    bucket.throttled(seconds(2.0), 0, None, 0.0);
    assert_eq!(bucket.state(seconds(2.0)).paused_for, None);
    bucket.throttled(seconds(2.0), 0, Some(seconds(3.0)), 0.0);
    let state = bucket.state(seconds(2.0));
    assert_eq!(state.paused_for, Some(seconds(3.0)));
    assert!(state.rate > 4.0);
}

#[test]
fn without_retry_after_pauses_back_off_until_a_success() {
    let mut bucket = AimdBucket::new(10.0, 1);
    let mut now = Duration::ZERO;
    for ceiling in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        bucket.throttled(now, bucket.generation, None, 1.0);
        assert_eq!(bucket.state(now).paused_for, Some(seconds(ceiling)));
        now += seconds(ceiling);
        bucket.state(now);
    }
    bucket.succeeded(bucket.generation - 1);
    assert_eq!(bucket.consecutive, 8, "a success of an earlier generation does not count");
    bucket.succeeded(bucket.generation);
    bucket.throttled(now, bucket.generation, None, 0.0);
    assert_eq!(bucket.state(now).paused_for, Some(MIN_PAUSE));
}

#[test]
fn retry_after_is_clamped() {
    for (asked, lasts) in [(0.0, 0.5), (7.0, 7.0), (1e9, 3600.0)] {
        let mut bucket = AimdBucket::new(1.0, 1);
        bucket.throttled(Duration::ZERO, 0, Some(seconds(asked)), 0.0);
        assert_eq!(bucket.state(Duration::ZERO).paused_for, Some(seconds(lasts)));
    }
}

/// When requests were sent, and when each pause began and ended, in seconds.
type Log = (Vec<f64>, Vec<(f64, f64)>);

#[derive(Clone, Debug)]
enum Step {
    Wait(f64),
    Acquire,
    SendOldest,
    GiveBackOldest,
    Throttled { retry_after: Option<f64>, late: bool },
    Succeeded,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0.0..3.0_f64).prop_map(Step::Wait),
        6 => Just(Step::Acquire),
        6 => Just(Step::SendOldest),
        1 => Just(Step::GiveBackOldest),
        1 => (prop::option::of(0.0..5.0_f64), any::<bool>())
            .prop_map(|(retry_after, late)| Step::Throttled { retry_after, late }),
        1 => Just(Step::Succeeded),
    ]
}

proptest! {
    #[test]
    fn the_rate_and_burst_are_never_exceeded(
        rate in 0.05..20.0_f64,
        burst in 1..8_u32,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut bucket = AimdBucket::new(rate, burst);
        let mut now = Duration::ZERO;
        let mut held = Vec::new();
        let mut sent: Vec<f64> = Vec::new();
        for step in steps {
            let paused = bucket.state(now).paused_for.is_some();
            match step {
                Step::Wait(time) => now += seconds(time),
                Step::Acquire => match bucket.acquire(now) {
                    Verdict::Acquired(generation) => {
                        prop_assert!(!paused);
                        held.push(generation);
                    }
                    Verdict::NotBefore(time) => prop_assert!(time > now),
                    Verdict::Exhausted => prop_assert!(!held.is_empty()),
                },
                Step::SendOldest if !held.is_empty() => {
                    if bucket.redeem(now, held.remove(0)) {
                        prop_assert!(!paused);
                        sent.push(now.as_secs_f64());
                    }
                }
                Step::GiveBackOldest if !held.is_empty() => bucket.give_back(now, held.remove(0)),
                Step::Throttled { retry_after, late } => {
                    let before = bucket.state(now).rate;
                    let generation = if late || paused { bucket.generation.wrapping_sub(1) } else { bucket.generation };
                    bucket.throttled(now, generation, retry_after.map(seconds), 0.5);
                    let after = bucket.state(now).rate;
                    let halved = (before / 2.0).max(rate / 10.0);
                    let expected = if late || paused { before } else { halved };
                    prop_assert!((after - expected).abs() < 1e-9);
                }
                Step::Succeeded => bucket.succeeded(bucket.generation),
                Step::SendOldest | Step::GiveBackOldest => {}
            }
            let now_rate = bucket.state(now).rate;
            prop_assert!(now_rate >= rate * 0.1 - 1e-9 && now_rate <= rate + 1e-9);
        }
        for (first, &from) in sent.iter().enumerate() {
            for (last, &to) in sent.iter().enumerate().skip(first) {
                let gained = rate * (to - from);
                let carried = if burst == 1 { MAX_CARRY.min(rate * TIMER_SLACK.as_secs_f64()) } else { 0.0 };
                let count = (last - first + 1) as f64;
                prop_assert!(count <= gained + f64::from(burst) + carried + 1e-6);
                prop_assert!(count <= gained.ceil() + f64::from(burst) + 1e-6);
            }
        }
    }

    /// Every waiting task is woken late, by a different time each time.
    #[test]
    fn late_timers_do_not_lower_the_rate(
        rate in 1.0..1000.0_f64,
        more in 0..5_u32,
        late in prop::collection::vec(0.0..TIMER_SLACK.as_secs_f64(), 50),
    ) {
        // A burst of 1 compensates as far as the extra capacity allows.
        let burst = if rate <= 180.0 { 1 + more } else { 6 + more };
        let mut bucket = AimdBucket::new(rate, burst);
        let (mut now, mut sent, mut late) = (Duration::ZERO, Vec::new(), late.iter().cycle());
        while sent.len() < 500 {
            match bucket.acquire(now) {
                Verdict::Acquired(generation) => {
                    prop_assert!(bucket.redeem(now, generation));
                    sent.push(now.as_secs_f64());
                }
                Verdict::NotBefore(time) => now = time + seconds(*late.next().unwrap()),
                Verdict::Exhausted => prop_assert!(false),
            }
        }
        let ideal = (sent.len() as f64 - f64::from(burst)) / rate;
        prop_assert!(sent[499] <= ideal * 1.001 + 0.006, "{} instead of {ideal}", sent[499]);
        for (first, &from) in sent.iter().enumerate() {
            for span in [0.1, 1.0, 10.0] {
                let count = sent.partition_point(|&at| at < from + span) - first;
                prop_assert!(count as f64 <= (rate * span).ceil() + f64::from(burst) + 1e-6);
            }
        }
    }

    #[test]
    fn a_permit_is_available_at_the_time_that_was_returned(rate in 0.05..20.0_f64, pauses in 0..5_u32) {
        let mut bucket = AimdBucket::new(rate, 1);
        let mut now = Duration::ZERO;
        for _ in 0..pauses {
            bucket.throttled(now, bucket.generation, None, 0.5);
            now += seconds(60.0);
            bucket.state(now);
        }
        for _ in 0..20 {
            let mut asked = 0;
            let generation = loop {
                asked += 1;
                prop_assert!(asked <= 3, "the time to wait is not a guess");
                match bucket.acquire(now) {
                    Verdict::Acquired(generation) => break generation,
                    Verdict::NotBefore(time) => now = time,
                    Verdict::Exhausted => prop_assert!(false),
                }
            };
            prop_assert!(bucket.redeem(now, generation));
        }
    }
}

fn limiter(burst: u32, concurrency: u32) -> RateLimiter {
    RateLimiter::new(Budget { requests_per_second: 10.0, burst, concurrency, timeout: Duration::from_secs(30) })
}

#[tokio::test(start_paused = true)]
async fn dropped_permits_and_dropped_waits_return_their_slots() {
    let limiter = limiter(2, 1);
    let first = limiter.acquire().await;
    let waiting = tokio::time::timeout(Duration::from_secs(5), limiter.acquire()).await;
    assert!(waiting.is_err(), "one slot");
    drop(limiter.acquire_for_token_request().await);
    drop(first);
    let before = Instant::now();
    for _ in 0..2 {
        assert!(limiter.acquire().await.redeem());
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "the bucket is full again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Several partners of one registration share one budget, use all of it, and a 429 to one of them pauses all.
    #[test]
    fn clones_of_a_limiter_share_its_limits(
        rate in 1.0..50.0_f64,
        burst in 1..8_u32,
        partners in 2..5_usize,
        throttled_at in proptest::collection::vec(0..60_usize, 0..3),
    ) {
        let budget = Budget { requests_per_second: rate, burst, concurrency: 4, timeout: seconds(30.0) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (sent, pauses) = runtime.block_on(async {
            let (limiter, start) = (RateLimiter::new(budget), Instant::now());
            let log: Arc<Mutex<Log>> = Arc::default();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..partners {
                let (limiter, log, throttled_at) = (limiter.clone(), Arc::clone(&log), throttled_at.clone());
                tasks.spawn(async move {
                    loop {
                        let mut permit = limiter.acquire().await;
                        if !permit.redeem() {
                            continue;
                        }
                        let number = {
                            let mut log = log.lock();
                            log.0.push(start.elapsed().as_secs_f64());
                            log.0.len()
                        };
                        if number >= 60 {
                            return;
                        }
                        if throttled_at.contains(&number) {
                            let before = limiter.state();
                            limiter.throttled(&permit, Some(seconds(2.0)));
                            let after = limiter.state();
                            // In flight during a pause: the same event.
                            let halved = if before.paused_for.is_some() { before.rate } else { before.rate / 2.0 };
                            assert!((after.rate - halved.max(rate / 10.0)).abs() < 1e-9);
                            let now = start.elapsed().as_secs_f64();
                            log.lock().1.push((now, now + 2.0));
                        } else {
                            limiter.succeeded(&permit);
                        }
                        assert!(limiter.state().rate >= rate / 10.0 - 1e-9);
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
            std::mem::take(&mut *log.lock())
        });
        if pauses.is_empty() {
            let last = sent.last().copied().unwrap();
            let least = (sent.len() as f64 - f64::from(burst)) / rate;
            prop_assert!(last <= least + 0.05, "{} requests took {last} s, at the rate {least} s", sent.len());
        }
        for (first, &from) in sent.iter().enumerate() {
            for (last, &to) in sent.iter().enumerate().skip(first) {
                let count = (last - first + 1) as f64;
                prop_assert!(count <= (rate * (to - from)).ceil() + f64::from(burst) + 1e-6, "{count} in {}", to - from);
            }
            prop_assert!(pauses.iter().all(|&(start, end)| from <= start + 1e-6 || from >= end - 1e-2));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_tasks_get_permits_in_order() {
    let limiter = limiter(1, 8);
    assert!(limiter.acquire().await.redeem());
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..5 {
        let (limiter, order) = (limiter.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let mut permit = limiter.acquire().await;
            assert!(permit.redeem());
            order.lock().push(number);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_blocks_all_tasks_until_its_end() {
    let limiter = limiter(4, 4);
    let mut sent = limiter.acquire().await;
    let mut idle = limiter.acquire().await;
    assert!(sent.redeem());
    limiter.throttled(&sent, Some(Duration::from_secs(9)));
    assert!(!idle.redeem(), "acquired, but requests were paused");
    drop((sent, idle));
    let before = Instant::now();
    let mut next = limiter.acquire().await;
    assert!(before.elapsed() >= Duration::from_secs(9));
    assert!(next.redeem());
    assert!(!next.redeem(), "one request each");
}

/// The first pass over 20,000 customers: concurrency slots, responses after 20 ms, late timers, with and without a
/// burst.
#[test]
fn a_full_pass_takes_as_long_as_the_rate_requires() {
    const REQUESTS: usize = 100_000;
    let mut rng = fastrand::Rng::with_seed(3);
    for (burst, concurrency) in [(1, 4), (10, 2), (10, 4), (100, 16)] {
        let mut bucket = AimdBucket::new(50.0, burst);
        let mut now = Duration::ZERO;
        let mut slots = vec![Duration::ZERO; concurrency];
        let mut sent = Vec::with_capacity(REQUESTS);
        while sent.len() < REQUESTS {
            let slot = slots.iter_mut().min().unwrap();
            now = now.max(*slot);
            match bucket.acquire(now) {
                Verdict::Acquired(generation) => {
                    assert!(bucket.redeem(now, generation));
                    sent.push(now);
                    *slot = now + seconds(0.02 + 0.002 * rng.f64());
                }
                // A timer with millisecond precision on a busy machine.
                Verdict::NotBefore(time) => now = time + seconds(0.0005 + 0.002 * rng.f64()),
                Verdict::Exhausted => panic!("nothing is held back"),
            }
        }
        let ratio = sent.last().unwrap().as_secs_f64() / (REQUESTS as f64 / 50.0);
        println!("burst {burst}, concurrency {concurrency}: {ratio:.5} of requests / rate");
        assert!(ratio <= 1.001, "{ratio}");
        for (first, &from) in sent.iter().enumerate() {
            let within = sent[first..].partition_point(|&at| at < from + Duration::from_secs(1));
            assert!(within <= 50 + burst as usize, "{within} in a second");
        }
    }
}
