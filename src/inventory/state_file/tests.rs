use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use elements::types::{BackupJob, JobKey, JobStatus, ProtectedObjects};
use elements::types::{
    CustomerId, FailureReason, Observation, ProductType, Quantity, Query, Seats, Subscription, SubscriptionKey,
    TenantSeats, TenantType,
};
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::inventory::subscription_ids::assign;
use crate::inventory::{Absence, Customer, Listing, Services, TargetState};

fn time() -> impl Strategy<Value = Timestamp> {
    (-377_705_023_201..253_402_207_200_i64, 0..1_000_000_000_i32)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap_or(Timestamp::MIN))
}

fn quantity() -> impl Strategy<Value = Option<Quantity>> {
    prop_oneof![
        Just(None),
        Just(Some(Quantity::UNLIMITED)),
        Just(Some(Quantity::ZERO)),
        (0.0..1e18_f64).prop_map(Quantity::new),
        any::<u32>().prop_map(|seats| Some(seats.into())),
    ]
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof!["[ab]{0,2}", "\\PC{0,20}", "[\\x00-\\x1f]{0,3}"].prop_map(Arc::from)
}

fn row() -> impl Strategy<Value = Subscription> {
    let numbers = prop::array::uniform8(quantity());
    let dates = (prop::option::of(time()), prop::option::of(time()), prop::option::of(any::<i64>()));
    (prop::array::uniform8(text()), numbers, dates).prop_map(|(texts, numbers, (expires, contract_ends, change))| {
        let [service, model, source, payment_type, storage, name, package, retention] = texts;
        Subscription {
            key: SubscriptionKey { service, model, source, payment_type, storage, name, package }.into(),
            retention,
            seats_purchased: numbers[0],
            units_purchased: numbers[1],
            licenses_assigned: numbers[2],
            licenses_available: numbers[3],
            capacity_purchased: numbers[4],
            capacity_used: numbers[5],
            capacity_protected: numbers[6],
            storage_consumed: numbers[7],
            seats_change: change,
            expires: expires.map(Into::into),
            contract_ends: contract_ends.map(Into::into),
        }
    })
}

fn failure() -> impl Strategy<Value = Option<FailureReason>> {
    prop::option::of(prop::sample::select(FailureReason::ALL.to_vec()))
}

fn query() -> impl Strategy<Value = Query> {
    let tenant_type = || any::<u8>().prop_map(|number| TenantType::from_number(number.into()));
    prop_oneof![
        tenant_type().prop_map(Query::TenantSeats),
        tenant_type().prop_map(Query::CustomerSeats),
        any::<u64>().prop_map(|number| Query::ProductPurchased(ProductType(number))),
        any::<u64>().prop_map(|number| Query::ProductAvailable(ProductType(number))),
        Just(Query::BackupJobs),
        Just(Query::BackupOverview),
    ]
}

fn observation(query: Query) -> BoxedStrategy<Observation> {
    let seats = || (quantity(), quantity()).prop_map(|(assigned, available)| Seats { assigned, available });
    match query {
        Query::CustomerSeats(_) => seats().prop_map(Observation::CustomerSeats).boxed(),
        Query::TenantSeats(_) => prop::collection::btree_map(text(), (text(), seats()), 0..4)
            .prop_map(|tenants| {
                let tenant = |(id, (name, seats)): (Arc<str>, _)| TenantSeats { id: (&*id).into(), name, seats };
                Observation::TenantSeats(tenants.into_iter().map(tenant).collect())
            })
            .boxed(),
        Query::ProductPurchased(_) => quantity().prop_map(Observation::ProductPurchased).boxed(),
        Query::ProductAvailable(_) => quantity().prop_map(Observation::ProductAvailable).boxed(),
        Query::BackupJobs => {
            prop::collection::vec(job(), 0..4).prop_map(|jobs| Observation::BackupJobs(BackupJob::newest(jobs))).boxed()
        }
        Query::BackupOverview => prop::collection::vec(module(), 0..4)
            .prop_map(|modules| Observation::BackupOverview(ProtectedObjects::by_module(modules)))
            .boxed(),
    }
}

