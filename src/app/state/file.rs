//! The state file on disk: always read and replaced as a whole, never changed in place.
//!
//! A save writes `FILE.tmp` in the same folder (mode 0600), flushes it to the disk, renames it over the file, and
//! flushes the rename. So after a crash at any moment the file is complete. `FILE.lock` is locked by the exporter that
//! saves; a second exporter with the same file does not save until the first has ended. All functions here block on the
//! disk, but never on a FIFO.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, ErrorKind, IntoInnerError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use exporter_toolkit::open_regular_file;
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use crate::config::folder_of;

/// The number of quarantined files that are kept.
const MAX_QUARANTINED: usize = 3;
/// Buffer size in bytes for reads and writes.
const BUFFER: usize = 64 * 1024;

/// The state file of this process.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    lock: Option<Lock>,
    /// Whether replicas take turns with it.
    is_shared: bool,
    unread: bool,
}

/// The lock that excludes other processes.
#[derive(Debug)]
enum Lock {
    Held {
        _until_dropped: File,
    },
    /// The file system has no locks; continue without one.
    Unsupported,
}

impl StateFile {
    pub(super) fn new(path: PathBuf, is_shared: bool) -> Self {
        Self { path, lock: None, is_shared, unread: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file and passes it, with its length, to `decode`; `None` if there is no file. A file that cannot be
    /// read is not replaced while it exists, because its content might be lost.
    pub(super) fn read<T>(
        &mut self,
        decode: impl FnOnce(&mut BufReader<File>, u64) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let read = open_regular_file(&self.path).and_then(|file| {
            let length = file.metadata()?.len();
            decode(&mut BufReader::with_capacity(BUFFER, file), length)
        });
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                self.unread = true;
                let is_directory = error.kind() == ErrorKind::IsADirectory;
                Err(if is_directory { io::Error::other("it is not a regular file") } else { error })
            }
        }
    }

    /// Replaces the file with the output of `content`.
    pub(super) fn write(&mut self, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
        self.lock()?;
        if self.unread {
            if self.path.symlink_metadata().is_ok() {
                let why = "it could not be read at the start and is not replaced; make it readable and restart, or \
                           remove it, or name another";
                return Err(io::Error::other(why));
            }
            self.unread = false;
        }
        let temporary = self.sibling_path(".tmp");
        let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = written {
            // The incomplete file might use the last space on the disk.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        match File::open(self.folder()).and_then(|folder| folder.sync_all()) {
            Err(error) if !is_refused_to_folders(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Quarantines the file: renames it with a timestamp, and removes all but the newest quarantined files. Not while
    /// another exporter saves to it.
    pub(super) fn quarantine(&mut self, now: Timestamp) -> io::Result<PathBuf> {
        self.lock()?;
        let aside = self.sibling_path(&format!(".bad-{}", now.as_second()));
        fs::rename(&self.path, &aside)?;
        let _ = self.prune_quarantined();
        Ok(aside)
    }

    fn prune_quarantined(&self) -> io::Result<()> {
        let mut prefix = self.path.file_name().unwrap_or_default().to_owned();
        prefix.push(".bad-");
        let mut aside: Vec<_> = fs::read_dir(self.folder())?
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()))
            .collect();
        aside.sort();
        let old = aside.len().saturating_sub(MAX_QUARANTINED);
        aside.iter().take(old).try_for_each(|name| fs::remove_file(self.folder().join(name)))
    }

    /// Takes the lock; [`Self::write`] tries again if it fails.
    pub(super) fn lock(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.sibling_path(".lock");
        // Not always the folder's fault: the lock file may belong to another user.
        let file =
            open_lock(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        self.lock = Some(match file.try_lock() {
            Ok(()) => Lock::Held { _until_dropped: file },
            Err(TryLockError::WouldBlock) => {
                let why = if self.is_shared {
                    "an earlier leader still has its lock, which ends with that process or with its node's lease of the \
                     shared volume"
                } else {
                    "another exporter that is running saves to this file; give each exporter its own file"
                };
                return Err(io::Error::new(ErrorKind::WouldBlock, why));
            }
            Err(TryLockError::Error(_)) => Lock::Unsupported,
        });
        Ok(())
    }

    fn sibling_path(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(suffix);
        name.into()
    }

    fn folder(&self) -> &Path {
        folder_of(&self.path)
    }
}

/// Whether a folder cannot be flushed at all: the file system does not support it, or the folder cannot be listed. The
/// rename itself succeeded, so this is not an error.
fn is_refused_to_folders(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied)
}

/// Opens a regular file, and creates it if it does not exist. Follows no link and does not block on a FIFO, because
/// anyone with write access to the folder could create one.
fn open_lock(path: &Path) -> io::Result<File> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("it is a symbolic link; remove it")),
        // A FIFO without a reader, or a socket.
        Err(rustix::io::Errno::NXIO) => return Err(not_regular()),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file; remove it")
}

