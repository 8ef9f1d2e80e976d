//! Pages: what to ask for next, when a listing ends, and whether it is complete. Pure.
//!
//! A listing ends at a page that is empty, or short while `totalCount` does not speak of more: the other side may grant
//! smaller pages than it says. It is complete if it brought as many rows as the last `totalCount`. A total may count rows
//! and not ids: rows without an id count, and so does a second row of the same id. A page that should be followed by
//! another and brings nothing new would go on for ever: that ends it as a failure, unless pages are longer than there may
//! be any. So does a page with the ids of an earlier one, which is that page once more and counts nothing.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::decode::Page;

/// The API's largest page.
pub(super) const LARGEST_PAGE: u32 = 100;

/// The place in a listing.
#[derive(Debug)]
pub(super) struct Cursor {
    size: u32,
    /// No page is asked for that is larger than this: what the other side grants, what was not too much.
    most: u32,
    /// Rows of the last page.
    last: u32,
    grown: bool,
    /// Rows before this one were asked for.
    offset: u64,
    /// Hashes of the ids that came, and of the ids of each page.
    seen: HashSet<u64>,
    pages: HashSet<u64>,
    hasher: RandomState,
    total: Option<u64>,
    /// Rows that came, on all pages and on the longest. What was asked for twice counts once.
    received: u64,
    longest: u32,
    /// More rows than this are not read.
    limit: u64,
    /// A short page that says neither its size nor the total is not the end.
    wary: bool,
    ended: bool,
}

impl Cursor {
    /// At the start of a listing in pages of this size, of no more than so many rows.
    pub(super) fn new(size: u32, limit: u64) -> Self {
        let size = size.clamp(1, LARGEST_PAGE);
        Self {
            size,
            most: LARGEST_PAGE,
            last: 0,
            grown: false,
            offset: 0,
            seen: HashSet::new(),
            pages: HashSet::new(),
            hasher: RandomState::new(),
            total: None,
            received: 0,
            longest: 0,
            limit,
            wary: false,
            ended: false,
        }
    }

    /// The same, where a request more is worth it: a short page that says neither its size nor the total is no end, only
    /// an empty one is, or one that brings nothing new; and rows of known ids are read until there are as many ids, or
    /// rows, as the total says.
    pub(super) fn wary(size: u32, limit: u64) -> Self {
        Self { wary: true, ..Self::new(size, limit) }
    }

    /// `pageIndex` and `pageSize` to ask for; `None` at the end. After a change of size the page may overlap with
    /// what was there before.
    pub(super) fn next(&self) -> Option<(u64, u32)> {
        (!self.ended).then(|| (self.offset / u64::from(self.size) + 1, self.size))
    }

    /// Takes the page that was asked for. What is left are its rows but those that were asked for twice: an id may come
    /// again.
    pub(super) fn take<T>(&mut self, page: Page<T>, id: impl Fn(&T) -> &str) -> Result<Vec<T>, String> {
        self.total = page.total_count.or(self.total);
        let (index, _) = self.next().unwrap_or((1, self.size));
        let start = (index - 1) * u64::from(self.size);
        let received = u32::try_from(page.received).unwrap_or(u32::MAX);
        self.longest = self.longest.max(received);
        // The other side may grant smaller pages than were asked for, and counts in its own; a longer page than it says
        // to grant shows that it does not mean it.
        let granted = page.page_size.filter(|&size| (self.longest.max(1)..self.size).contains(&size));
        if let Some(granted) = granted {
            (self.size, self.most) = (granted, granted);
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

        let untold = self.wary && page.page_size.is_none() && self.total.is_none();
        let follows = page.has_next_link || self.is_full();
        let lacks_rows = !repeated && self.lacks_rows();
        // A total that counts ids is not reached by rows of the same one.
        let lacks_ids = self.wary && is_new && self.total.is_some_and(|total| (self.seen.len() as u64) < total);
        self.ended = received == 0 || !(follows || untold || lacks_rows || lacks_ids);
        // Longer than any page: the other side knows none, and has said all that there is.
        let unpaged = self.longest > LARGEST_PAGE;
        let goes_on = self.wary && lacks_rows;
        if !is_new && (unpaged || !(follows || goes_on)) {
            self.ended = true;
        }
        if !self.ended && !is_new && granted.is_none() && !goes_on {
            return Err(format!("page {index} repeats what came before instead of going on"));
        }
        Ok(rows)
    }

    /// Whether more rows came than the limit, so that there is no point in going on.
    pub(super) fn is_too_long(&self) -> bool {
        self.received > self.limit
    }

    /// The page took too long: asks for half of it. False if there is no smaller page.
    pub(super) fn halve(&mut self) -> bool {
        let smaller = self.size > 1;
        self.size = (self.size / 2).max(1);
        if self.grown {
            self.most = self.size;
        }
        smaller
    }

    /// The page was quick: asks for twice as much, unless that was too much before. Only where a total tells whether
    /// something is missing: pages that are not of the size that was asked for do not fit together with others.
    /// Whether anything changed.
    pub(super) fn double(&mut self) -> bool {
        let larger = self.size.saturating_mul(2).min(self.most);
        let grows = self.is_full() && self.knows_total() && larger > self.size;
        if grows {
            (self.size, self.grown) = (larger, true);
        }
        grows
    }

    /// Whether there is a total.
    pub(super) fn knows_total(&self) -> bool {
        self.total.is_some()
    }

    /// The total, where there is one, and the rows that came.
    pub(super) fn rows(&self) -> (Option<u64>, u64) {
        (self.total, self.received)
    }

    /// Whether the total speaks of more rows than came.
    pub(super) fn lacks_rows(&self) -> bool {
        self.total.is_some_and(|total| self.received < total)
    }

    /// Whether there were fewer ids than rows: rows without an id, or several of one. Who did not come may be behind them.
    pub(super) fn is_ambiguous(&self) -> bool {
        (self.seen.len() as u64) < self.received
    }

    /// Whether the last page was as long as it was asked for.
    pub(super) fn is_full(&self) -> bool {
        self.last >= self.size
    }

    /// At the end: whether as many rows came as there are, and ids with them.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.total {
            Some(total) if self.received < total => {
                Err(format!("{} of {total} came, the list is not complete", self.received))
            }
            _ if self.seen.is_empty() && self.received > 0 => Err(format!("none of {} rows has an id", self.received)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
