use std::ops::Range;

use proptest::prelude::*;

use super::*;

fn page(ids: Range<u32>, total: Option<u64>) -> Page<String> {
    let rows: Vec<_> = ids.map(|id| id.to_string()).collect();
    Page { received: rows.len(), rows, total_count: total, page_size: None, has_next_link: false }
}

/// The number of new ids on the page.
fn take(cursor: &mut Cursor, page: Page<String>) -> Result<usize, String> {
    let before = cursor.seen.len();
    cursor.take(page, |id| id).map(|_| cursor.seen.len() - before)
}

#[test]
fn a_listing_ends_at_a_short_or_empty_page() {
    let mut cursor = Cursor::new(100, 10_000);
    assert_eq!(cursor.next(), Some((1, 100)));
    assert_eq!(take(&mut cursor, page(0..100, Some(130))), Ok(100));
    assert_eq!(cursor.next(), Some((2, 100)));
    assert_eq!(take(&mut cursor, page(100..130, Some(130))), Ok(30));
    assert_eq!((cursor.next(), cursor.finish()), (None, Ok(())));

    let mut cursor = Cursor::new(100, 10_000);
    assert_eq!(take(&mut cursor, page(0..100, None)), Ok(100));
    assert_eq!(take(&mut cursor, page(0..0, None)), Ok(0));
    assert_eq!((cursor.next(), cursor.finish()), (None, Ok(())));
}

#[test]
fn fewer_rows_than_the_last_total_are_not_complete() {
    let mut cursor = Cursor::new(100, 1000);
    take(&mut cursor, page(0..100, Some(200))).unwrap();
    take(&mut cursor, page(100..140, Some(141))).unwrap();
    assert!(cursor.next().is_some(), "the total speaks of more");
    assert!(cursor.finish().unwrap_err().contains("140 of 141"));
    take(&mut cursor, page(0..0, Some(141))).unwrap();
    assert_eq!(cursor.next(), None);
}

#[test]
fn a_total_may_count_rows() {
    let rows = |ids: &[u32], received, total| Page {
        rows: ids.iter().map(u32::to_string).collect(),
        received,
        ..page(0..0, Some(total))
    };
    // Customer 1 is on two pages, and one row has no id.
    let mut cursor = Cursor::tolerating_short_pages(2, 1000);
    assert_eq!(take(&mut cursor, rows(&[0, 1], 2, 5)), Ok(2));
    assert_eq!(take(&mut cursor, rows(&[1], 2, 5)), Ok(0));
    assert_eq!(cursor.next(), Some((3, 2)), "not all rows came");
    assert_eq!(take(&mut cursor, rows(&[2], 1, 5)), Ok(1));
    assert_eq!(cursor.next(), Some((4, 2)), "should it count ids, two are missing");
    assert_eq!(take(&mut cursor, rows(&[], 0, 5)), Ok(0));
    assert_eq!((cursor.next(), cursor.finish(), cursor.is_ambiguous()), (None, Ok(()), true));
    let mut cursor = Cursor::new(100, 1000);
    take(&mut cursor, page(0..3, Some(3))).unwrap();
    assert!(!cursor.is_ambiguous());
    let mut cursor = Cursor::new(100, 1000);
    take(&mut cursor, rows(&[], 3, 3)).unwrap();
    assert!(cursor.finish().unwrap_err().contains("none of 3 rows has an id"));
}

#[test]
fn a_repeated_page_adds_no_rows() {
    let mut cursor = Cursor::new(100, 1000);
    take(&mut cursor, page(0..2, Some(3))).unwrap();
    take(&mut cursor, page(0..2, Some(3))).unwrap();
    assert_eq!(cursor.next(), None);
    assert!(cursor.finish().unwrap_err().contains("2 of 3"));
}

#[test]
fn an_endless_listing_is_too_long() {
    let mut cursor = Cursor::new(100, 250);
    let read = (0..).take_while(|&number| {
        take(&mut cursor, page(number * 100..number * 100 + 100, None)).unwrap();
        !cursor.is_too_long()
    });
    assert_eq!(read.count(), 2);
}

#[test]
fn a_page_without_new_ids_is_a_failure() {
    let mut cursor = Cursor::new(2, 10_000);
    take(&mut cursor, page(0..2, None)).unwrap();
    assert!(take(&mut cursor, page(0..2, None)).is_err());
    let mut cursor = Cursor::new(100, 10_000);
    let linked = || Page { has_next_link: true, ..page(0..2, None) };
    assert_eq!(take(&mut cursor, linked()), Ok(2));
    assert_eq!(cursor.next(), Some((2, 100)), "a link says that there is more");
    assert!(take(&mut cursor, linked()).is_err());
}

#[test]
fn a_smaller_page_size_than_requested_is_used() {
    let mut cursor = Cursor::new(100, 10_000);
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(0..50, None) }), Ok(50));
    assert_eq!(cursor.next(), Some((2, 50)));
    assert_eq!(take(&mut cursor, Page { page_size: Some(100), ..page(50..60, None) }), Ok(10));
    assert_eq!(cursor.next(), None);
}

