//! Tests of the simulator with an HTTP client.

mod endpoints;
mod faults;
mod identity;
mod listing;

use elements::types::{Collector, ProductType, TenantType};
use jiff::civil::{Date, date};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use url::form_urlencoded;

use super::path::BASE_PATH;
use super::*;

/// The scope of the licences.
const LICENSE_SCOPE: &str = "elements.license.read.all";

const TODAY: Date = date(2026, 2, 10);
const M365: TenantType = TenantType::Microsoft365;

/// A client with its own simulator.
struct Api {
    http: Client,
    simulator: Simulator,
    token: String,
}

impl Api {
    async fn start(settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().build().unwrap();
        let simulator = Simulator::on_loopback(settings).await.unwrap();
        let mut api = Self { http, simulator, token: String::new() };
        api.token = api.new_token(Settings::CLIENT).await;
        api.simulator.reset_requests();
        api
    }

    async fn new_token(&self, (client_id, secret): (&str, &str)) -> String {
        let response = self.ask_token(&credentials(client_id, secret)).await;
        assert_eq!(response.status(), 200);
        json(response).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn ask_token(&self, fields: &[(&str, &str)]) -> Response {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(self.simulator.token_url()).body(form);
        request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{BASE_PATH}{path}", self.simulator.api_url()));
        request.bearer_auth(&self.token).header("content-type", "application/json")
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str, body: &'static str) -> RequestBuilder {
        self.request(Method::POST, path).body(body)
    }

    fn services(&self, query: &str) -> RequestBuilder {
        self.post(&format!("/customers/services/batch{query}"), "{}")
    }
}

fn credentials<'a>(client_id: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", LICENSE_SCOPE),
    ]
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn body(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    json(response).await
}

/// A customer written by hand.
fn customer(id: &str) -> SimCustomer {
    let mut customer = SimCustomer::new(id.to_owned(), format!("Company {id}"));
    customer.tenants = vec![
        SimTenant::new(M365, format!("{id}-1"), "First", 1400, 600),
        SimTenant::new(M365, format!("{id}-2"), "Second", 5, 0),
    ];
    customer.purchased = [(ProductType::CLOUD_BACKUP_M365, 2000)].into();
    customer.available = [(ProductType::CLOUD_BACKUP_M365, 2000)].into();
    customer.rows = vec![SimRow {
        purchased_user_seats: WireValue::grouped(2000),
        package: None,
        ..SimRow::new("Cloud Backup for Microsoft 365")
    }];
    customer
}

fn by_hand(ids: &[&str]) -> Settings {
    let dataset =
        Dataset { customers: ids.iter().map(|id| customer(id)).collect(), out_of_scope: ["hidden".to_owned()].into() };
    let (client_id, secret) = Settings::CLIENT;
    Settings::new(vec![Registration::with_secret("by-hand", client_id, secret, dataset)])
}
