use proptest::prelude::*;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn admitted(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Admitted(epoch) => epoch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_burst_goes_at_once_and_then_the_rate_holds() {
    let mut throttle = Throttle::new(5.0, 3);
    for _ in 0..3 {
        let epoch = admitted(throttle.admit(Duration::ZERO));
        assert!(throttle.send(Duration::ZERO, epoch));
    }
    let Verdict::NotBefore(time) = throttle.admit(Duration::ZERO) else { panic!("beyond the burst") };
    assert!(time >= seconds(0.2) && time < seconds(0.201), "{time:?}");
    admitted(throttle.admit(time));
}

#[test]
fn what_is_held_back_does_not_add_to_the_burst() {
    let mut throttle = Throttle::new(5.0, 2);
    let held = admitted(throttle.admit(Duration::ZERO));
    let other = admitted(throttle.admit(Duration::ZERO));
    assert_eq!(throttle.admit(seconds(100.0)), Verdict::Full);
    throttle.give_back(seconds(100.0), other);
    admitted(throttle.admit(seconds(100.0)));
    assert!(throttle.send(seconds(100.0), held));
}

#[test]
fn those_in_flight_halve_the_rate_once_and_may_only_extend_the_closure() {
    let mut throttle = Throttle::new(8.0, 4);
    let epoch = admitted(throttle.admit(Duration::ZERO));
    for wait in [2.0, 5.0, 1.0] {
        throttle.throttled(seconds(1.0), epoch, Some(seconds(wait)), 0.0);
    }
    throttle.throttled(seconds(1.0), epoch, None, 1.0);
    let state = throttle.state(seconds(2.0));
    assert!((state.rate - 4.0).abs() < 1e-9);
    assert_eq!(state.closed_for, Some(seconds(4.0)));
    assert_eq!(state.throttled, seconds(1.0));
    assert!(!throttle.send(seconds(2.0), epoch), "admitted before the closure");
    assert_eq!(throttle.admit(seconds(2.0)), Verdict::NotBefore(seconds(6.0)));
    // Open again, with an empty bucket and a rate that grows.
    assert!(matches!(throttle.admit(seconds(6.0)), Verdict::NotBefore(_)));
    let state = throttle.state(seconds(8.0));
    assert_eq!((state.closed_for, state.throttled), (None, seconds(5.0)));
    assert!((state.rate - 4.8).abs() < 1e-9);
    assert!((throttle.state(seconds(60.0)).rate - 8.0).abs() < 1e-9);
}

#[test]
fn a_late_straggler_closes_again_without_halving() {
    let mut throttle = Throttle::new(8.0, 4);
    throttle.throttled(Duration::ZERO, 0, Some(seconds(1.0)), 0.0);
    throttle.throttled(seconds(2.0), 0, None, 0.0);
    assert_eq!(throttle.state(seconds(2.0)).closed_for, None);
    throttle.throttled(seconds(2.0), 0, Some(seconds(3.0)), 0.0);
    let state = throttle.state(seconds(2.0));
    assert_eq!(state.closed_for, Some(seconds(3.0)));
    assert!(state.rate > 4.0);
}

#[test]
fn without_retry_after_closures_back_off_until_a_success() {
    let mut throttle = Throttle::new(10.0, 1);
    let mut now = Duration::ZERO;
    for ceiling in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        throttle.throttled(now, throttle.epoch, None, 1.0);
        assert_eq!(throttle.state(now).closed_for, Some(seconds(ceiling)));
        now += seconds(ceiling);
        throttle.state(now);
    }
    throttle.succeeded(throttle.epoch - 1);
    assert_eq!(throttle.consecutive, 8, "a success from before the closure says nothing");
    throttle.succeeded(throttle.epoch);
    throttle.throttled(now, throttle.epoch, None, 0.0);
    assert_eq!(throttle.state(now).closed_for, Some(SHORTEST_PAUSE));
}

