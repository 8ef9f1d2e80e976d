//! The JSON API of the status page, and the document of `once --format json`. docs/api.md describes every field.
//!
//! A missing value is `null`, never 0. An unlimited quantity is the string `"unlimited"`. Times are RFC 3339 in UTC.
//! Fields may be added; existing fields keep their meaning.
//!
//! `GET /api/v1/customers`: customers in the order of the page, the most severe first. Parameters:
//! `q` (part of a name or id), `partner`, `state` (an [`issue`](super::issue::Issue) or `ok`), `page` (from 1),
//! `per_page` (1 to 1000, default 50). An invalid parameter gets status 400 and `{"error": "..."}`.
//!
//! ```text
//! {"total": 213, "page": 1, "pages": 5, "per_page": 50, "customers": [{
//!   "partner": "main", "customer_id": "1c10...", "customer_name": "Contoso", "labels": {"tier": "gold"},
//!   "muted": false, "severity": "warning" | null, "findings": ["exhausted", "expiring"],
//!   "tightest": {"kind": "subscription_seats" | "capacity", "name": "Cloud Governance",
//!                "used": 14, "total": 14, "utilization": 1.0} | null,
//!   "expires": "2027-03-14T00:00:00Z" | null, "expires_service": "Cloud Governance" | null,
//!   "oldest_data": "2027-01-15T08:00:00Z" | null,
//!   "seats": [{"tenant_type": "microsoft365", "tenant_id": "..." | null (all tenants), "tenant_name": null,
//!              "assigned": 14, "available": 0, "utilization": 1.0, "seen": "...", "stale": false}],
//!   "products": [{"product_type": 2048, "product": "Cloud Backup for Microsoft 365", "purchased": 20,
//!                 "available": null, "seen": "...", "stale": false}],
//!   "profile": {"job_status": "failed", "country": "Germany" | null, "management_mode": "partner" | null,
//!               "seen": "...", "stale": false},
//!   "backup_jobs": [{"job_type": 1, "job_module": 2, "plan": "Daily", "status": "finished", "successful": 120,
//!                    "failed": 0, "skipped": 0, "warning": null, "duration_seconds": 4410, "ended": "...",
//!                    "size_bytes": 1024, "seen": "...", "stale": false}],
//!   "backup_overview": [{"service_type": 1, "service_module": 2, "scanned": 120, "protected": 118, "coverage": 0.98,
//!                        "stored_avepoint_bytes": 1024, "stored_own_bytes": null, "seen": "...", "stale": false}],
//!   "services": [{"service_name": "Cloud Governance", "rows": 2, "rows_running": 1, "seats_purchased": 14,
//!                 "licenses_assigned": 14, "headroom": 0.0 | null, "utilization": 1.0 | null,
//!                 "capacity_purchased_bytes": null, "capacity_protected_bytes": null, "capacity_utilization": null,
//!                 "expired": null, "unused_until": null,
//!                 "issues": [{"issue": "exhausted", "severity": "warning", "alert": "AvePointSeatsExhausted"}]}],
//!   "subscriptions": [{"subscription_id": "13476eca0b08", "service_name": "...", "subscription_model": "", ...,
//!                      "seats_purchased": "unlimited", "capacity_used_bytes": null, ..., "seats_change": -2,
//!                      "expires": null, "expiry": "expired" | "expiring" | null, "expiry_severity": null,
//!                      "contract_ends": null, "seen": "...", "stale": false}],
//!   "targets": [{"collector": "tenant_seats", "about": "microsoft365", "condition": "failing",
//!                "last_success": null, "last_poll": "...", "failure": "timeout"}]}]}
//! ```
//!
//! Fields of an optional collector exist only while it is enabled.
//!
//! `GET /api/v1/status`: the exporter and its partners.
//!
//! ```text
//! {"version": "0.1.0", "revision": "...", "simulated": false, "role": "leader" | "standby" | "paused",
//!  "leader": "pod-1" | null, "now": "...", "ready": true, "series": 1234, "customers": 213,
//!  "partners": [{"partner": "main", "ready": true, "state": "ready", "customers": 213, "lists": true,
//!    "last_listing": "..." | null, "listing_failure": "connect" | null, "left_out": 0,
//!    "targets": {"fresh": 400, "stale": 0, "failing": 2, "pending": 11, "absent": 13, "not_granted": 0},
//!    "collectors": {"services": {"fresh": 1, ...}, ...}, "failures": {"timeout": 2},
//!    "not_granted": [{"collector": "backup_jobs", "permission": "elements.jobs.read.all"}]}]}
//! ```
//!
//! `GET /api/v1/customers.csv`: the services of the same customers on one page: see [`super::csv`].

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::customer_json::CustomerJson;
use super::query::CustomerQuery;
use super::routes::RenderedPage;
use super::snapshot::{CustomerList, PageSnapshot};
use super::status::ExporterStatus;

/// The body of `/api/v1/customers`.
#[derive(Debug, Serialize)]
struct CustomersJson {
    total: usize,
    page: usize,
    pages: usize,
    per_page: usize,
    customers: Vec<CustomerJson>,
}

/// The body of `/api/v1/customers` for a query.
#[must_use]
pub(super) fn customers(snapshot: &PageSnapshot, query: &CustomerQuery) -> RenderedPage {
    let CustomerList { rows, total, .. } = snapshot.list(query);
    let customers = rows.iter().map(|row| CustomerJson::new(row, snapshot.now)).collect();
    let CustomerQuery { page, per_page, .. } = *query;
    json(&CustomersJson { total, page, pages: query.pages(total), per_page, customers })
}

/// Status and all customers in one document, as `once --format json` prints it.
pub fn document(snapshot: &PageSnapshot) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a> {
        status: &'a ExporterStatus,
        customers: Vec<CustomerJson>,
    }
    let all = snapshot.list(&CustomerQuery { per_page: usize::MAX, ..CustomerQuery::default() });
    let customers = all.rows.iter().map(|row| CustomerJson::new(row, snapshot.now)).collect();
    Ok(serde_json::to_string_pretty(&Document { status: &snapshot.status, customers })? + "\n")
}

/// The body of `/api/v1/status`.
#[must_use]
pub(super) fn status(snapshot: &PageSnapshot) -> RenderedPage {
    json(&snapshot.status)
}

fn json(value: &impl Serialize) -> RenderedPage {
    let made = serde_json::to_vec(value).map(|text| (StatusCode::OK, text));
    let (status, text) = made.unwrap_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()));
    RenderedPage::new(status, "application/json", text)
}

/// A response with status 400.
#[must_use]
pub fn bad_request(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(serde_json::json!({ "error": error }))).into_response()
}
