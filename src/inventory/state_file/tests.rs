use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::domain::{
    Answer, CustomerId, FailureReason, ProductType, Quantity, Question, Seats, Subscription, SubscriptionKind,
    TenantSeats, TenantType,
};
use crate::inventory::subscription_ids::assign;
use crate::inventory::{Absence, Customer, Known, Listing, Services};

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
            kind: SubscriptionKind { service, model, source, payment_type, storage, name, package }.into(),
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

fn question() -> impl Strategy<Value = Question> {
    let tenant_type = || any::<u8>().prop_map(|number| TenantType::from_number(number.into()));
    prop_oneof![
        tenant_type().prop_map(Question::TenantSeats),
        tenant_type().prop_map(Question::CustomerSeats),
        any::<u64>().prop_map(|number| Question::ProductPurchased(ProductType(number))),
        any::<u64>().prop_map(|number| Question::ProductAvailable(ProductType(number))),
    ]
}

fn answer(question: Question) -> BoxedStrategy<Answer> {
    let seats = || (quantity(), quantity()).prop_map(|(assigned, available)| Seats { assigned, available });
    match question {
        Question::CustomerSeats(_) => seats().prop_map(Answer::CustomerSeats).boxed(),
        Question::TenantSeats(_) => prop::collection::btree_map(text(), (text(), seats()), 0..4)
            .prop_map(|tenants| {
                let tenant = |(id, (name, seats)): (Arc<str>, _)| TenantSeats { id: (&*id).into(), name, seats };
                Answer::TenantSeats(tenants.into_iter().map(tenant).collect())
            })
            .boxed(),
        Question::ProductPurchased(_) => quantity().prop_map(Answer::ProductPurchased).boxed(),
        Question::ProductAvailable(_) => quantity().prop_map(Answer::ProductAvailable).boxed(),
    }
}

/// What polls can make of a target.
fn known(question: Question) -> impl Strategy<Value = (Question, Known)> {
    #[derive(Clone, Debug)]
    enum Poll {
        Succeed(Answer),
        Fail(FailureReason),
        Miss,
    }
    let poll = prop_oneof![
        answer(question).prop_map(Poll::Succeed),
        prop::sample::select(FailureReason::ALL.to_vec()).prop_map(Poll::Fail),
        Just(Poll::Miss),
    ];
    prop::collection::vec((poll, time()), 0..4).prop_map(move |polls| {
        let mut known = Known::default();
        for (poll, at) in polls {
            match poll {
                Poll::Succeed(answer) => {
                    known.succeed(answer, at);
                }
                Poll::Fail(reason) => known.fail(reason, at),
                Poll::Miss => drop(known.miss(at)),
            }
        }
        (question, known)
    })
}

fn customer() -> impl Strategy<Value = Customer> {
    let services = prop::option::of((time(), prop::collection::vec(row(), 0..4)));
    let targets = prop::collection::btree_set(question(), 0..4)
        .prop_flat_map(|questions| questions.into_iter().map(known).collect::<Vec<_>>());
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
        KnownPartner { name: "".into(), client_id: client_id.to_string(), past: Past { listing, customers } }
    })
}

fn state() -> impl Strategy<Value = State> {
    (time(), prop::collection::btree_map(text(), partner(), 0..3)).prop_map(|(saved, partners)| State {
        saved,
        partners: partners.into_iter().map(|(name, known)| KnownPartner { name: (&*name).into(), ..known }).collect(),
    })
}

/// A state with one of everything.
fn sample() -> State {
    let at = |second| Timestamp::from_second(second).unwrap();
    let rows = vec![Subscription { kind: kind("Opus").into(), ..Subscription::default() }; 2];
    let seats = Seats { assigned: Some(5.into()), available: None };
    let tenant = |id: &str| TenantSeats { id: id.into(), name: "Tenant".into(), seats };
    let answered =
        |answer| Known { polled: Some(at(3).into()), answer: Some((at(2).into(), answer)), ..Known::default() };
    let customer = Customer {
        services: Some(Services { seen: at(1), subscriptions: assign(&[], rows).into() }),
        targets: vec![
            (
                Question::TenantSeats(TenantType::Google),
                answered(Answer::TenantSeats([tenant("t1"), tenant("t2")].into())),
            ),
            (Question::CustomerSeats(TenantType::Other(9)), answered(Answer::CustomerSeats(seats))),
            (
                Question::ProductPurchased(ProductType(2048)),
                Known { failure: Some(FailureReason::Tls), ..answered(Answer::ProductPurchased(None)) },
            ),
            (
                Question::ProductAvailable(ProductType(2048)),
                Known { polled: Some(at(4).into()), absence: Absence::Confirmed, ..Known::default() },
            ),
        ],
        ..Customer::discovered("c".into())
    };
    let listing = Listing { polled: Some(at(5)), completed: Some(at(5)), restored: true, ..Listing::default() };
    let past = Past { listing, customers: [("c".into(), Arc::new(customer))].into() };
    State { saved: at(6), partners: vec![KnownPartner { name: "main".into(), client_id: "id".into(), past }] }
}

