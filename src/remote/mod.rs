//! HTTP requests to the services that a lease or the state is kept in: each has a deadline, each answer a limit on its
//! size, and no error holds a secret.

mod blob;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use elements::error_chain;
use exporter_toolkit::read_file;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

pub use blob::BlobClient;

use crate::config::SecretSource;

/// The characters of a refusal that are reported.
const MAX_MESSAGE: usize = 200;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("{service}: {message}")]
pub struct RemoteError {
    service: &'static str,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    message: String,
}

/// The HTTP API of a service.
#[derive(Debug)]
pub struct Http {
    service: &'static str,
    client: Client,
    max_body: usize,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Response {
    service: &'static str,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed if the transport compressed it.
    pub body: Vec<u8>,
}

impl Http {
    /// Connects directly. Trusts `ca_file` in addition to the system's roots, and presents the certificate (its file and
    /// that of its key). Blocks while files are read.
    pub fn direct(
        service: &'static str,
        timeout: Duration,
        max_body: usize,
        ca_file: Option<&Path>,
        certificate: Option<&(PathBuf, PathBuf)>,
    ) -> Result<Self, RemoteError> {
        let failed = |error: reqwest::Error| RemoteError::new(service, error_chain(&error));
        let read = |path: &Path| read_file(path).map_err(|error| RemoteError::new(service, error));
        let mut builder = Client::builder().no_proxy();
        if let Some(path) = ca_file {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&read(path)?).map_err(failed)?);
        }
        if let Some((certificate, key)) = certificate {
            let pem = zeroize::Zeroizing::new([&**read(certificate)?, b"\n", &**read(key)?].concat());
            builder = builder.identity(Identity::from_pem(&pem).map_err(failed)?);
        }
        Self::build(service, builder, timeout, max_body)
    }

    /// Connects through the proxy of the environment, if there is one.
    pub fn proxied(service: &'static str, timeout: Duration, max_body: usize) -> Result<Self, RemoteError> {
        Self::build(service, Client::builder(), timeout, max_body)
    }

    fn build(
        service: &'static str,
        builder: ClientBuilder,
        timeout: Duration,
        max_body: usize,
    ) -> Result<Self, RemoteError> {
        // An error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder.timeout(timeout).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| RemoteError::new(service, error_chain(&error)))?;
        Ok(Self { service, client, max_body })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends it and reads the answer, whatever its status is.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, RemoteError> {
        // The URL may hold a secret.
        let failed = |error: reqwest::Error| RemoteError::new(self.service, error_chain(&error.without_url()));
        let mut response = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.max_body {
                return Err(RemoteError::new(self.service, format!("an answer of over {} bytes", self.max_body)));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Response { service: self.service, status: response.status(), headers, body })
    }
}

impl Response {
    /// The answer, or an error with the beginning of its text if it is not a success.
    pub fn success(self) -> Result<Self, RemoteError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
        let status = Some(self.status.as_u16());
        Err(RemoteError { service: self.service, status, message: format!("{} {text}", self.status).trim().to_owned() })
    }

    /// The JSON of a success.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, RemoteError> {
        let response = self.success()?;
        serde_json::from_slice(&response.body).map_err(|error| RemoteError::new(response.service, error))
    }

    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl RemoteError {
    /// One without an answer.
    pub fn new(service: &'static str, message: impl Display) -> Self {
        Self { service, status: None, message: message.to_string() }
    }
}

/// Reads a secret from its file, off the threads of the runtime.
pub async fn secret(service: &'static str, file: PathBuf) -> Result<SecretString, RemoteError> {
    let read = tokio::task::spawn_blocking(move || SecretSource::File(file).read()).await;
    read.map_err(|error| RemoteError::new(service, error))?.map_err(|error| RemoteError::new(service, error))
}