/// Creates a new file: removes the file of a killed process, and follows no link.
fn write_new(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut file = BufWriter::with_capacity(BUFFER, file);
    content(&mut file)?;
    file.into_inner().map_err(IntoInnerError::into_error)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(file: &mut StateFile, content: &[u8]) -> io::Result<()> {
        file.write(|out| out.write_all(content))
    }

    fn read(file: &mut StateFile) -> io::Result<Option<Vec<u8>>> {
        file.read(|content, length| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            assert_eq!(bytes.len() as u64, length);
            Ok(bytes)
        })
    }

    #[test]
    fn a_file_is_replaced_whole_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut file = StateFile::new(path.clone(), false);
        assert!(read(&mut file).unwrap().is_none());
        // Left by a killed process, or created by someone else.
        fs::write(folder.path().join("other"), "other").unwrap();
        symlink(folder.path().join("other"), folder.path().join("state.tmp")).unwrap();
        write(&mut file, b"first").unwrap();
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.permissions().mode() & 0o777, 0o600);
        write(&mut file, b"second").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), first.ino());
        assert_eq!(read(&mut file).unwrap().unwrap(), b"second");
        assert_eq!(names(folder.path()), ["other", "state", "state.lock"]);
        assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"other");
    }

    #[test]
    fn one_saves_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut first, mut second) = (StateFile::new(path.clone(), false), StateFile::new(path.clone(), false));
        write(&mut first, b"first").unwrap();
        assert_eq!(write(&mut second, b"second").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(second.quarantine(Timestamp::UNIX_EPOCH).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(read(&mut second).unwrap().unwrap(), b"first");
        drop(first);
        write(&mut second, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }

    #[test]
    fn what_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        let mut file = StateFile::new(path.clone(), false);
        read(&mut file).unwrap_err();
        assert!(write(&mut file, b"new").unwrap_err().to_string().contains("is not replaced"));
        fs::remove_dir(&path).unwrap();
        write(&mut file, b"new").unwrap();
        write(&mut file, b"newer").unwrap();
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [socket, null, inner] = ["socket", "null", "inner"].map(|name| folder.path().join(name));
        fs::create_dir(&inner).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink("/dev/null", &null).unwrap();
        for path in [socket, null, inner] {
            let mut file = StateFile::new(path.clone(), false);
            assert!(read(&mut file).unwrap_err().to_string().contains("not a regular file"), "{path:?}");
            assert!(write(&mut file, b"new").unwrap_err().to_string().contains("is not replaced"), "{path:?}");
            assert!(!path.metadata().unwrap().is_file());
        }
    }

    #[test]
    fn a_lock_that_cannot_be_had_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state.lock")).unwrap();
        let error = write(&mut StateFile::new(folder.path().join("state"), false), b"new").unwrap_err();
        assert!(error.to_string().contains("state.lock: "), "{error}");
    }

    #[test]
    fn a_lock_that_is_a_fifo_or_a_link_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("state.lock");
        let error = || write(&mut StateFile::new(folder.path().join("state"), false), b"new").unwrap_err().to_string();
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
        assert!(error().contains("state.lock: it is not a regular file"), "{}", error());
        // With a reader, the FIFO can be opened; it is refused all the same.
        let _reader = OpenOptions::new().read(true).write(true).open(&lock).unwrap();
        assert!(error().contains("state.lock: it is not a regular file"), "{}", error());
        fs::remove_file(&lock).unwrap();
        fs::write(folder.path().join("other"), "other").unwrap();
        symlink(folder.path().join("other"), &lock).unwrap();
        assert!(error().contains("state.lock: it is a symbolic link"), "{}", error());
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind_and_the_next_may_work() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let mut file = StateFile::new(inner.join("state"), false);
        write(&mut file, b"new").unwrap_err();
        fs::create_dir(&inner).unwrap();
        fs::create_dir(inner.join("state")).unwrap();
        write(&mut file, b"new").unwrap_err();
        assert_eq!(names(&inner), ["state", "state.lock"]);
        fs::remove_dir(inner.join("state")).unwrap();
        write(&mut file, b"new").unwrap();
    }

    #[test]
    fn a_few_bad_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut file = StateFile::new(path.clone(), false);
        for second in 1_800_000_000..1_800_000_005 {
            fs::write(&path, "bad").unwrap();
            let aside = file.quarantine(Timestamp::from_second(second).unwrap()).unwrap();
            assert_eq!(aside, folder.path().join(format!("state.bad-{second}")));
        }
        let kept = ["state.bad-1800000002", "state.bad-1800000003", "state.bad-1800000004", "state.lock"];
        assert_eq!(names(folder.path()), kept);
    }
}
