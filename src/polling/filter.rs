//! Customer filter: decides which listed customers are polled.

use std::collections::HashSet;

use elements::types::CustomerId;
use wildmatch::WildMatch;

use crate::config::CustomerSettings;

/// `customers.include`, `customers.exclude` and `customers.list` of a partner.
#[derive(Debug)]
pub struct CustomerFilter {
    discover: bool,
    include: Vec<WildMatch>,
    exclude: Vec<WildMatch>,
    only: Vec<WildMatch>,
    list: HashSet<CustomerId>,
}

impl CustomerFilter {
    /// Builds the filter from the settings.
    #[must_use]
    pub fn new(settings: &CustomerSettings) -> Self {
        let globs = |texts: &[String]| texts.iter().map(|text| WildMatch::new_case_insensitive(text)).collect();
        Self {
            discover: settings.discover,
            include: globs(&settings.include),
            exclude: globs(&settings.exclude),
            only: globs(&settings.only),
            list: settings.list.iter().map(|listed| listed.id.clone()).collect(),
        }
    }

    /// Whether the customer is polled. A customer of `list` always is: its own entry wins over a pattern.
    #[must_use]
    pub fn matches(&self, id: &CustomerId, name: Option<&str>) -> bool {
        let fits = |glob: &WildMatch| glob.matches(id.as_str()) || name.is_some_and(|name| glob.matches(name));
        self.list.contains(id)
            || self.discover
                && self.include.iter().any(fits)
                && !self.exclude.iter().any(fits)
                && (self.only.is_empty() || self.only.iter().any(fits))
    }

    /// Whether the customer is in `list`.
    #[must_use]
    pub fn lists(&self, id: &CustomerId) -> bool {
        self.list.contains(id)
    }

    /// The ids of `list`.
    pub fn listed(&self) -> impl Iterator<Item = &CustomerId> {
        self.list.iter()
    }

    /// Whether the listing requests all customers, or only those of `list`.
    #[must_use]
    pub fn discovers(&self) -> bool {
        self.discover
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CustomerEntry;

    fn settings(include: &[&str], exclude: &[&str]) -> CustomerSettings {
        let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        CustomerSettings {
            discover: true,
            include: texts(include),
            exclude: texts(exclude),
            only: vec![],
            list: vec![CustomerEntry { id: "listed".into(), name: None, labels: vec![] }],
            max: 1000,
        }
    }

    fn matches(settings: &CustomerSettings, id: &str, name: &str) -> bool {
        CustomerFilter::new(settings).matches(&id.into(), Some(name))
    }

    #[test]
    fn globs_are_matched_with_id_or_name_in_any_case() {
        let all = settings(&["*"], &["*test*", "1c1?"]);
        assert!(matches(&all, "a", "Contoso"));
        assert!(!matches(&all, "a", "Contoso TEST"));
        assert!(!matches(&all, "1C10", "Contoso"));
        assert!(matches(&all, "listed", "test"), "an entry of the list is more than a pattern");
        let some = settings(&["con*", "x"], &[]);
        assert!(matches(&some, "a", "Contoso") && matches(&some, "x", "y") && !matches(&some, "a", "Fabrikam"));
        let only = CustomerSettings { only: vec!["fab*".to_owned()], ..all.clone() };
        assert!(matches(&only, "a", "Fabrikam") && !matches(&only, "a", "Contoso"));
        assert!(!matches(&CustomerSettings { discover: false, ..all }, "a", "Contoso"));
    }
}