fn job() -> impl Strategy<Value = BackupJob> {
    let times = prop::array::uniform2(prop::option::of(time()));
    let numbers = (prop::array::uniform4(quantity()), quantity(), quantity());
    let status = prop::option::of(prop::sample::select(JobStatus::ALL.to_vec()));
    (any::<(u64, u64)>(), text(), status, numbers, times).prop_map(
        |((job_type, job_module), plan, status, (objects, duration, size), times)| {
            let [started, ended] = times.map(|time| time.map(Into::into));
            BackupJob { key: JobKey { job_type, job_module, plan }, status, objects, duration, started, ended, size }
        },
    )
}

fn module() -> impl Strategy<Value = ProtectedObjects> {
    (any::<(u64, u8)>(), prop::array::uniform4(quantity())).prop_map(
        |((service_type, module), [scanned, protected, avepoint, own])| ProtectedObjects {
            service_type,
            service_module: module.into(),
            scanned,
            protected,
            stored: [avepoint, own],
        },
    )
}

/// Every state that polls can leave a target in.
fn known(query: Query) -> impl Strategy<Value = (Query, TargetState)> {
    #[derive(Clone, Debug)]
    enum Poll {
        Succeed(Observation),
        Fail(FailureReason),
        Miss,
    }
    let poll = prop_oneof![
        observation(query).prop_map(Poll::Succeed),
        prop::sample::select(FailureReason::ALL.to_vec()).prop_map(Poll::Fail),
        Just(Poll::Miss),
    ];
    prop::collection::vec((poll, time()), 0..4).prop_map(move |polls| {
        let mut known = TargetState::default();
        for (poll, at) in polls {
            match poll {
                Poll::Succeed(observation) => {
                    known.record_success(observation, at);
                }
                Poll::Fail(reason) => known.record_failure(reason, at),
                Poll::Miss => drop(known.record_absent(at)),
            }
        }
        (query, known)
    })
}

fn customer() -> impl Strategy<Value = Customer> {
    let services = prop::option::of((time(), prop::collection::vec(row(), 0..4)));
    let targets = prop::collection::btree_set(query(), 0..4)
        .prop_flat_map(|queries| queries.into_iter().map(known).collect::<Vec<_>>());
    (text(), any::<bool>(), services, targets).prop_map(|(name, named_by_configuration, services, targets)| Customer {
        name,
        named_by_configuration,
        services: services.map(|(seen, rows)| Services { seen, subscriptions: assign(&[], rows).into() }),
        targets,
        ..Customer::discovered("".into())
    })
}

fn partner() -> impl Strategy<Value = KnownPartner> {
    let customers = prop::collection::btree_map(text(), customer(), 0..4);
    let listing = prop::option::of((time(), prop::option::of(time()), failure()));
    (text(), customers, listing).prop_map(|(client_id, customers, listing)| {
        let customers: BTreeMap<CustomerId, _> = customers
            .into_iter()
            .map(|(id, customer)| ((&*id).into(), Arc::new(Customer { id: (&*id).into(), ..customer })))
            .collect();
        let listing = listing.map_or_else(Listing::default, |(polled, completed, failure)| Listing {
            polled: Some(polled),
            completed,
            restored: completed.is_some(),
            failure,
            ..Listing::default()
        });
        KnownPartner {
            name: "".into(),
            client_id: client_id.to_string(),
            past: PriorState { listing, customers, ..PriorState::default() },
        }
    })
}

fn state() -> impl Strategy<Value = State> {
    (time(), prop::collection::btree_map(text(), partner(), 0..3)).prop_map(|(saved, partners)| State {
        saved,
        partners: partners.into_iter().map(|(name, known)| KnownPartner { name: (&*name).into(), ..known }).collect(),
        ..State::default()
    })
}

