//! The files that the rules are made from, and whether one of them has changed.
//!
//! They are small and few, so they are read again whole and compared by digest: no time stamp can be too coarse, and a
//! link that is swapped, as Kubernetes does it, is no special case.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::{Diagnostic, read_file};

/// What was read, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Files(Vec<(PathBuf, Option<Digest>)>);

type Digest = Box<[u8]>;

impl Files {
    /// Reads a file and remembers what was there, also if there was nothing.
    pub(super) fn read(&mut self, path: &Path) -> Result<Zeroizing<Vec<u8>>, Diagnostic> {
        let bytes = read_file(path);
        self.0.push((path.to_owned(), bytes.as_ref().ok().map(|bytes| fingerprint(bytes))));
        bytes
    }

    /// Whether a file is no longer what it was when it was read.
    pub(super) fn changed(&self) -> bool {
        self.0.iter().any(|(path, then)| read_file(path).ok().map(|bytes| fingerprint(&bytes)) != *then)
    }
}

fn fingerprint(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes).as_ref().into()
}
