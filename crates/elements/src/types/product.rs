//! AvePoint's products, and the mapping from service names to products.

use super::TenantType;

/// `productType` of `products_available` and `products_purchased`. New releases add numbers: an unknown number is valid
/// data, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductType(pub u64);

/// Number, name, and the other names that service lists use for the product.
const PRODUCTS: &[(u64, &str, &[&str])] = &[
    (1, "DocAve Online", &[]),
    (4, "Cloud Governance", &[]),
    (32, "Cloud Backup for Salesforce", &[]),
    (40, "Baseline management", &[]),
    (41, "Risk management", &[]),
    (42, "Workspace management", &[]),
    (49, "User management", &["User and device management"]),
    (60, "MyHub", &[]),
    (65, "WorkSpace management - storage optimization", &[]),
    (257, "TyGraph", &[]),
    (2048, "Cloud Backup for Microsoft 365", &["Cloud Backup for Office 365"]),
    (4096, "Cloud Management", &[]),
    (8192, "Cloud Archiving", &[]),
    (65536, "Opus", &[]),
    (131_072, "Cloud Backup for Dynamics 365", &[]),
    (4_194_304, "Insights", &[]),
    (8_388_608, "Policies for Microsoft 365", &[]),
    (16_777_216, "Fly", &[]),
    (33_554_432, "Cloud Backup for Google Workspace", &[]),
    (67_108_864, "Cense", &[]),
    (134_217_728, "Enpower", &[]),
    (1_073_741_824, "Cloud Backup for IaaS + PaaS", &[]),
];

impl ProductType {
    /// Cloud Backup for Microsoft 365, the only product in the documentation of `products_available`.
    pub const CLOUD_BACKUP_M365: Self = Self(2048);

    /// Every product that has a name.
    pub fn named() -> impl Iterator<Item = Self> {
        PRODUCTS.iter().map(|&(number, ..)| Self(number))
    }

    /// The label `product`: the name, or `unknown` for a new number.
    #[must_use]
    pub fn name(self) -> &'static str {
        PRODUCTS.iter().find(|&&(number, ..)| number == self.0).map_or("unknown", |&(_, name, _)| name)
    }
}

/// What the service name (`products[].service` of `services`) implies about which queries are useful.
///
/// Accurate enough to plan requests, but not to join values on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// The product whose name is the longest prefix of the service name, ignoring case and ending at a word boundary.
    pub product: Option<ProductType>,
    /// The kind of tenant that the service protects.
    pub tenant_type: Option<TenantType>,
    /// Whether it is a backup.
    pub is_backup: bool,
}

impl ServiceInfo {
    /// Parses a service name.
    #[must_use]
    pub fn parse(service: &str) -> Self {
        let product = PRODUCTS
            .iter()
            .flat_map(|&(number, name, aliases)| aliases.iter().copied().chain([name]).map(move |name| (number, name)))
            .filter(|&(_, name)| starts_with_words(service.trim_start(), name))
            .max_by_key(|&(_, name)| name.len())
            .map(|(number, _)| ProductType(number));
        let tenant_type = match product {
            Some(ProductType(32)) => Some(TenantType::Salesforce),
            Some(ProductType(33_554_432)) => Some(TenantType::Google),
            Some(ProductType(131_072)) => Some(TenantType::Dynamics365),
            Some(ProductType(1_073_741_824)) => None,
            _ => Some(TenantType::Microsoft365),
        };
        // Some backups have no number, such as "Cloud Backup for Exchange Online & OneDrive".
        Self { product, tenant_type, is_backup: starts_with_words(service.trim_start(), "Cloud Backup") }
    }
}

/// Whether `text` starts with `words`, ignoring ASCII case, and the match ends at a word boundary.
fn starts_with_words(text: &str, words: &str) -> bool {
    text.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words))
        && !text[words.len()..].starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_belongs_to_the_product_whose_name_it_starts_with() {
        for (service, product) in [
            ("Cloud Backup for IaaS + PaaS - Unit", Some(1_073_741_824)),
            ("Cloud Backup for Microsoft 365 - Power Platform", Some(2048)),
            ("cloud backup for office 365", Some(2048)),
            ("Fly Migration to Google", Some(16_777_216)),
            ("Fly Aviator", Some(16_777_216)),
            ("Flypaper", None),
            ("tyGraph - Copilot", Some(257)),
            ("EnPower", Some(134_217_728)),
            ("Insights for Microsoft 365", Some(4_194_304)),
            ("Opus - Information Lifecycle for Microsoft 365", Some(65536)),
            ("User and device management", Some(49)),
            ("Workspace management", Some(42)),
            ("Workspace Management - Storage Optimization for all", Some(65)),
            ("Żółw", None),
            ("", None),
        ] {
            assert_eq!(ServiceInfo::parse(service).product, product.map(ProductType), "{service}");
        }
    }

    #[test]
    fn products_imply_the_kind_of_tenant() {
        for (service, tenant_type) in [
            ("Cloud Backup for Salesforce", Some(TenantType::Salesforce)),
            ("Cloud Backup for Google Workspace - x", Some(TenantType::Google)),
            ("Cloud Backup for Dynamics 365", Some(TenantType::Dynamics365)),
            ("Cloud Backup for IaaS + PaaS", None),
            ("Cloud Governance", Some(TenantType::Microsoft365)),
            ("Something new", Some(TenantType::Microsoft365)),
        ] {
            assert_eq!(ServiceInfo::parse(service).tenant_type, tenant_type, "{service}");
        }
    }

    #[test]
    fn backups_are_known_by_their_name() {
        for (service, is_backup) in [
            ("cloud backup for Salesforce", true),
            ("Cloud Backup for Exchange Online & OneDrive", true),
            ("Cloud Backup Express", true),
            ("Cloud Backups", false),
            ("Cloud Archiving", false),
        ] {
            assert_eq!(ServiceInfo::parse(service).is_backup, is_backup, "{service}");
        }
    }
}
