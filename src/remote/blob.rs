//! Requests to a blob in Azure storage, by a URL with a shared access signature.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use url::Url;

use super::{Http, RemoteError, Response, secret};
use crate::config::BlobSettings;

const SERVICE: &str = "Azure Blob storage";
/// Of the REST API.
const VERSION: &str = "2021-08-06";

/// Requests to one blob.
#[derive(Debug)]
pub struct BlobClient {
    http: Http,
    url_file: PathBuf,
}

impl BlobClient {
    /// Each request ends within `timeout`; larger answers than `max_body` bytes fail.
    pub fn new(blob: &BlobSettings, timeout: Duration, max_body: usize) -> Result<Self, RemoteError> {
        let http = if blob.is_local() {
            Http::direct(SERVICE, timeout, max_body, None, None)?
        } else {
            Http::proxied(SERVICE, timeout, max_body)?
        };
        Ok(Self { http, url_file: blob.url_file.clone() })
    }

    /// Sends a request about the blob, or about a component of it (`comp` in the REST API).
    pub async fn request(
        &self,
        method: Method,
        component: Option<&str>,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, RemoteError> {
        // The parser's message could hold a part of the URL.
        let url = Url::parse(secret(SERVICE, self.url_file.clone()).await?.expose_secret());
        let mut url = url.map_err(|_| RemoteError::new(SERVICE, "the URL is not valid"))?;
        if let Some(component) = component {
            url.query_pairs_mut().append_pair("comp", component);
        }
        let mut request = self.http.request(method.clone(), url).header("x-ms-version", VERSION);
        if method == Method::PUT {
            request = request.header("content-length", body.len()).body(body);
        }
        self.http.send(headers.iter().fold(request, |request, &(name, value)| request.header(name, value))).await
    }
}
