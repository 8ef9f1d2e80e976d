//! What is notable about a customer, as a small closed set of words.

/// The first five, in order, are what runs out first. The same word is the filter, the JSON and the page's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// A tenant has seats assigned and none left, or a capacity is full.
    Exhausted,
    /// A subscription has more licences assigned than seats purchased.
    OverAssigned,
    /// A subscription expired less than [`super::summary::EXPIRED_DAYS`] ago, and no other of its service runs on.
    Expired,
    /// A subscription expires within [`super::summary::EXPIRING_DAYS`].
    Expiring,
    /// [`super::summary::LOW`] or more of something is in use, and some of it is left.
    Low,
    /// A value is older than its `max_age`.
    Stale,
    /// The last poll of something failed.
    Failing,
    /// Something has never been polled.
    Pending,
}

impl Finding {
    /// Every finding, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Exhausted,
        Self::OverAssigned,
        Self::Expired,
        Self::Expiring,
        Self::Low,
        Self::Stale,
        Self::Failing,
        Self::Pending,
    ];

    /// The word for queries, JSON and style sheets.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::OverAssigned => "over_assigned",
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::Low => "low",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Pending => "pending",
        }
    }

    /// As a person reads it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OverAssigned => "over-assigned",
            other => other.as_str(),
        }
    }

    /// Whether it is about how the numbers were read, not about what they say.
    #[must_use]
    pub const fn is_about_data(self) -> bool {
        matches!(self, Self::Stale | Self::Failing | Self::Pending)
    }
}

/// A set of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings(u8);

impl Findings {
    /// Adds one.
    pub fn insert(&mut self, finding: Finding) {
        self.0 |= 1 << finding as u8;
    }

    /// Adds one if it is true.
    pub fn insert_if(&mut self, is_so: bool, finding: Finding) {
        if is_so {
            self.insert(finding);
        }
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn contains(self, finding: Finding) -> bool {
        self.0 & (1 << finding as u8) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Finding> {
        Finding::ALL.into_iter().filter(move |&finding| self.contains(finding))
    }

    /// The first of those that are about what runs out.
    #[must_use]
    pub fn worst(self) -> Option<Finding> {
        self.iter().find(|finding| !finding.is_about_data())
    }
}
