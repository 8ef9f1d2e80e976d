//! `once --customer`: narrows the configuration to some customers.

use wildmatch::WildMatch;

use crate::config::{Config, CustomerEntry};

/// Keeps only customers whose id or name matches one of the globs; all of them without a glob.
pub(super) fn customers(config: &mut Config, globs: &[String]) {
    if globs.is_empty() {
        return;
    }
    let matchers: Vec<_> = globs.iter().map(|glob| WildMatch::new_case_insensitive(glob)).collect();
    let fits = |text: &str| matchers.iter().any(|glob| glob.matches(text));
    let are_ids = globs.iter().all(|glob| is_guid(glob));
    for partner in &mut config.partners {
        let customers = &mut partner.customers;
        customers.list.retain(|listed| fits(listed.id.as_str()) || listed.name.as_deref().is_some_and(fits));
        customers.only = globs.to_vec();
        // Ids are requested directly, without listing all customers.
        if are_ids && customers.discover {
            customers.discover = false;
            let is_listed =
                |id: &str, list: &[CustomerEntry]| list.iter().any(|known| known.id.as_str().eq_ignore_ascii_case(id));
            for id in globs.iter().filter(|id| !is_listed(id, &customers.list)).collect::<Vec<_>>() {
                customers.list.push(CustomerEntry { id: id.as_str().into(), name: None, labels: Vec::new() });
            }
        }
    }
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn narrowed(globs: &[&str]) -> Config {
        let yaml = "partners: [{ auth: { client_id: x, client_secret: s }, customers: { list: [{ id: a, name: Contoso, labels: { tier: gold } }, { id: b }] } }]";
        let mut config = Config::parse(yaml, Path::new("")).unwrap();
        customers(&mut config, &globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>());
        config
    }

    #[test]
    fn globs_narrow_the_list_and_what_is_discovered() {
        let config = narrowed(&["con*"]);
        let customers = &config.partners[0].customers;
        let ids: Vec<_> = customers.list.iter().map(|listed| listed.id.as_str()).collect();
        assert_eq!((customers.discover, &ids[..], &customers.only[..]), (true, &["a"][..], &["con*".to_owned()][..]));
        assert_eq!(narrowed(&[]).partners[0].customers.list.len(), 2);
    }

    #[test]
    fn ids_are_asked_for() {
        let config = narrowed(&["1c10525c-121b-4bbc-80a4-2e641bc13421"]);
        let customers = &config.partners[0].customers;
        assert_eq!((customers.discover, customers.list.len()), (false, 1));
    }
}
