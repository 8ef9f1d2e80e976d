//! Optional collectors: their requests, and scopes that are not granted.

use super::server::{say, token};
use super::*;
use crate::types::{Collector, FailureReason, JobStatus};

const JOBS: &str =
    r#"{"data": [{"jobType": 0, "jobModule": 0}, {"jobType": 1, "jobModule": 2, "name": "Daily", "status": 3}]}"#;

/// A server that grants the scopes that contain this, with a token for each.
async fn granting(scope: &'static str, api: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Server {
    Server::start(move |seen| match seen.path() {
        "/connect/token" if seen.body.contains(scope) => token(seen.before + 1),
        "/connect/token" => say(400, r#"{"error": "invalid_scope"}"#),
        _ => api(seen),
    })
    .await
}

#[tokio::test]
async fn each_optional_endpoint_has_its_request_and_token() {
    let server = granting("elements.", |seen| match seen.path() {
        path if path.ends_with("/overview") => say(200, "[]"),
        _ => say(200, JOBS),
    })
    .await;
    let client = client(&settings(&server));
    let Ok(Observation::BackupJobs(jobs)) = ask(&client, Query::BackupJobs).await else { panic!("no jobs") };
    assert_eq!(jobs.iter().map(|job| job.status).collect::<Vec<_>>(), [Some(JobStatus::Failed)]);
    assert_eq!(ask(&client, Query::BackupOverview).await, Ok(Observation::BackupOverview([].into())));
    let seen = server.seen();
    let calls: Vec<_> = seen.iter().filter(|seen| seen.path() != "/connect/token").collect();
    let base = "/partner/external/v3/general/customers/some%20customer%2F1";
    let lines: Vec<_> = calls.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    assert_eq!(
        lines,
        [
            format!("POST {base}/avpt-products/jobs/batch?pageIndex=1&pageSize=100"),
            format!("GET {base}/cloud-backup-m365/overview?pageIndex=1&pageSize=100"),
        ]
    );
    assert_ne!(calls[0].token(), calls[1].token());
    let scopes = seen.iter().filter(|seen| seen.path() == "/connect/token").map(|seen| {
        let fields = url::form_urlencoded::parse(seen.body.as_bytes());
        fields.into_owned().find(|(name, _)| name == "scope").unwrap().1
    });
    let permissions = ["elements.license.read.all", "elements.jobs.read.all", "elements.cbprotected.read.all"];
    assert_eq!(scopes.collect::<Vec<_>>(), permissions);
}

#[tokio::test]
async fn a_scope_that_is_not_granted_affects_no_other_scope() {
    let server = granting("elements.license", |_| say(200, SEATS_BODY)).await;
    let client = client(&settings(&server));
    let failure = failure(ask(&client, Query::BackupJobs).await);
    assert!(failure.not_granted && failure.reason == FailureReason::Forbidden, "{failure:?}");
    assert!(client.check_scope(Collector::BackupJobs).await.unwrap_err().not_granted);
    assert!(ask(&client, SEATS).await.is_ok());
    assert!(client.check_scope(Collector::TenantSeats).await.is_ok());
    let status = client.status();
    assert!(status.failure.is_none() && !status.refused && !client.is_paused(), "{status:?}");
    assert_eq!(requests(&client, "token"), Some(2.0), "the refusal is remembered");
    assert_eq!(requests(&client, "backup_jobs"), None);
}

#[tokio::test]
async fn without_the_licences_the_scope_is_refused_not_missing() {
    let server = granting("nothing", |_| say(200, SEATS_BODY)).await;
    let client = client(&settings(&server));
    let failure = failure(ask(&client, SEATS).await);
    assert!(!failure.not_granted && failure.reason == FailureReason::Forbidden, "{failure:?}");
    assert!(client.status().refused);
}

#[tokio::test]
async fn a_collector_has_metrics_once_it_begins() {
    let server = granting("elements.", |_| say(200, "{}")).await;
    let client = client(&settings(&server));
    let tokens = |client: &Client| metric(client, "avepoint_auth_token_requests_total", &[("scope", "jobs")]);
    let unreadable = |client: &Client| metric(client, "avepoint_unreadable_values_total", &[("field", "jobDuration")]);
    assert_eq!((requests(&client, "backup_jobs"), tokens(&client), unreadable(&client)), (None, None, None));
    client.init_collectors([Collector::BackupJobs].into_iter());
    assert_eq!(
        (requests(&client, "backup_jobs"), tokens(&client), unreadable(&client)),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    assert_eq!(requests(&client, "backup_overview"), None);
}