/// A state that contains one value of every kind.
fn sample() -> State {
    let at = |second| Timestamp::from_second(second).unwrap();
    let rows = vec![Subscription { key: key("Opus").into(), ..Subscription::default() }; 2];
    let seats = Seats { assigned: Some(5.into()), available: None };
    let tenant = |id: &str| TenantSeats { id: id.into(), name: "Tenant".into(), seats };
    let answered = |observation| TargetState {
        polled: Some(at(3).into()),
        observation: Some((at(2).into(), observation)),
        ..TargetState::default()
    };
    let customer = Customer {
        services: Some(Services { seen: at(1), subscriptions: assign(&[], rows).into() }),
        targets: vec![
            (
                Query::TenantSeats(TenantType::Google),
                answered(Observation::TenantSeats([tenant("t1"), tenant("t2")].into())),
            ),
            (Query::CustomerSeats(TenantType::Other(9)), answered(Observation::CustomerSeats(seats))),
            (
                Query::ProductPurchased(ProductType(2048)),
                TargetState { failure: Some(FailureReason::Tls), ..answered(Observation::ProductPurchased(None)) },
            ),
            (
                Query::ProductAvailable(ProductType(2048)),
                TargetState { polled: Some(at(4).into()), absence: Absence::Confirmed, ..TargetState::default() },
            ),
        ],
        ..Customer::discovered("c".into())
    };
    let listing = Listing { polled: Some(at(5)), completed: Some(at(5)), restored: true, ..Listing::default() };
    let past = PriorState { listing, customers: [("c".into(), Arc::new(customer))].into(), ..PriorState::default() };
    let known = KnownPartner { name: "main".into(), client_id: "id".into(), past };
    State { saved: at(6), partners: vec![known], ..State::default() }
}

fn key(service: &str) -> SubscriptionKey {
    SubscriptionKey { service: service.into(), ..SubscriptionKey::default() }
}

/// A file with these rows.
fn file(rows: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(rows).unwrap();
    out.finish().unwrap()
}

fn rows(file: &[u8]) -> String {
    std::io::read_to_string(GzDecoder::new(file)).unwrap()
}

#[test]
fn what_is_broken_is_refused_with_its_reason() {
    let good = sample().encode();
    assert!(State::decode(&good).is_ok());
    let refused = |file: &[u8]| State::decode(file).unwrap_err();
    for length in 0..good.len() {
        assert_eq!(refused(&good[..length]), DecodeError::Truncated, "the first {length} bytes");
    }
    assert_eq!(refused(&[&good[..], b"\n"].concat()), DecodeError::TrailingBytes);
    assert_eq!(refused(b"partners: []"), DecodeError::BadMagic);
    assert_eq!(refused(&file(b"{\"format\":\"other\",\"version\":2}\n")), DecodeError::BadMagic);
    let newer = rows(&good).replace("\"version\":2,", "\"version\":3,\"added\":[],");
    assert_eq!(refused(&file(newer.as_bytes())), DecodeError::UnsupportedVersion(3));
    let mut corrupt = good.clone();
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 0x80;
    assert_eq!(refused(&corrupt), DecodeError::Checksum);
    let cut = rows(&good);
    let error = refused(&file(&cut.as_bytes()[..cut.len() - 10]));
    assert!(matches!(error, DecodeError::Row { line: 3, .. }), "{error}");
}

/// If the file is much longer than its content, only the content is read, whatever length the header claims.
#[test]
fn a_sparse_file_is_not_read() {
    struct Endless<'a>(&'a [u8], u64);
    impl io::Read for Endless<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.1 += bytes.len() as u64;
            assert!(self.1 < 1 << 20, "it reads on and on");
            if self.0.is_empty() {
                bytes.fill(0);
                return Ok(bytes.len());
            }
            self.0.read(bytes)
        }
    }
    let length = 3 << 30;
    let mut legacy = legacy::MAGIC.to_vec();
    legacy.extend(1_u32.to_le_bytes());
    let told = |body: u64| [&legacy[..], &body.to_le_bytes(), &[0; 4]].concat();
    let good = sample().encode();
    let cases = [
        (&b""[..], DecodeError::BadMagic),
        (&GZIP_MAGIC, DecodeError::Checksum),
        (&good, DecodeError::TrailingBytes),
        (&told(1000), DecodeError::TrailingBytes),
        (&told(length - 40), DecodeError::Invalid("it is too large")),
    ];
    for (start, expected) in cases {
        let read = State::read(&mut BufReader::new(Endless(start, 0)), length).unwrap();
        assert_eq!(read.unwrap_err(), expected);
    }
}

