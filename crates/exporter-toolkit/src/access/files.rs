//! Detects changes of the files that the web configuration consists of.
//!
//! The files are few and small, so they are read completely and compared by digest. This also detects changes within
//! the resolution of time stamps, and swapped symbolic links, as in Kubernetes.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::{Diagnostic, read_file};

/// The files read so far, in order, with their digests; `None` if a file could not be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Files(Vec<(PathBuf, Option<Digest>)>);

type Digest = Box<[u8]>;

impl Files {
    /// Reads a file and records its digest, or that it could not be read.
    pub(super) fn read(&mut self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Diagnostic> {
        let bytes = read_file(path);
        self.0.push((path.to_owned(), bytes.as_ref().ok().map(|bytes| fingerprint(bytes))));
        bytes
    }

    /// Whether a file has changed since it was read. Reads all files.
    pub(super) fn changed(&self) -> bool {
        self.0.iter().any(|(path, then)| read_file(path).ok().map(|bytes| fingerprint(&bytes)) != *then)
    }
}

fn fingerprint(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes).as_ref().into()
}
