//! Tests of the client against a server on the loopback address.

mod connections;
mod listing;
mod optional;
mod questions;
mod server;
mod throttling;
mod tls;
mod tokens;
mod tolerance;

use std::time::Duration;

use prometheus::proto::MetricType;
use server::{Say, Seen, Server, token};

use crate::clock::Clock;
use crate::config::{BudgetSettings, Credential, CustomerSettings, PartnerSettings, SecretSource};
use crate::domain::Scope;
use crate::domain::{Answer, Question, TenantType};
use crate::elements::{AskError, Client, Failure, Registrations};

const SECRET: &str = "hunter2-secret";

/// A client for `server` with a budget that does not limit the tests.
fn settings(server: &Server) -> PartnerSettings {
    PartnerSettings {
        name: "main".into(),
        api_url: server.url.clone(),
        token_url: server.url.join("/connect/token").unwrap(),
        client_id: "the-app".to_owned(),
        credential: Credential::ClientSecret {
            source: SecretSource::Value(SECRET.into()),
            secret: SECRET.into(),
            expires: Some("2027-03-01T00:00:00Z".parse().unwrap()),
        },
        budget: BudgetSettings {
            requests_per_second: 1000.0,
            burst: 100,
            concurrency: 8,
            timeout: Duration::from_secs(10),
        },
        proxy_url: None,
        ca_file: None,
        customers: CustomerSettings { discover: true, include: vec![], exclude: vec![], list: vec![], max: 200_000 },
    }
}

/// The same settings, with a secret.
fn copy(settings: &PartnerSettings) -> PartnerSettings {
    let Credential::ClientSecret { secret, source, expires } = &settings.credential else { panic!("a secret") };
    PartnerSettings {
        name: settings.name.clone(),
        api_url: settings.api_url.clone(),
        token_url: settings.token_url.clone(),
        client_id: settings.client_id.clone(),
        credential: Credential::ClientSecret { secret: secret.clone(), source: source.clone(), expires: *expires },
        budget: settings.budget,
        proxy_url: settings.proxy_url.clone(),
        ca_file: settings.ca_file.clone(),
        customers: settings.customers.clone(),
    }
}

fn client(settings: &PartnerSettings) -> Client {
    Client::new(settings, Clock::start()).unwrap()
}

/// A server with an identity service that always grants a token, and an API.
async fn server(api: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Server {
    Server::start(move |seen| if seen.path() == "/connect/token" { token(seen.before + 1) } else { api(seen) }).await
}

const SEATS: Question = Question::CustomerSeats(TenantType::Salesforce);
const SEATS_BODY: &str = r#"{"type": 1, "availableUserSeat": 6, "assignedUserSeat": 14}"#;

async fn ask(client: &Client, question: Question) -> Result<Answer, AskError> {
    let admission = client.acquire().await;
    client.ask(&"some customer/1".into(), question, admission).await
}

fn failure(outcome: Result<Answer, AskError>) -> Failure {
    match outcome {
        Err(AskError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// The value of a series, by name and all labels except `partner`.
fn metric(client: &Client, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let families = client.gather();
    let family = families.iter().find(|family| family.name() == name)?;
    let metric = family.get_metric().iter().find(|metric| {
        labels
            .iter()
            .all(|(key, value)| metric.get_label().iter().any(|label| label.name() == *key && label.value() == *value))
    })?;
    assert!(metric.get_label().iter().any(|label| label.name() == "partner" && label.value() == "main"));
    Some(match family.get_field_type() {
        MetricType::COUNTER => metric.get_counter().get_value(),
        MetricType::HISTOGRAM => metric.get_histogram().get_sample_count() as f64,
        _ => metric.get_gauge().get_value(),
    })
}

fn requests(client: &Client, operation: &str) -> Option<f64> {
    metric(client, "avepoint_api_requests_total", &[("operation", operation)])
}

fn failures(client: &Client, operation: &str, reason: &str) -> Option<f64> {
    metric(client, "avepoint_api_request_failures_total", &[("operation", operation), ("reason", reason)])
}
