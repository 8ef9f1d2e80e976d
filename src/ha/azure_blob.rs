//! The lease of a blob in Azure storage, by its shared access signature: the storage ends the lease when it has not been
//! renewed for `lease_duration` (15 to 60 s), and refuses writes that carry the id of a lease that has ended.

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{Method, StatusCode};

use super::{Backend, Holder, MAX_BODY};
use crate::config::{BlobSettings, HaSettings};
use crate::remote::{BlobClient, RemoteError, Response};

/// The metadata with the leader's identity, for the other replicas' pages.
const LEADER: &str = "x-ms-meta-leader";

/// The backend.
#[derive(Debug)]
pub(super) struct AzureBlob {
    client: BlobClient,
    identity: String,
    /// Seconds.
    lease_duration: String,
    /// The id of this process's lease: a GUID that no other process has.
    pub(super) lease_id: String,
    is_held: bool,
}

impl AzureBlob {
    pub(super) fn new(blob: &BlobSettings, settings: &HaSettings) -> Result<Self, RemoteError> {
        let id = format!("{:032x}", fastrand::u128(..));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| id.get(range).unwrap_or_default());
        Ok(Self {
            client: BlobClient::new(blob, settings.renew_deadline / 3, MAX_BODY)?,
            identity: settings.identity.clone(),
            lease_duration: settings.lease_duration.as_secs().to_string(),
            lease_id: parts.join("-"),
            is_held: false,
        })
    }

    async fn lease(&self, action: &str, headers: &[(&str, &str)]) -> Result<Response, RemoteError> {
        let headers = [&[("x-ms-lease-action", action)][..], headers].concat();
        self.client.request(Method::PUT, Some("lease"), &headers, Bytes::new()).await
    }
}

impl Backend for AzureBlob {
    async fn acquire_or_renew(&mut self, _: Timestamp) -> Result<Holder, RemoteError> {
        if self.is_held {
            let renewed = self.lease("renew", &[("x-ms-lease-id", &self.lease_id)]).await?;
            self.is_held = !is_conflict(&renewed);
            if self.is_held {
                return renewed.success().map(|_| Holder::Us);
            }
        }
        let terms = [("x-ms-lease-duration", &*self.lease_duration), ("x-ms-proposed-lease-id", &self.lease_id)];
        let acquired = self.lease("acquire", &terms).await?;
        if acquired.status == StatusCode::NOT_FOUND {
            // Creates an empty blob, unless another replica is faster.
            let headers = [("x-ms-blob-type", "BlockBlob"), ("if-none-match", "*")];
            let created = self.client.request(Method::PUT, None, &headers, Bytes::new()).await?;
            if !is_conflict(&created) {
                created.success()?;
            }
            return Ok(Holder::Unknown);
        }
        if is_conflict(&acquired) {
            let blob = self.client.request(Method::HEAD, None, &[], Bytes::new()).await?;
            return Ok(Holder::Other(blob.header(LEADER).unwrap_or("another replica").to_owned()));
        }
        acquired.success()?;
        self.is_held = true;
        let headers = [("x-ms-lease-id", &*self.lease_id), (LEADER, &self.identity)];
        self.client.request(Method::PUT, Some("metadata"), &headers, Bytes::new()).await?.success()?;
        Ok(Holder::Us)
    }

    async fn release(&mut self) -> Result<(), RemoteError> {
        if std::mem::take(&mut self.is_held) {
            let released = self.lease("release", &[("x-ms-lease-id", &self.lease_id)]).await?;
            // A lease that has ended already needs no release.
            return if is_conflict(&released) { Ok(()) } else { released.success().map(drop) };
        }
        Ok(())
    }
}

/// Another replica has the lease, or writes at the same moment.
fn is_conflict(response: &Response) -> bool {
    matches!(response.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
}