#[test]
fn retry_after_is_believed_within_reason() {
    for (asked, lasts) in [(0.0, 0.5), (7.0, 7.0), (1e9, 3600.0)] {
        let mut throttle = Throttle::new(1.0, 1);
        throttle.throttled(Duration::ZERO, 0, Some(seconds(asked)), 0.0);
        assert_eq!(throttle.state(Duration::ZERO).closed_for, Some(seconds(lasts)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(f64),
    Admit,
    SendOldest,
    GiveBackOldest,
    Throttled { retry_after: Option<f64>, late: bool },
    Succeeded,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0.0..3.0_f64).prop_map(Step::Wait),
        6 => Just(Step::Admit),
        6 => Just(Step::SendOldest),
        1 => Just(Step::GiveBackOldest),
        1 => (prop::option::of(0.0..5.0_f64), any::<bool>())
            .prop_map(|(retry_after, late)| Step::Throttled { retry_after, late }),
        1 => Just(Step::Succeeded),
    ]
}

proptest! {
    #[test]
    fn the_budget_holds_whatever_happens(
        rate in 0.05..20.0_f64,
        burst in 1..8_u32,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut throttle = Throttle::new(rate, burst);
        let mut now = Duration::ZERO;
        let mut held = Vec::new();
        let mut sent: Vec<f64> = Vec::new();
        for step in steps {
            let closed = throttle.state(now).closed_for.is_some();
            match step {
                Step::Wait(time) => now += seconds(time),
                Step::Admit => match throttle.admit(now) {
                    Verdict::Admitted(epoch) => {
                        prop_assert!(!closed);
                        held.push(epoch);
                    }
                    Verdict::NotBefore(time) => prop_assert!(time > now),
                    Verdict::Full => prop_assert!(!held.is_empty()),
                },
                Step::SendOldest if !held.is_empty() => {
                    if throttle.send(now, held.remove(0)) {
                        prop_assert!(!closed);
                        sent.push(now.as_secs_f64());
                    }
                }
                Step::GiveBackOldest if !held.is_empty() => throttle.give_back(now, held.remove(0)),
                Step::Throttled { retry_after, late } => {
                    let before = throttle.state(now).rate;
                    let epoch = if late || closed { throttle.epoch.wrapping_sub(1) } else { throttle.epoch };
                    throttle.throttled(now, epoch, retry_after.map(seconds), 0.5);
                    let after = throttle.state(now).rate;
                    let halved = (before / 2.0).max(rate / 10.0);
                    let expected = if late || closed { before } else { halved };
                    prop_assert!((after - expected).abs() < 1e-9);
                }
                Step::Succeeded => throttle.succeeded(throttle.epoch),
                Step::SendOldest | Step::GiveBackOldest => {}
            }
            let now_rate = throttle.state(now).rate;
            prop_assert!(now_rate >= rate * 0.1 - 1e-9 && now_rate <= rate + 1e-9);
        }
        for (first, &from) in sent.iter().enumerate() {
            for (last, &to) in sent.iter().enumerate().skip(first) {
                let gained = rate * (to - from);
                let carried = if burst == 1 { MOST_CARRIED.min(rate * LATENESS.as_secs_f64()) } else { 0.0 };
                let count = (last - first + 1) as f64;
                prop_assert!(count <= gained + f64::from(burst) + carried + 1e-6);
                prop_assert!(count <= gained.ceil() + f64::from(burst) + 1e-6);
            }
        }
    }

    /// Whoever waits is woken late, always, and by another time each time.
    #[test]
    fn waking_up_late_loses_nothing_of_the_rate(
        rate in 1.0..1000.0_f64,
        more in 0..5_u32,
        late in prop::collection::vec(0.0..LATENESS.as_secs_f64(), 50),
    ) {
        // A burst of 1 makes up for it as far as the carry goes.
        let burst = if rate <= 180.0 { 1 + more } else { 6 + more };
        let mut throttle = Throttle::new(rate, burst);
        let (mut now, mut sent, mut late) = (Duration::ZERO, Vec::new(), late.iter().cycle());
        while sent.len() < 500 {
            match throttle.admit(now) {
                Verdict::Admitted(epoch) => {
                    prop_assert!(throttle.send(now, epoch));
                    sent.push(now.as_secs_f64());
                }
                Verdict::NotBefore(time) => now = time + seconds(*late.next().unwrap()),
                Verdict::Full => prop_assert!(false),
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
    fn waiting_as_told_is_enough(rate in 0.05..20.0_f64, closures in 0..5_u32) {
        let mut throttle = Throttle::new(rate, 1);
        let mut now = Duration::ZERO;
        for _ in 0..closures {
            throttle.throttled(now, throttle.epoch, None, 0.5);
            now += seconds(60.0);
            throttle.state(now);
        }
        for _ in 0..20 {
            let mut asked = 0;
            let epoch = loop {
                asked += 1;
                prop_assert!(asked <= 3, "the time to wait is not a guess");
                match throttle.admit(now) {
                    Verdict::Admitted(epoch) => break epoch,
                    Verdict::NotBefore(time) => now = time,
                    Verdict::Full => prop_assert!(false),
                }
            };
            prop_assert!(throttle.send(now, epoch));
        }
    }
}

fn gate(burst: u32, concurrency: u32) -> Gate {
    Gate::new(BudgetSettings { requests_per_second: 10.0, burst, concurrency, timeout: Duration::from_secs(30) })
}

#[tokio::test(start_paused = true)]
async fn slots_are_returned_and_nothing_is_lost_by_giving_up() {
    let gate = gate(2, 1);
    let first = gate.admit().await;
    let waiting = tokio::time::timeout(Duration::from_secs(5), gate.admit()).await;
    assert!(waiting.is_err(), "one slot");
    drop(gate.admit_token_request().await);
    drop(first);
    let before = Instant::now();
    for _ in 0..2 {
        assert!(gate.admit().await.send());
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "the bucket is full again");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_in_order() {
    let gate = gate(1, 8);
    assert!(gate.admit().await.send());
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..5 {
        let (gate, order) = (gate.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let mut admission = gate.admit().await;
            assert!(admission.send());
            order.lock().unwrap().push(number);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_holds_everyone_back_until_its_end() {
    let gate = gate(4, 4);
    let mut sent = gate.admit().await;
    let mut idle = gate.admit().await;
    assert!(sent.send());
    gate.throttled(&sent, Some(Duration::from_secs(9)));
    assert!(!idle.send(), "admitted, but the gate closed");
    drop((sent, idle));
    let before = Instant::now();
    let mut next = gate.admit().await;
    assert!(before.elapsed() >= Duration::from_secs(9));
    assert!(next.send());
    assert!(!next.send(), "one request each");
}

/// The first pass over 20,000 customers: slots, answers after 20 ms, timers that are late, and a burst or none.
#[test]
fn a_full_pass_takes_as_long_as_the_rate_says() {
    const REQUESTS: usize = 100_000;
    let mut rng = fastrand::Rng::with_seed(3);
    for (burst, concurrency) in [(1, 4), (10, 2), (10, 4), (100, 16)] {
        let mut throttle = Throttle::new(50.0, burst);
        let mut now = Duration::ZERO;
        let mut slots = vec![Duration::ZERO; concurrency];
        let mut sent = Vec::with_capacity(REQUESTS);
        while sent.len() < REQUESTS {
            let slot = slots.iter_mut().min().unwrap();
            now = now.max(*slot);
            match throttle.admit(now) {
                Verdict::Admitted(epoch) => {
                    assert!(throttle.send(now, epoch));
                    sent.push(now);
                    *slot = now + seconds(0.02 + 0.002 * rng.f64());
                }
                // A timer of milliseconds, on a machine that has other things to do.
                Verdict::NotBefore(time) => now = time + seconds(0.0005 + 0.002 * rng.f64()),
                Verdict::Full => panic!("nothing is held back"),
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
