//! The words that AvePoint uses in the values of enumerations. A word that is not among them may be a customer's own.

/// Words of service names, models, storages, retentions, sources, payment types and packages, in lower case.
const WORDS: &str = "
    a action active add advanced all amazon and annual api archiving as assigned audit automation aviator avepoint
    aws azure backup baseline basic bi blob bring bundle business byos capacity cense classic cloud compliance
    confidence connectors consumption content copilot core custom customer data day days default device directory
    docave dropbox dynamics edu education elements embedded enpower enterprise entra essential essentials exchange
    express files flex fly for free from full gcp gmail go google governance government groups guest iaas ibm id in
    infinite information insights item keep license licenses life lifecycle limited machine management mailbox
    mapping maestro microsoft migration monitoring month monthly months move ms msp myhub nonprofit none object of
    office on one onedrive online optimization optional opus or organization organizations own paas paid partner pay
    per perpetual plan planner platform plus policies policy pooled portal postpaid power premium prepaid pro
    product project protection public ransomware recovery records reporting retain retention risk s3 salesforce
    search seat seats security server service services sharepoint site sites size slack sql standard starter storage
    store subscription subscriptions suite teams the tier to transaction trial tygraph ultimate unit units unlimited
    usage user users vm with workspace year yearly years you your gb kb mb pb tb
";

/// Whether AvePoint is known to use the word, in any letter case. Numbers of up to four digits count.
pub(super) fn is_known(word: &str) -> bool {
    if word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    WORDS.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ProductType;

    #[test]
    fn every_product_and_every_value_seen_is_made_of_known_words() {
        let products: Vec<&str> = ProductType::named().map(ProductType::name).collect();
        let seen = [
            "Enterprise",
            "1 GB/User/Year",
            "Action and store",
            "Unlimited organizations",
            "Unlimited users",
            "AvePoint storage (Microsoft Azure Blob)",
            "Bring your own storage",
            "Unlimited retention",
            "Retain data for 1 month",
            "Retain data for 1 years",
            "AvePoint pooled subscription",
            "Pay as you go",
            "Cloud Backup for IaaS + PaaS - Unit",
            "Fly Migration to Google",
            "Cloud Backup Express",
            "Opus - Information Lifecycle for Microsoft 365",
            "Azure security management",
            "Cloud Backup for Exchange Online & OneDrive",
            "User and device management",
            "Power BI Embedded",
        ];
        for word in products.iter().chain(&seen).flat_map(|text| text.split(|c: char| !c.is_alphanumeric())) {
            assert!(word.is_empty() || is_known(word), "{word}");
        }
        assert!(!is_known("contoso") && !is_known("12345"));
    }
}