#[test]
fn fields_are_optional_and_unknown_ones_are_ignored() {
    let added = rows(&sample().encode())
        .replace("{\"id\":", "{\"added\":{\"deep\":[1,\"2\"]},\"id\":")
        .replace("{\"partner\":", "{\"added\":1.5,\"partner\":");
    let added = format!("{added}{{\"another kind of row\":{{}}}}\n");
    assert!(added.len() > rows(&sample().encode()).len() + 50);
    let read = State::decode(&file(added.as_bytes())).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", sample()));

    let least = "{\"format\":\"avepoint_exporter state\",\"version\":2,\"saved\":\"2026-11-29T12:00:00Z\"}\n\
                 {\"partner\":{\"name\":\"main\",\"client_id\":\"id\"}}\n\
                 {\"customer\":{\"id\":\"c\",\"services\":{\"seen\":\"2026-11-29T11:00:00Z\",\"subscriptions\":[{\"number\":1}]},\
                 \"targets\":[{\"collector\":\"tenant_seats\",\"type\":1},{\"collector\":\"jobs\",\"type\":9}]}}\n";
    let state = State::decode(&file(least.as_bytes())).unwrap();
    let customer = &state.partners[0].past.customers[&"c".into()];
    assert_eq!(customer.targets.len(), 1, "what it does not know is left out: {customer:?}");
    let [known] = &*customer.services.as_ref().unwrap().subscriptions else { panic!("{customer:?}") };
    assert_eq!((known.subscription.seats_purchased, known.subscription.expires), (None, None));
    for wrong in ["-1", "\"many\"", "[]", "true"] {
        let wrong = least.replace("{\"number\":1}", &format!("{{\"number\":1,\"capacity_used\":{wrong}}}"));
        assert!(matches!(State::decode(&file(wrong.as_bytes())), Err(DecodeError::Row { line: 3, .. })), "{wrong}");
    }
}

#[test]
fn times_become_wall_time_when_they_are_written() {
    let corrected = State { correction: SignedDuration::from_hours(1), ..sample() };
    let (read, before) = (State::decode(&corrected.encode()).unwrap(), sample());
    let times = |state: &State| {
        let known = &state.partners[0].past;
        let customer = &known.customers[&"c".into()];
        let [purchased, absent] = [2, 3].map(|index| &customer.targets[index].1);
        let seen = Timestamp::from(purchased.observation.as_ref().unwrap().0);
        [known.listing.completed.unwrap(), customer.services.as_ref().unwrap().seen, seen, absent.polled.unwrap().get()]
    };
    assert_eq!(times(&read), times(&before).map(|at| at + SignedDuration::from_hours(1)));
    assert_eq!(read.saved, before.saved);
}