#[test]
fn a_reported_page_size_below_the_number_of_rows_is_ignored() {
    let mut cursor = Cursor::new(100, 10_000);
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(0..100, Some(150)) }), Ok(100));
    assert_eq!(cursor.next(), Some((2, 100)));
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(100..150, Some(150)) }), Ok(50));
    assert_eq!((cursor.next(), cursor.finish()), (None, Ok(())));
}

#[test]
fn pages_that_are_smaller_than_reported_are_followed() {
    for total in [Some(12), None] {
        let mut cursor = Cursor::tolerating_short_pages(100, 10_000);
        for ids in [0..5, 5..10, 10..12] {
            assert_eq!(cursor.next(), Some((u64::from(ids.start) / 5 + 1, 100)));
            assert_eq!(take(&mut cursor, page(ids.clone(), total)), Ok(ids.len()));
        }
        if total.is_none() {
            assert_eq!(take(&mut cursor, page(0..5, None)), Ok(0), "a server without paging: the same rows again");
        }
        assert_eq!((cursor.next(), cursor.finish()), (None, Ok(())));
    }
    let mut cursor = Cursor::new(100, 10_000);
    assert_eq!(take(&mut cursor, page(0..5, None)), Ok(5));
    assert_eq!(cursor.next(), None, "another request would cost too much");
}

#[test]
fn one_page_with_all_rows_is_complete() {
    for total in [Some(250), None] {
        let mut cursor = Cursor::new(100, 10_000);
        assert_eq!(take(&mut cursor, page(0..250, total)), Ok(250));
        assert_eq!(take(&mut cursor, page(0..250, total)), Ok(0));
        assert_eq!((cursor.next(), cursor.finish()), (None, Ok(())));
    }
    let mut cursor = Cursor::new(100, 10_000);
    take(&mut cursor, page(0..250, Some(500))).unwrap();
    take(&mut cursor, page(0..250, Some(500))).unwrap();
    assert_eq!((cursor.next(), cursor.finish().is_err()), (None, true));
}

#[test]
fn halving_goes_down_to_one() {
    let mut cursor = Cursor::new(100, 10_000);
    let mut sizes = vec![];
    while cursor.halve() {
        sizes.push(cursor.next().unwrap().1);
    }
    assert_eq!(sizes, [50, 25, 12, 6, 3, 1]);
}

#[test]
fn doubling_stops_at_a_size_that_was_too_slow() {
    let mut cursor = Cursor::new(100, 10_000);
    while cursor.halve() {}
    let double = |cursor: &mut Cursor| {
        let (index, size) = cursor.next().unwrap();
        let rows = u32::try_from(index).unwrap() * size;
        take(cursor, page(rows - size..rows, Some(10_000))).unwrap();
        cursor.double().then(|| cursor.next().unwrap().1)
    };
    let sizes: Vec<_> = std::iter::from_fn(|| double(&mut cursor)).collect();
    assert_eq!(sizes, [2, 4, 8, 16, 32, 64, 100]);
    assert!(cursor.halve());
    assert_eq!(double(&mut cursor), None, "100 were too much again: it is no outage");
    let mut cursor = Cursor::new(100, 10_000);
    cursor.halve();
    take(&mut cursor, page(0..50, None)).unwrap();
    assert!(!cursor.double(), "without a total, missing rows would not be noticed");
}

#[test]
fn a_page_size_that_is_granted_as_requested_can_still_grow() {
    let mut cursor = Cursor::new(100, 10_000);
    assert!(cursor.halve());
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(0..50, Some(1000)) }), Ok(50));
    assert!(cursor.double());
    assert_eq!(cursor.next(), Some((1, 100)));
    // The server grants smaller pages than requested: in its own numbering, the page contains nothing new.
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(0..50, Some(1000)) }), Ok(0));
    assert_eq!(cursor.next(), Some((2, 50)));
    assert_eq!(take(&mut cursor, Page { page_size: Some(50), ..page(50..100, Some(1000)) }), Ok(50));
    assert!(!cursor.double());
}

proptest! {
    #[test]
    fn every_row_is_received_once_whatever_the_page_sizes_are(
        rows in 0..400_u32,
        start in 1..=100_u32,
        granted in 1..=100_u32,
        said in prop::option::of(1..=100_u32),
        honest: bool,
        mut slow in prop::collection::vec(any::<bool>(), 40),
        mut quick in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut cursor = Cursor::new(start, 10_000);
        let mut got = HashSet::new();
        let mut asked = 0;
        while let Some((index, size)) = cursor.next() {
            asked += 1;
            prop_assert!(asked < 1000);
            if slow.pop().unwrap_or(false) && cursor.halve() {
                continue;
            }
            let size = if honest { size.min(granted) } else { size };
            let from = (u32::try_from(index).unwrap() - 1) * size;
            let page = page(from.min(rows)..(from + size).min(rows), Some(rows.into()));
            let page = Page { page_size: if honest { Some(size) } else { said }, ..page };
            got.extend(cursor.take(page, |id| id).unwrap());
            if quick.pop().unwrap_or(false) {
                cursor.double();
            }
        }
        prop_assert_eq!(cursor.finish(), Ok(()));
        prop_assert_eq!(got.len(), rows as usize);
    }
}
