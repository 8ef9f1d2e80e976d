//! Reads a recording, for a replay.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::{FORMAT, INDEX};

/// The line with which the body of a response begins in a file.
const BODY: &str = "\n    \"body\": ";
const RESPONSE: &str = "\n  \"response\": {";

/// A recording in memory.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The settings of the recorded configuration, except its partners.
    pub settings: Value,
    /// The partners.
    pub partners: Vec<RecordedPartner>,
    /// In the order in which they ended.
    pub exchanges: Vec<Replayed>,
}

/// A partner of a recording.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedPartner {
    /// `partner-1` and so on.
    pub name: String,
    /// `customers` of a configuration that polls the same customers.
    pub customers: Value,
}

/// An exchange of a recording.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The partner's name.
    pub partner: String,
    /// The endpoint's name in this project, or `token`.
    pub operation: String,
    /// The HTTP method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The JSON that was sent.
    pub request: Option<Value>,
    /// How the request ended.
    pub response: RecordedResponse,
}

/// How a recorded request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedResponse {
    /// A response was received.
    Response {
        /// The HTTP status.
        status: u16,
        /// The recorded headers.
        headers: Vec<(String, String)>,
        /// The body, anonymised.
        body: Vec<u8>,
    },
    /// No response; the label of the failure reason.
    Failure(String),
}

/// Why a folder cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what `once --record` writes.
    #[error("{}: not a file of a recording: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
struct Index {
    format: u32,
    #[serde(default)]
    settings: Value,
    partners: Vec<RecordedPartner>,
    exchanges: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    file: String,
    partner: String,
}

#[derive(Deserialize)]
struct Document {
    operation: String,
    request: Request,
    response: Option<Response>,
    failure: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    body: Option<Value>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    body: Option<Value>,
    not_json: Option<NotJson>,
}

#[derive(Deserialize)]
struct NotJson {
    kind: String,
    bytes: usize,
}

impl Recording {
    /// Reads a folder that `once --record` wrote.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(INDEX);
        let index: Index = parse(&path, &text(&path)?)?;
        if index.format != FORMAT {
            let problem = format!("its format is {}, this version reads {FORMAT}", index.format);
            return Err(ReadError::Malformed { path, problem });
        }
        let read = |entry: Entry| {
            let is_name = !entry.file.contains(['/', '\\']) && entry.file != "..";
            if !is_name {
                let problem = format!("{:?} is not a file of this folder", entry.file);
                return Err(ReadError::Malformed { path: path.clone(), problem });
            }
            exchange(&folder.join(&entry.file), entry.partner)
        };
        let exchanges = index.exchanges.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { settings: index.settings, partners: index.partners, exchanges })
    }
}

fn exchange(path: &Path, partner: String) -> Result<Replayed, ReadError> {
    let text = text(path)?;
    let Document { operation, request, response, failure } = parse(path, &text)?;
    let response = match (response, failure) {
        (Some(Response { status, headers, body, not_json }), None) => RecordedResponse::Response {
            status,
            headers: headers.into_iter().collect(),
            body: match (body, not_json) {
                (Some(body), _) => raw_body(&text).map_or_else(|| body.to_string(), ToOwned::to_owned).into_bytes(),
                (None, Some(not_json)) => not_json.stand_in(),
                (None, None) => Vec::new(),
            },
        },
        (None, Some(reason)) => RecordedResponse::Failure(reason),
        _ => {
            let problem = "it needs either \"response\" or \"failure\"".to_owned();
            return Err(ReadError::Malformed { path: path.to_owned(), problem });
        }
    };
    let Request { method, path, body: request } = request;
    Ok(Replayed { partner, operation, method, path, request, response })
}

impl NotJson {
    /// A body of the same kind and length, at most a MiB.
    fn stand_in(&self) -> Vec<u8> {
        let start = match self.kind.as_str() {
            "markup" => "<!doctype html>",
            "broken JSON" => "{",
            _ => "",
        };
        let mut body = start.as_bytes().to_vec();
        body.resize(self.bytes.clamp(start.len(), 1 << 20), b'x');
        body
    }
}

/// The unparsed body of the file, which keeps repeated keys and the notation of numbers.
fn raw_body(text: &str) -> Option<&str> {
    let response = text.get(text.find(RESPONSE)?..)?;
    let body = response.get(response.find(BODY)? + BODY.len()..)?;
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    body.get(..values.byte_offset())
}

fn text(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|error| ReadError::File { path: path.to_owned(), error })
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ReadError> {
    let malformed =
        |error: serde_json::Error| ReadError::Malformed { path: path.to_owned(), problem: error.to_string() };
    serde_json::from_str(text).map_err(malformed)
}
