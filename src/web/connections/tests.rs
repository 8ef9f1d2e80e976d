//! Who goes, and who stays.

use super::*;

const HOSTILE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const LATER: Duration = Duration::from_secs(2);

/// Connections that we have looked at.
async fn full(connections: &Connections, peers: &[IpAddr]) -> Vec<Admitted> {
    let mut admitted = Vec::new();
    for &peer in peers {
        let new = connections.admit(peer).await;
        new.activity.awaited();
        admitted.push(new);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    admitted
}

/// The one that is told to go next.
fn evicted(connections: &Connections, admitted: &[Admitted]) -> Option<usize> {
    let leave: Vec<_> = admitted.iter().map(|one| one.activity.leaves()).collect();
    connections.table().evict(Instant::now(), 1 + leave.iter().filter(|&&leaves| leaves).count());
    (0..admitted.len()).find(|&index| admitted[index].activity.leaves() && !leave[index])
}

/// Whether one that was told to go does, given time.
async fn goes(admitted: &Admitted) -> bool {
    timeout(LATER, admitted.unwanted()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_longest_silent_goes_first_then_the_idle_then_those_who_take_nothing() {
    let connections = Connections::new(5);
    let admitted = full(&connections, &[HOSTILE; 5]).await;
    let activity = |index: usize| &admitted[index].activity;
    for index in [0, 1, 2] {
        activity(index).asked();
        activity(index).took();
    }
    activity(1).took_all();
    activity(2).took_all();
    // Waits for us.
    activity(2).asked();
    // A part of a request is no request.
    tokio::time::advance(LATER).await;
    assert_eq!(evicted(&connections, &admitted), Some(3));
    assert_eq!(evicted(&connections, &admitted), Some(4));
    assert_eq!(evicted(&connections, &admitted), Some(1));
    assert_eq!(evicted(&connections, &admitted), Some(0));
    assert_eq!(evicted(&connections, &admitted), None);
}

#[tokio::test(start_paused = true)]
async fn the_address_with_the_most_pays() {
    let connections = Connections::new(4);
    let admitted = full(&connections, &[OTHER, HOSTILE, HOSTILE, HOSTILE]).await;
    for one in &admitted[1..] {
        one.activity.asked();
        one.activity.took();
    }
    tokio::time::advance(LATER).await;
    // The other one is silent, and the longest here.
    assert_eq!(evicted(&connections, &admitted), Some(1));
}

#[tokio::test(start_paused = true)]
async fn who_is_new_or_takes_something_goes_last() {
    let connections = Connections::new(3);
    let admitted = full(&connections, &[OTHER, HOSTILE, HOSTILE]).await;
    admitted[1].activity.asked();
    admitted[1].activity.took();
    assert_eq!(evicted(&connections, &admitted), None);
    tokio::time::advance(BLINK).await;
    admitted[1].activity.took();
    // The other one came first, but alone.
    assert_eq!(evicted(&connections, &admitted), Some(2));
    assert_eq!(evicted(&connections, &admitted), Some(0));
    assert_eq!(evicted(&connections, &admitted), None);
    tokio::time::advance(LATER).await;
    admitted[1].activity.took();
    assert_eq!(evicted(&connections, &admitted), Some(1));
}

#[tokio::test(start_paused = true)]
async fn there_is_always_room_for_one_more_until_all_wait_for_us() {
    let connections = Connections::new(2);
    let admitted = full(&connections, &[HOSTILE; 2]).await;
    for one in &admitted {
        one.activity.asked();
    }
    assert!(timeout(LATER, connections.admit(OTHER)).await.is_err());
    admitted[1].activity.took();
    admitted[1].activity.took_all();
    let (third, ()) = tokio::join!(connections.admit(OTHER), async {
        admitted[1].unwanted().await;
        drop(admitted);
    });
    assert_eq!(connections.table().entries.len(), 1);
    drop(third);
    let table = connections.table();
    assert!(table.entries.is_empty() && table.shares.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_was_not_looked_at_yet_stays() {
    let connections = Connections::new(2);
    let admitted = [connections.admit(HOSTILE).await, connections.admit(HOSTILE).await];
    tokio::time::advance(LATER).await;
    admitted[1].activity.awaited();
    // It has as long as everybody, from when we listen.
    assert_eq!(evicted(&connections, &admitted), None);
    tokio::time::advance(BLINK).await;
    assert_eq!(evicted(&connections, &admitted), Some(1));
    assert_eq!(evicted(&connections, &admitted), None);
    assert!(goes(&admitted[1]).await);
}

#[tokio::test(start_paused = true)]
async fn who_did_something_that_we_had_not_seen_stays() {
    let did: [fn(&Activity); 4] = [Activity::asked, Activity::took, Activity::awaited, Activity::took_all];
    for (index, did) in did.into_iter().enumerate() {
        let connections = Connections::new(1);
        let admitted = full(&connections, &[HOSTILE]).await;
        admitted[0].activity.asked();
        admitted[0].activity.took();
        tokio::time::advance(LATER).await;
        assert_eq!(evicted(&connections, &admitted), Some(0));
        let (goes, ()) = tokio::join!(goes(&admitted[0]), async { did(&admitted[0].activity) });
        // To have sent all is nothing that the peer did.
        assert_eq!(goes, index == 3, "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_an_answer_for_too_long_goes_though_it_takes_some_of_it() {
    let connections = Connections::new(1);
    let admitted = full(&connections, &[HOSTILE]).await;
    admitted[0].activity.asked();
    tokio::time::advance(LATER).await;
    admitted[0].activity.took();
    assert_eq!(evicted(&connections, &admitted), Some(0));
    let (goes, ()) = tokio::join!(goes(&admitted[0]), async { admitted[0].activity.took() });
    assert!(goes);
}

#[tokio::test(start_paused = true)]
async fn some_places_are_free_before_they_are_needed_and_no_more() {
    let connections = Connections::new(64);
    let admitted = full(&connections, &[HOSTILE; 62]).await;
    tokio::time::advance(LATER).await;
    let told = || admitted.iter().filter(|one| one.activity.leaves()).count();
    assert_eq!(told(), 0);
    let _others = [connections.admit(OTHER).await, connections.admit(OTHER).await];
    assert_eq!(told(), 2);
    assert!(timeout(LATER, connections.admit(OTHER)).await.is_err());
    assert_eq!(told(), 4);
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let network_of = |text: &str| network(text.parse().unwrap());
    assert_eq!(network_of("2001:db8::1"), network_of("2001:db8::ffff:2"));
    assert_ne!(network_of("2001:db8::1"), network_of("2001:db8:0:1::1"));
    assert_ne!(network_of("10.0.0.1"), network_of("10.0.0.2"));
    assert_eq!(network_of("::ffff:10.0.0.1"), network_of("10.0.0.1"));
}
