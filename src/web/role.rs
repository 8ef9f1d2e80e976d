//! Role of this replica, in the JSON, on the pages and in `/-/ready`.

/// The role among replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Polls. An exporter without replicas always has this role.
    #[default]
    Leading,
    /// Waits for the lease and has no customers.
    Standby {
        /// The current leader, if it is known.
        leader: Option<String>,
    },
    /// Was the leader and lost the lease; serves the last known values.
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
