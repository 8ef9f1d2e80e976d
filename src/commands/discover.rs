//! `discover`: lists the customers as YAML that can be pasted after a line `    customers:`.

use std::collections::{BTreeMap, HashSet};

use elements::clock::Clock;
use elements::types::ListedCustomer;
use elements::{Client, Registration, Registrations};
use serde::Serialize;

use super::{CommandError, output};
use crate::cli::DiscoverArgs;
use crate::config::{Config, PartnerSettings};
use crate::terminal::is_unsafe;
use crate::web::format::plural;

/// Words that YAML 1.1 parsers read as booleans, although YAML 1.2 does not.
const YAML_1_1_BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Entry<'_> {
    /// Writes a YAML list item that parses to the same value. Texts are quoted and escaped if they contain invisible or
    /// terminal control characters, or would be parsed as something else.
    fn to_yaml(&self) -> String {
        let plain = serde_yaml::to_string(&[self]).unwrap_or_default();
        let read: Option<Vec<BTreeMap<String, String>>> = serde_yaml::from_str(&plain).ok();
        let field = |name: &str| Some(read.as_ref()?.first()?.get(name)?.as_str());
        let is_text =
            |text: &str| !text.contains(is_unsafe) && !YAML_1_1_BOOLEANS.contains(&text.to_ascii_lowercase().as_str());
        let are_texts = is_text(self.id) && self.name.is_none_or(is_text);
        if are_texts && field("id") == Some(self.id) && field("name") == self.name {
            return plain;
        }
        let name = self.name.map(|name| format!("  name: {}\n", quoted(name)));
        format!("- id: {}\n{}", quoted(self.id), name.unwrap_or_default())
    }
}

/// A text in double quotes, in YAML syntax.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if c == '"' || c == '\\' {
            quoted.extend(['\\', c]);
        } else if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' {
            quoted.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(quoted, "\\U{:08X}", u32::from(c));
        }
    }
    quoted + "\""
}

pub(super) async fn run(args: &DiscoverArgs) -> Result<(), CommandError> {
    let mut config = Config::load(&args.config.config_file)?;
    super::select_partners(&mut config, &args.partner)?;
    let (mut failures, mut registrations) = (Vec::new(), Registrations::default());
    for settings in &config.partners {
        let mut customers =
            match customers(settings, registrations.get(settings.registration_key(), settings.budget), Clock::start())
                .await
            {
                Ok(customers) => customers,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
        customers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        let count = plural(customers.len() as u64, "customer");
        output::print(&format!("      # partner {}: {count}\n{}", settings.name, list(&customers)));
    }
    CommandError::of_partners(&failures)
}

/// `list:` and its entries, as they stand below `    customers:`.
fn list(customers: &[ListedCustomer]) -> String {
    if customers.is_empty() {
        return "      list: []\n".to_owned();
    }
    let mut yaml = "      list:\n".to_owned();
    for customer in customers {
        let entry = Entry { id: customer.id.as_str(), name: customer.name.as_deref() };
        for line in entry.to_yaml().lines() {
            yaml.extend(["        ", line, "\n"]);
        }
    }
    yaml
}

/// All customers that the app registration of a partner can see, or the failure with the partner's name.
pub(super) async fn customers(
    settings: &PartnerSettings,
    registration: Registration,
    clock: Clock,
) -> Result<Vec<ListedCustomer>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("partner {}: {error}", settings.name);
    let config = settings.client_config().map_err(|error| failed(&error))?;
    let client = Client::sharing(&config, registration, clock).map_err(|error| failed(&error))?;
    let mut listing = client.listing(None);
    let mut customers = Vec::new();
    let mut seen = HashSet::new();
    while let Some(page) = listing.next_page(None).await.map_err(|failure| failed(&failure))? {
        // A customer may have several rows.
        customers.extend(page.into_iter().filter(|customer| seen.insert(customer.id.clone())));
    }
    Ok(customers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(yaml: &str) -> Vec<BTreeMap<String, String>> {
        serde_yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml:?}"))
    }

    #[test]
    fn a_name_is_plain_where_it_can_be() {
        assert_eq!(Entry { id: "1c10525c", name: Some("Contoso") }.to_yaml(), "- id: 1c10525c\n  name: Contoso\n");
        let separated = Entry { id: "5", name: Some("a\u{2028}b: \"ö\"") }.to_yaml();
        assert_eq!(Entry { id: "5", name: Some("No") }.to_yaml(), "- id: \"5\"\n  name: \"No\"\n");
        let reversed = Entry { id: "5", name: Some("a\u{202e}b\u{9b}c") }.to_yaml();
        assert_eq!(reversed, "- id: \"5\"\n  name: \"a\\U0000202Eb\\U0000009Bc\"\n");
        assert_eq!(separated, "- id: \"5\"\n  name: \"a\\U00002028b: \\\"ö\\\"\"\n");
    }

    proptest! {
        #[test]
        fn whatever_the_name_the_list_is_read_again(id in any_text(), name in prop::option::of(any_text())) {
            let entry = Entry { id: &id, name: name.as_deref() };
            let list = read(&format!("{}{}", entry.to_yaml(), Entry { id: "next", name: None }.to_yaml()));
            prop_assert_eq!(list.len(), 2);
            prop_assert_eq!(list[0].get("id"), Some(&id));
            prop_assert_eq!(list[0].get("name"), name.as_ref());
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[\\u{2028}\\u{2029}\\u{85}\\u{feff}\\u{7f}\\u{fffe}\\r\\n\\t'\":#&*!| -]{1,6}",
            "[a-z0-9.~-]{1,8}"
        ]
    }
}
