//! Issues of a customer and their severities, a closed set. The filter, the JSON and the page use the same names. Most
//! issues correspond to an alert of `deploy/prometheus/alerts.rules.yml`, with the same severities.

/// The severity of an issue and of its alert, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Needs attention now.
    Critical,
    /// Needs attention soon.
    Warning,
    /// For information.
    Info,
}

impl Severity {
    /// The label `severity` of the alerts, the JSON value, and the CSS class.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A kind of issue, in order of importance within one severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issue {
    /// More licences are assigned than seats of a service were purchased.
    OverAssigned,
    /// As many licences are assigned as seats of a service were purchased.
    Exhausted,
    /// All rows of a service have expired, however long ago.
    Expired,
    /// A row expires soon, and no other row covers its seats.
    Expiring,
    /// The capacity of a service is nearly or completely in use.
    CapacityLow,
    /// Few seats of a service are left.
    Low,
    /// A contract ends soon or has just ended.
    ContractEnding,
    /// Many seats of a service are unused, and its renewal is near.
    Unused,
    /// A tenant has licences assigned and none available. What "available" counts is not documented.
    TenantExhausted,
    /// Most of the licences of a tenant are assigned.
    TenantLow,
    /// A value is older than its `max_age`.
    Stale,
    /// The last poll of a target failed.
    Failing,
    /// A target has never been polled.
    Pending,
}

impl Issue {
    /// Every issue, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::OverAssigned,
        Self::Exhausted,
        Self::Expired,
        Self::Expiring,
        Self::CapacityLow,
        Self::Low,
        Self::ContractEnding,
        Self::Unused,
        Self::TenantExhausted,
        Self::TenantLow,
        Self::Stale,
        Self::Failing,
        Self::Pending,
    ];

    /// The name in queries and JSON, the text on the page, and the alert.
    const fn names(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::OverAssigned => ("over_assigned", "over-assigned", Some("AvePointSeatsOverAssigned")),
            Self::Exhausted => ("exhausted", "exhausted", Some("AvePointSeatsExhausted")),
            Self::Expired => ("expired", "expired", Some("AvePointSubscriptionExpired")),
            Self::Expiring => ("expiring", "expiring", Some("AvePointSubscriptionExpiring")),
            Self::CapacityLow => ("capacity_low", "capacity low", Some("AvePointCapacityLow")),
            Self::Low => ("low", "low", Some("AvePointSeatsLow")),
            Self::ContractEnding => ("contract_ending", "contract ending", Some("AvePointContractEnding")),
            Self::Unused => ("unused", "unused", Some("AvePointSeatsUnused")),
            Self::TenantExhausted => ("tenant_exhausted", "tenant: 0 available", Some("AvePointTenantSeatsExhausted")),
            Self::TenantLow => ("tenant_low", "tenant: few available", Some("AvePointTenantSeatsLow")),
            Self::Stale => ("stale", "stale", None),
            Self::Failing => ("failing", "failing", None),
            Self::Pending => ("pending", "pending", None),
        }
    }

    /// The name in queries and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.names().0
    }

    /// The text on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.names().1
    }

    /// The corresponding alert; `None` if alerts cover this differently.
    #[must_use]
    pub const fn alert(self) -> Option<&'static str> {
        self.names().2
    }

    /// Whether it is about the collection of data, and not about the values.
    #[must_use]
    pub const fn is_about_data(self) -> bool {
        matches!(self, Self::Stale | Self::Failing | Self::Pending)
    }
}

/// A set of issues, each with its worst severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Issues([Option<Severity>; Issue::ALL.len()]);

impl Issues {
    /// Adds an issue; its worst severity is kept.
    pub fn insert(&mut self, issue: Issue, severity: Severity) {
        if let Some(known) = self.0.get_mut(issue as usize) {
            *known = Some(known.map_or(severity, |known| known.min(severity)));
        }
    }

    /// Adds an issue if it has a severity.
    pub fn insert_some(&mut self, issue: Issue, severity: Option<Severity>) {
        if let Some(severity) = severity {
            self.insert(issue, severity);
        }
    }

    /// Adds all issues of another set.
    pub fn merge(&mut self, other: &Self) {
        for (issue, severity) in other.iter() {
            self.insert(issue, severity);
        }
    }

    /// The severity of an issue; `None` if the set lacks it.
    #[must_use]
    pub fn get(&self, issue: Issue) -> Option<Severity> {
        self.0.get(issue as usize).copied().flatten()
    }

    /// Whether the set contains the issue.
    #[must_use]
    pub fn contains(&self, issue: Issue) -> bool {
        self.get(issue).is_some()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// In the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (Issue, Severity)> {
        Issue::ALL.into_iter().filter_map(|issue| Some((issue, self.get(issue)?)))
    }

    /// All issues, the most severe first, then in the order of declaration.
    #[must_use]
    pub fn by_severity(&self) -> Vec<(Issue, Severity)> {
        let mut issues: Vec<_> = self.iter().collect();
        issues.sort_by_key(|&(issue, severity)| (severity, issue));
        issues
    }

    /// The worst issue that is not about the collection of data.
    #[must_use]
    pub fn worst(&self) -> Option<(Severity, Issue)> {
        self.iter().filter(|(issue, _)| !issue.is_about_data()).map(|(issue, severity)| (severity, issue)).min()
    }
}
