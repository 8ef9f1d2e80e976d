//! Tests of the client against a server on the loopback address.

mod connections;
mod listing;
mod optional;
mod queries;
mod server;
mod throttling;
mod tls;
mod tokens;
mod tolerance;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricType;

use crate::clock::Clock;
use crate::config::{Budget, ClientConfig, Credential, CredentialSource};
use crate::types::Scope;
use crate::types::{Observation, Query, TenantType};
use crate::{Client, QueryError, Registrations, RequestError};
use server::{Say, Seen, Server, token};

const SECRET: &str = "hunter2-secret";

/// A client for `server` with a budget that does not limit the tests.
fn settings(server: &Server) -> ClientConfig {
    ClientConfig {
        partner: "main".into(),
        api_url: server.url.clone(),
        token_url: server.url.join("/connect/token").unwrap(),
        client_id: "the-app".to_owned(),
        credential: Credential::ClientSecret {
            secret: SECRET.into(),
            expires: Some("2027-03-01T00:00:00Z".parse().unwrap()),
        },
        credential_source: Arc::new(Fixed),
        budget: Budget { requests_per_second: 1000.0, burst: 100, concurrency: 8, timeout: Duration::from_secs(10) },
        proxy_url: None,
        extra_roots: Vec::new(),
    }
}

/// The source of a secret that never changes.
#[derive(Debug)]
struct Fixed;

impl CredentialSource for Fixed {
    fn may_rotate(&self) -> bool {
        false
    }

    fn read(&self) -> Result<Credential, Box<dyn Error + Send + Sync>> {
        Ok(Credential::ClientSecret { secret: SECRET.into(), expires: None })
    }
}

/// The same settings.
fn copy(settings: &ClientConfig) -> ClientConfig {
    ClientConfig {
        partner: settings.partner.clone(),
        api_url: settings.api_url.clone(),
        token_url: settings.token_url.clone(),
        client_id: settings.client_id.clone(),
        credential: settings.credential.clone(),
        credential_source: Arc::clone(&settings.credential_source),
        budget: settings.budget,
        proxy_url: settings.proxy_url.clone(),
        extra_roots: settings.extra_roots.clone(),
    }
}

fn client(settings: &ClientConfig) -> Client {
    Client::new(settings, Clock::start()).unwrap()
}

/// A server with an identity service that always grants a token, and an API.
async fn server(api: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Server {
    Server::start(move |seen| if seen.path() == "/connect/token" { token(seen.before + 1) } else { api(seen) }).await
}

const SEATS: Query = Query::CustomerSeats(TenantType::Salesforce);
const SEATS_BODY: &str = r#"{"type": 1, "availableUserSeat": 6, "assignedUserSeat": 14}"#;

async fn ask(client: &Client, query: Query) -> Result<Observation, QueryError> {
    let permit = client.acquire().await;
    client.query(&"some customer/1".into(), query, permit).await
}

fn failure(outcome: Result<Observation, QueryError>) -> RequestError {
    match outcome {
        Err(QueryError::Failed(failure)) => failure,
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
