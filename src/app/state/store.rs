//! Store of the state: a file or a blob. All functions block.

use std::io::{self, ErrorKind};

use jiff::Timestamp;

use super::blob::StateBlob;
use super::file::StateFile;
use crate::app::leader::SharedState;
use crate::config::{StateLocation, folder_of};
use crate::inventory::state_file::{DecodeError, State};

#[derive(Debug)]
pub(super) enum Store {
    File(StateFile),
    Blob(StateBlob),
}

impl Store {
    /// Must be called in a runtime; nothing is opened yet.
    pub(super) fn new(location: &StateLocation, shared_state: Option<SharedState>) -> io::Result<Self> {
        Ok(match location {
            StateLocation::File(path) => Self::File(StateFile::new(path.clone(), shared_state.is_some())),
            StateLocation::AzureBlob(blob) => Self::Blob(StateBlob::new(blob, shared_state)?),
        })
    }

    /// Its kind and name, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(file) => format!("file {}", file.path().display()),
            Self::Blob(blob) => format!("blob {}", blob.path()),
        }
    }

    /// Its path, for log lines.
    pub(super) fn path(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Blob(blob) => blob.path().to_owned(),
        }
    }

    /// Excludes other processes, as far as possible before a write; [`Self::write`] retries if it fails.
    pub(super) fn lock(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.lock(),
            Self::Blob(_) => Ok(()),
        }
    }

    /// Reads the state; `None` if nothing was saved yet.
    pub(super) fn read(&mut self) -> io::Result<Option<Result<State, DecodeError>>> {
        match self {
            Self::File(file) => file.read(State::read),
            Self::Blob(blob) => blob.read(),
        }
    }

    /// Replaces the state.
    pub(super) fn write(&mut self, state: &State) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(|file| state.write_to(file)),
            Self::Blob(blob) => blob.write(state),
        }
    }

    /// Keeps a copy of an invalid state. Returns where, for messages.
    pub(super) fn quarantine(&mut self, now: Timestamp) -> io::Result<String> {
        match self {
            Self::File(file) => file.quarantine(now).map(|aside| format!("it was renamed to {}", aside.display())),
            Self::Blob(blob) => blob.snapshot().map(|()| "a snapshot of it was kept".to_owned()),
        }
    }

    /// What happens to a state that could not be read, for messages.
    pub(super) const fn unread(&self) -> &'static str {
        match self {
            Self::File(_) => " and is left unchanged",
            Self::Blob(_) => " and will be replaced",
        }
    }

    /// Advice that the system's message does not contain.
    pub(super) fn advice(&self, error: &io::Error) -> &'static str {
        let Self::File(file) = self else { return "" };
        match error.kind() {
            ErrorKind::NotFound if !folder_of(file.path()).is_dir() => "; its folder does not exist: create it",
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; its folder must be writable, because the file is replaced as a whole"
            }
            ErrorKind::FileTooLarge => "; it exceeds the limit on file sizes: raise it (ulimit -f, LimitFSIZE=)",
            _ => "",
        }
    }
}
