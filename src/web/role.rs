//! Whether this replica polls.

/// The role among replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It polls. An exporter without replicas always does.
    #[default]
    Leading,
    /// It waits for the lease, and knows no customers.
    Standby {
        /// The replica that leads, if it is known.
        leader: Option<String>,
    },
    /// It led and has lost the lease; it serves what it knows.
    Paused,
}

impl Role {
    /// The word in the JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Leading => "leader",
            Self::Standby { .. } => "standby",
            Self::Paused => "paused",
        }
    }

    /// The sentence on the page and of `/-/ready`; none for a leader.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        match self {
            Self::Leading => None,
            Self::Standby { leader: Some(leader) } => Some(format!(
                "standby: {leader} leads. This replica polls nothing and exports no customers until it leads."
            )),
            Self::Standby { leader: None } => Some(
                "standby: no leader is known yet. This replica polls nothing and exports no customers until it leads."
                    .to_owned(),
            ),
            Self::Paused => Some(
                "paused: this replica could not renew its lease. It polls nothing, and serves what it last read."
                    .to_owned(),
            ),
        }
    }
}