#[test]
fn what_contradicts_itself_is_refused() {
    type Change = fn(&mut Customer);
    let changes: [(Change, &str); 8] = [
        (|customer| customer.targets.swap(0, 1), "targets out of order"),
        (|customer| customer.targets[1].0 = customer.targets[0].0, "a result that does not match its query"),
        (|customer| customer.targets[3].1.polled = None, "a result and an absence that contradict each other"),
        (
            |customer| customer.targets[3].1.absence = Absence::Suspected,
            "a result and an absence that contradict each other",
        ),
        (
            |customer| customer.targets[0].1.absence = Absence::Confirmed,
            "a result and an absence that contradict each other",
        ),
        (
            |customer| {
                let services = customer.services.as_mut().unwrap();
                services.subscriptions = services.subscriptions.iter().rev().cloned().collect();
            },
            "subscriptions out of order",
        ),
        (
            |customer| {
                let services = customer.services.as_mut().unwrap();
                services.subscriptions = vec![services.subscriptions[0].clone(); 2].into();
            },
            "subscriptions out of order",
        ),
        (
            |customer| {
                let Some((_, Observation::TenantSeats(tenants))) = &mut customer.targets[0].1.observation else {
                    panic!()
                };
                *tenants = tenants.iter().rev().cloned().collect();
            },
            "rows of an answer out of order",
        ),
    ];
    for (change, what) in changes {
        let mut state = sample();
        change(Arc::make_mut(state.partners[0].past.customers.get_mut(&"c".into()).unwrap()));
        assert_eq!(State::decode(&state.encode()).unwrap_err(), DecodeError::Invalid(what));
    }

    let mut twice = sample();
    twice.partners.push(twice.partners[0].clone());
    assert_eq!(State::decode(&twice.encode()).unwrap_err(), DecodeError::Invalid("a partner twice"));
    let mut unasked = sample();
    unasked.partners[0].past.listing.polled = None;
    let what = "a listing that was never polled has a result";
    assert_eq!(State::decode(&unasked.encode()).unwrap_err(), DecodeError::Invalid(what));
}

#[test]
fn a_partner_is_known_by_its_app_registration() {
    let mut state = sample();
    let mut known = |name: &str, client_id: &str, second| {
        let listing = Listing { polled: Timestamp::from_second(second).ok(), ..Listing::default() };
        let past = PriorState { listing, ..PriorState::default() };
        state.partners.push(KnownPartner { name: name.into(), client_id: client_id.to_owned(), past });
    };
    known("a", "1", 1);
    known("b", "2", 2);
    known("c", "2", 3);
    let found = |name: &str, client_id: &str| {
        state.prior_state(&name.into(), client_id).map(|past| past.listing.polled.unwrap().as_second())
    };
    assert_eq!(found("a", "1"), Some(1));
    assert_eq!(found("renamed", "1"), Some(1));
    assert_eq!(found("c", "2"), Some(3), "of two, the one of that name");
    assert_eq!(found("a", "3"), None, "another registration sees other customers");
}

#[test]
fn texts_are_shared() {
    let state = State::decode(&sample().encode()).unwrap();
    let services = state.partners[0].past.customers[&"c".into()].services.clone().unwrap();
    let [first, second] = &*services.subscriptions else { panic!() };
    assert!(Arc::ptr_eq(&first.subscription.key.service, &second.subscription.key.service));
    assert_eq!(format!("{}-2", first.id), second.id.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(state in state()) {
        let read = State::decode(&state.encode()).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{state:?}"));
        prop_assert_eq!(read.encode(), state.encode());
    }

    /// A changed bit outside the content (for example in the compression time) may be accepted; the content must be
    /// right.
    #[test]
    fn any_truncation_and_any_flipped_bit_is_refused(state in state(), place: Index, bit in 0..8_u8) {
        let mut file = state.encode();
        let place = place.index(file.len());
        prop_assert!(State::decode(&file[..place]).is_err());
        file[place] ^= 1 << bit;
        if let Ok(read) = State::decode(&file) {
            prop_assert_eq!(format!("{read:?}"), format!("{state:?}"));
        }
    }

    /// Input that a checksum does not reject is either decoded or refused; decoded state can be encoded again.
    #[test]
    fn no_rows_bring_the_reader_down(state in state(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut rows = rows(&state.encode()).into_bytes();
        for (place, byte) in changes {
            let place = place.index(rows.len());
            rows[place] = byte;
        }
        if let Ok(read) = State::decode(&file(&rows)) {
            let again = State::decode(&read.encode()).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..200), legacy: bool) {
        let _ = State::decode(&bytes);
        let _ = State::decode(&file(&bytes));
        let legacy_file = [legacy::MAGIC, &bytes[..]].concat();
        let _ = State::decode(if legacy { &legacy_file } else { &bytes });
    }
}
