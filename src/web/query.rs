//! Query parameters of the lists of customers: `q`, `partner`, `state`, `page`, `per_page`. An empty value counts as absent.

use std::ops::Range;

use url::form_urlencoded;

use super::issue::{Issue, Issues};

/// Customers per page by default.
pub const DEFAULT_PER_PAGE: usize = 50;
/// Maximum customers per page.
pub const MAX_PER_PAGE: usize = 1000;

/// Filters, and the requested page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerQuery {
    /// Part of a name or an id, case-insensitive; empty matches all.
    pub text: String,
    /// A partner's name; empty matches all.
    pub partner: String,
    /// Only customers in this state.
    pub state: Option<StateFilter>,
    /// From 1.
    pub page: usize,
    /// From 1 to [`MAX_PER_PAGE`].
    pub per_page: usize,
}

/// The filter by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// Has this issue.
    Has(Issue),
    /// Has none at all.
    Ok,
}

impl StateFilter {
    /// Every state, in the order of the page.
    pub fn all() -> impl Iterator<Item = Self> {
        Issue::ALL.into_iter().map(Self::Has).chain([Self::Ok])
    }

    /// The value of `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Has(issue) => issue.as_str(),
            Self::Ok => "ok",
        }
    }
}

impl Default for CustomerQuery {
    fn default() -> Self {
        Self { text: String::new(), partner: String::new(), state: None, page: 1, per_page: DEFAULT_PER_PAGE }
    }
}

impl CustomerQuery {
    /// Parses a query string. Unknown parameters are ignored; the error names the invalid value and what is allowed.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            match &*key {
                "q" => value.clone_into(&mut parsed.text),
                "partner" => value.clone_into(&mut parsed.partner),
                "state" => parsed.state = Some(state(value)?),
                "page" => parsed.page = number("page", value, usize::MAX)?,
                "per_page" => parsed.per_page = number("per_page", value, MAX_PER_PAGE)?,
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Whether a customer with these issues is in the requested state.
    #[must_use]
    pub fn matches(&self, issues: &Issues) -> bool {
        match self.state {
            None => true,
            Some(StateFilter::Ok) => issues.is_empty(),
            Some(StateFilter::Has(issue)) => issues.contains(issue),
        }
    }

    /// The query string of this query, with `?`.
    #[must_use]
    pub fn to_link(&self) -> String {
        let mut link = form_urlencoded::Serializer::new(String::new());
        let texts =
            [("q", &*self.text), ("partner", &*self.partner), ("state", self.state.map_or("", StateFilter::as_str))];
        link.extend_pairs(texts.into_iter().filter(|(_, value)| !value.is_empty()));
        for (name, value, default) in [("page", self.page, 1), ("per_page", self.per_page, DEFAULT_PER_PAGE)] {
            if value != default {
                link.append_pair(name, &value.to_string());
            }
        }
        format!("?{}", link.finish())
    }

    /// The first page with another state.
    #[must_use]
    pub fn with_state(&self, state: Option<StateFilter>) -> Self {
        Self { state, page: 1, ..self.clone() }
    }

    /// Another page.
    #[must_use]
    pub fn with_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// The range of rows on the requested page, out of this many; empty beyond the last page.
    #[must_use]
    pub fn range(&self, rows: usize) -> Range<usize> {
        let start = (self.page - 1).saturating_mul(self.per_page).min(rows);
        start..start.saturating_add(self.per_page).min(rows)
    }

    /// The number of pages for this many rows, at least one.
    #[must_use]
    pub fn pages(&self, rows: usize) -> usize {
        rows.div_ceil(self.per_page).max(1)
    }
}

fn state(value: &str) -> Result<StateFilter, String> {
    StateFilter::all().find(|state| state.as_str() == value).ok_or_else(|| {
        let allowed: Vec<_> = StateFilter::all().map(StateFilter::as_str).collect();
        format!("state {value:?} is not known; it is one of {}", allowed.join(", "))
    })
}

fn number(name: &str, value: &str, most: usize) -> Result<usize, String> {
    value.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| match most {
        usize::MAX => format!("{name} {value:?} is not a number from 1"),
        most => format!("{name} {value:?} is not a number from 1 to {most}"),
    })
}

/// Percent-encodes a text as one segment of a path.
#[must_use]
pub fn path_segment(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut segment, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            segment.push(byte.into());
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
        segment
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        for (query, error) in [
            ("page=0", "page \"0\" is not a number from 1"),
            ("page=x", "page \"x\" is not a number from 1"),
            ("per_page=1001", "per_page \"1001\" is not a number from 1 to 1000"),
            (
                "state=bad",
                "state \"bad\" is not known; it is one of over_assigned, exhausted, expired, expiring, capacity_low, low, contract_ending, unused, tenant_exhausted, tenant_low, stale, failing, pending, ok",
            ),
        ] {
            assert_eq!(CustomerQuery::parse(query), Err(error.to_owned()), "{query}");
        }
        assert_eq!(CustomerQuery::parse("q=&partner=&state=&page=&other=1&&="), Ok(CustomerQuery::default()));
    }

    #[test]
    fn a_page_is_a_part_of_the_rows() {
        let page = |page| CustomerQuery { page, per_page: 2, ..CustomerQuery::default() };
        assert_eq!(page(1).range(5), 0..2);
        assert_eq!(page(3).range(5), 4..5);
        assert!(page(4).range(5).is_empty());
        assert!(page(usize::MAX).range(5).is_empty());
        assert_eq!(page(1).pages(5), 3);
        assert_eq!(page(1).pages(0), 1);
    }

    #[test]
    fn a_segment_holds_anything() {
        assert_eq!(path_segment("a b/ł?#%"), "a%20b%2F%C5%82%3F%23%25");
    }

    proptest! {
        #[test]
        fn a_link_asks_for_the_same(
            text in "\\PC{0,8}", partner in "\\PC{0,8}", state in 0..15_usize, page in 1..9_usize, per_page in 1..=1000_usize,
        ) {
            let query = CustomerQuery {
                text: text.trim().to_owned(),
                partner: partner.trim().to_owned(),
                state: StateFilter::all().nth(state),
                page,
                per_page,
            };
            prop_assert_eq!(CustomerQuery::parse(query.to_link().trim_start_matches('?')), Ok(query));
        }

        #[test]
        fn any_query_is_read_or_refused(query in "\\PC*") {
            let _ = CustomerQuery::parse(&query);
        }
    }
}