fn kind(service: &str) -> SubscriptionKind {
    SubscriptionKind { service: service.into(), ..SubscriptionKind::default() }
}

/// A file whose checksum fits this body.
fn file(body: &[u8]) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((body.len() as u64).to_le_bytes());
    let sum = checksum(&head, body);
    [&head, &sum.to_le_bytes()[..], body].concat()
}

#[test]
fn what_is_broken_is_refused_with_its_reason() {
    let good = sample().encode();
    assert!(State::decode(&good).is_ok());
    assert!(good.starts_with(b"avepoint_exporter state\n"));
    let refused = |file: &[u8]| State::decode(file).unwrap_err();
    for length in 0..good.len() {
        assert_eq!(refused(&good[..length]), Damage::Torn, "the first {length} bytes");
    }
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        State::decode(&flipped).expect_err("a flipped bit");
    }
    assert_eq!(refused(&[&good[..], b"\n"].concat()), Damage::Trailing);
    assert_eq!(refused(b"partners: []"), Damage::Foreign);
    let mut newer = good.clone();
    newer[MAGIC.len()] += 1;
    assert_eq!(refused(&newer), Damage::Newer(VERSION + 1), "before anything else is looked at");
    let mut corrupt = good.clone();
    *corrupt.last_mut().unwrap() ^= 0x80;
    assert_eq!(refused(&corrupt), Damage::Corrupt);
    assert_eq!(refused(&file(&[&good[HEAD..], b"\0"].concat())), Damage::Trailing, "after the last row");
}

#[test]
fn what_contradicts_itself_is_refused() {
    type Change = fn(&mut Customer);
    let changes: [(Change, &str); 8] = [
        (|customer| customer.targets.swap(0, 1), "questions out of order"),
        (|customer| customer.targets[1].0 = customer.targets[0].0, "an answer to another question"),
        (|customer| customer.targets[3].1.polled = None, "an answer and an absence that contradict each other"),
        (
            |customer| customer.targets[3].1.absence = Absence::Suspected,
            "an answer and an absence that contradict each other",
        ),
        (
            |customer| customer.targets[0].1.absence = Absence::Confirmed,
            "an answer and an absence that contradict each other",
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
                let Some((_, Answer::TenantSeats(tenants))) = &mut customer.targets[0].1.answer else { panic!() };
                *tenants = tenants.iter().rev().cloned().collect();
            },
            "tenants out of order",
        ),
    ];
    for (change, what) in changes {
        let mut state = sample();
        change(Arc::make_mut(state.partners[0].past.customers.get_mut(&"c".into()).unwrap()));
        assert_eq!(State::decode(&state.encode()).unwrap_err(), Damage::Invalid(what));
    }

    let mut twice = sample();
    twice.partners.push(twice.partners[0].clone());
    assert_eq!(State::decode(&twice.encode()).unwrap_err(), Damage::Invalid("a partner twice"));
    let mut unasked = sample();
    unasked.partners[0].past.listing.polled = None;
    let what = "a listing that came without being asked for";
    assert_eq!(State::decode(&unasked.encode()).unwrap_err(), Damage::Invalid(what));
}

#[test]
fn a_partner_is_known_by_its_app_registration() {
    let mut state = sample();
    let mut known = |name: &str, client_id: &str, second| {
        let listing = Listing { polled: Timestamp::from_second(second).ok(), ..Listing::default() };
        let past = Past { listing, ..Past::default() };
        state.partners.push(KnownPartner { name: name.into(), client_id: client_id.to_owned(), past });
    };
    known("a", "1", 1);
    known("b", "2", 2);
    known("c", "2", 3);
    let found = |name: &str, client_id: &str| {
        state.past_of(&name.into(), client_id).map(|past| past.listing.polled.unwrap().as_second())
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
    assert!(Arc::ptr_eq(&first.subscription.kind.service, &second.subscription.kind.service));
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

    #[test]
    fn any_truncation_and_any_flipped_bit_is_refused(state in state(), place: Index, bit in 0..8_u8) {
        let mut file = state.encode();
        let place = place.index(file.len());
        prop_assert!(State::decode(&file[..place]).is_err());
        file[place] ^= 1 << bit;
        prop_assert!(State::decode(&file).is_err());
    }

    /// What a checksum does not stop is read or refused, and what is read can be written.
    #[test]
    fn no_body_brings_the_reader_down(state in state(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut body = state.encode().split_off(HEAD);
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Ok(read) = State::decode_body(&body) {
            let again = State::decode(&read.encode()).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
    }

    #[test]
    fn no_bytes_bring_the_reader_down(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = State::decode_body(&body);
        let _ = State::decode(&body);
        let _ = State::decode(&file(&body));
    }
}
