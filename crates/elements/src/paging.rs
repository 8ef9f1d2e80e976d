//! Paging: which page to request next, when a listing ends, and whether it is complete. Pure.
//!
//! - A listing ends at an empty page, or at a short page while `totalCount` promises no more rows: the server may send
//!   smaller pages than requested.
//! - It is complete if it returned as many rows as the last `totalCount`. That may count rows instead of ids: rows without
//!   an id count, and so does a second row of one id.
//! - It fails if another page should follow a page without new ids, because it would never end; unless pages are longer
//!   than the maximum.
//! - A page with the ids of an earlier page is a repetition: it counts no rows, and is handled like one without new ids.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::decode::Page;

/// The largest page size of the API.
pub(super) const LARGEST_PAGE: u32 = 100;

/// The position in a listing.
#[derive(Debug)]
pub(super) struct Cursor {
    size: u32,
    /// The maximum page size to request: the size that the server grants, or that was not too slow.
    max_size: u32,
    /// The number of rows of the last page.
    last: u32,
    has_grown: bool,
    /// Rows before this index were requested.
    offset: u64,
    /// Hashes of the received ids, and of the ids of each page.
    seen: HashSet<u64>,
    pages: HashSet<u64>,
    hasher: RandomState,
    total: Option<u64>,
    /// The number of rows received in total and on the longest page. Rows that were requested twice count once.
    received: u64,
    longest: u32,
    /// Stop after this many rows.
    limit: u64,
    /// A short page without page size or total does not end the listing.
    tolerate_short_pages: bool,
    ended: bool,
}

impl Cursor {
    /// The start of a listing with this page size and row limit.
    pub(super) fn new(size: u32, limit: u64) -> Self {
        let size = size.clamp(1, LARGEST_PAGE);
        Self {
            size,
            max_size: LARGEST_PAGE,
            last: 0,
            has_grown: false,
            offset: 0,
            seen: HashSet::new(),
            pages: HashSet::new(),
            hasher: RandomState::new(),
            total: None,
            received: 0,
            longest: 0,
            limit,
            tolerate_short_pages: false,
            ended: false,
        }
    }

    /// The same, for listings where completeness is worth another request: a short page without page size or total does
    /// not end it; only an empty page, or one without new ids, does. Rows of known ids are read until the number of ids
    /// or rows reaches the total.
    pub(super) fn tolerating_short_pages(size: u32, limit: u64) -> Self {
        Self { tolerate_short_pages: true, ..Self::new(size, limit) }
    }

    /// `pageIndex` and `pageSize` to request; `None` at the end. After a change of the page size, a page may overlap
    /// with earlier rows.
    pub(super) fn next(&self) -> Option<(u64, u32)> {
        (!self.ended).then(|| (self.offset / u64::from(self.size) + 1, self.size))
    }

    /// Records the page that was requested. Removes rows that were requested twice from it. An id may still come twice.
    pub(super) fn take<T>(&mut self, page: Page<T>, id: impl Fn(&T) -> &str) -> Result<Vec<T>, String> {
        self.total = page.total_count.or(self.total);
        let (index, _) = self.next().unwrap_or((1, self.size));
        let start = (index - 1) * u64::from(self.size);
        let received = u32::try_from(page.received).unwrap_or(u32::MAX);
        self.longest = self.longest.max(received);
        // The server may grant smaller pages than requested, and then numbers its own pages; but if a page is longer
        // than the granted size, that size is wrong.
        let granted = page.page_size.filter(|&size| (self.longest.max(1)..self.size).contains(&size));
        if let Some(granted) = granted {
            (self.size, self.max_size) = (granted, granted);
        }
        self.last = received;
        let ids: Vec<u64> = page.rows.iter().map(|row| self.hasher.hash_one(id(row))).collect();
        let repeated = !ids.is_empty() && !self.pages.insert(self.hasher.hash_one(&ids));
        let overlap = self.offset.saturating_sub(start);
        if !repeated {
            self.received += u64::from(received).saturating_sub(overlap);
        }
        let rows = page.rows.into_iter().zip(&ids).zip(0..);
        let rows = rows.filter(|((_, id), place)| !repeated && (*place >= overlap || !self.seen.contains(*id)));
        let rows: Vec<T> = rows.map(|((row, _), _)| row).collect();
        let before = self.seen.len();
        self.seen.extend(ids);
        let is_new = self.seen.len() > before;
        self.offset = self.offset.max(index * u64::from(self.size));

        let size_unknown = self.tolerate_short_pages && page.page_size.is_none() && self.total.is_none();
        let follows = page.has_next_link || self.is_full();
        let lacks_rows = !repeated && self.lacks_rows();
        // If the total counts ids, further rows of one id do not reach it.
        let lacks_ids =
            self.tolerate_short_pages && is_new && self.total.is_some_and(|total| (self.seen.len() as u64) < total);
        self.ended = received == 0 || !(follows || size_unknown || lacks_rows || lacks_ids);
        // Longer than any page: the server has no paging and has sent everything.
        let unpaged = self.longest > LARGEST_PAGE;
        let continues = self.tolerate_short_pages && lacks_rows;
        if !is_new && (unpaged || !(follows || continues)) {
            self.ended = true;
        }
        if !self.ended && !is_new && granted.is_none() && !continues {
            return Err(format!("page {index} repeats earlier rows"));
        }
        Ok(rows)
    }

    /// Whether there are more rows than the limit, so that the listing should stop.
    pub(super) fn is_too_long(&self) -> bool {
        self.received > self.limit
    }

    /// The page took too long: request half of it. Returns false if the page size cannot be reduced.
    pub(super) fn halve(&mut self) -> bool {
        let smaller = self.size > 1;
        self.size = (self.size / 2).max(1);
        if self.has_grown {
            self.max_size = self.size;
        }
        smaller
    }

    /// The page was fast: request twice the size, unless that was too slow before. Only with a total, which shows
    /// whether something is missing: pages of another size than requested cannot be combined. Returns whether the size
    /// changed.
    pub(super) fn double(&mut self) -> bool {
        let larger = self.size.saturating_mul(2).min(self.max_size);
        let grows = self.is_full() && self.knows_total() && larger > self.size;
        if grows {
            (self.size, self.has_grown) = (larger, true);
        }
        grows
    }

    /// Whether there is a total.
    pub(super) fn knows_total(&self) -> bool {
        self.total.is_some()
    }

    /// The total, if there is one, and the number of rows received.
    pub(super) fn rows(&self) -> (Option<u64>, u64) {
        (self.total, self.received)
    }

    /// Whether the total promises more rows than were received.
    pub(super) fn lacks_rows(&self) -> bool {
        self.total.is_some_and(|total| self.received < total)
    }

    /// Whether there were fewer ids than rows: rows without an id, or several of one. Missing customers may be among
    /// them.
    pub(super) fn is_ambiguous(&self) -> bool {
        (self.seen.len() as u64) < self.received
    }

    /// Whether the last page was full.
    pub(super) fn is_full(&self) -> bool {
        self.last >= self.size
    }

    /// At the end: whether all rows were received, and all ids with them.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.total {
            Some(total) if self.received < total => {
                Err(format!("{} of {total} rows received, the list is incomplete", self.received))
            }
            _ if self.seen.is_empty() && self.received > 0 => Err(format!("none of {} rows has an id", self.received)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
