//! The state in a blob of Azure storage: always read and replaced as a whole, with the content of a state file.
//!
//! Every write is conditional. If the blob is the leased one, the storage refuses a write that does not carry the id of
//! the current lease, so that a late write of an earlier leader changes nothing. Otherwise it refuses a write if the
//! blob is not what was read or written last (`If-Match`). All functions block on the network; each request has a
//! deadline.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use tokio::runtime::Handle;

use crate::app::leader::{LeasedBlob, SharedState};
use crate::config::BlobSettings;
use crate::inventory::state_file::{DecodeError, State};
use crate::remote::{BlobClient, RemoteError, Response};

const TIMEOUT: Duration = Duration::from_mins(2);
/// Maximum bytes. 200,000 customers take a tenth of it.
const MAX_BLOB: usize = 512 << 20;
/// Reading at the start is attempted this many times, with a pause.
const ATTEMPTS: usize = 3;
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The metadata with the process that wrote the blob, to recognize a write whose response was lost.
const WRITER: &str = "x-ms-meta-writer";
const LEADER: &str = "x-ms-meta-leader";

/// The state blob of this process.
#[derive(Debug)]
pub(super) struct StateBlob {
    path: String,
    client: BlobClient,
    runtime: Handle,
    is_shared: bool,
    lease: Option<LeasedBlob>,
    version: Version,
    /// A random id of this process.
    writer: String,
}

/// The version of the blob that this process last saw.
#[derive(Debug)]
enum Version {
    Unknown,
    Absent,
    ETag(String),
}

impl Version {
    fn of(response: &Response) -> Self {
        response.header("etag").map_or(Self::Unknown, |etag| Self::ETag(etag.to_owned()))
    }
}

impl StateBlob {
    pub(super) fn new(blob: &BlobSettings, shared_state: Option<SharedState>) -> io::Result<Self> {
        Ok(Self {
            path: blob.address.path().to_owned(),
            client: BlobClient::new(blob, TIMEOUT, MAX_BLOB).map_err(io::Error::other)?,
            runtime: Handle::current(),
            is_shared: shared_state.is_some(),
            lease: shared_state.and_then(|shared_state| shared_state.lease),
            version: Version::Unknown,
            writer: format!("{:032x}", fastrand::u128(..)),
        })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Reads the state; `None` if there is no blob, or an empty one that the election has created.
    pub(super) fn read(&mut self) -> io::Result<Option<Result<State, DecodeError>>> {
        let get = async {
            let mut attempt = 1;
            loop {
                match self.client.request(Method::GET, None, &[], Bytes::new()).await {
                    Err(_) if attempt < ATTEMPTS => tokio::time::sleep(RETRY_DELAY).await,
                    result => return result,
                }
                attempt += 1;
            }
        };
        let response = self.wait(get)?;
        if response.status == StatusCode::NOT_FOUND {
            self.version = Version::Absent;
            return Ok(None);
        }
        let response = response.success().map_err(io::Error::other)?;
        self.version = Version::of(&response);
        if response.body.is_empty() {
            return Ok(None);
        }
        State::read(&mut &*response.body, response.body.len() as u64).map(Some)
    }

    /// Replaces the state.
    pub(super) fn write(&mut self, state: &State) -> io::Result<()> {
        if self.lease.is_none() && matches!(self.version, Version::Unknown) {
            self.version = self.current()?.0;
        }
        let body = Bytes::from(state.encode());
        let mut headers = vec![("x-ms-blob-type", "BlockBlob"), ("content-type", "application/gzip")];
        headers.push((WRITER, &self.writer));
        match (&self.lease, &self.version) {
            (Some(LeasedBlob { lease_id, identity }), _) => {
                headers.extend([("x-ms-lease-id", &**lease_id), (LEADER, identity)]);
            }
            (None, Version::ETag(etag)) => headers.push(("if-match", etag)),
            (None, Version::Absent | Version::Unknown) => headers.push(("if-none-match", "*")),
        }
        let response = self.wait(self.client.request(Method::PUT, None, &headers, body))?;
        if matches!(response.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED) {
            return Err(self.conflict());
        }
        let response = response.success().map_err(io::Error::other)?;
        self.version = Version::of(&response);
        Ok(())
    }

    /// Why a write was refused. The next one will succeed if the blob is this process's own (the response was lost), or if
    /// it was an earlier leader's last one.
    fn conflict(&mut self) -> io::Error {
        let Ok((version, writer)) = self.current() else {
            return io::Error::other("the blob was written by another process");
        };
        if self.is_shared || writer.as_ref() == Some(&self.writer) {
            self.version = version;
            return io::Error::other("the blob has changed since it was read");
        }
        io::Error::other("another exporter saves to this blob; give each exporter its own blob")
    }

    /// The current version of the blob, and the id of its writer.
    fn current(&self) -> io::Result<(Version, Option<String>)> {
        let response = self.wait(self.client.request(Method::HEAD, None, &[], Bytes::new()))?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok((Version::Absent, None));
        }
        let response = response.success().map_err(io::Error::other)?;
        Ok((Version::of(&response), response.header(WRITER).map(str::to_owned)))
    }

    /// Keeps a read-only copy of the blob as it is.
    pub(super) fn snapshot(&self) -> io::Result<()> {
        let lease = self.lease.as_ref().map(|lease| ("x-ms-lease-id", &*lease.lease_id));
        let headers: Vec<_> = lease.into_iter().collect();
        let response = self.wait(self.client.request(Method::PUT, Some("snapshot"), &headers, Bytes::new()))?;
        response.success().map(drop).map_err(io::Error::other)
    }

    fn wait<T>(&self, request: impl Future<Output = Result<T, RemoteError>>) -> io::Result<T> {
        self.runtime.block_on(request).map_err(io::Error::other)
    }
}
