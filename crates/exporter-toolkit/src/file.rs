//! Reads the files that belong to the configuration: the YAML, secrets, certificates, CAs.
//!
//! Only regular files are read. Opening a FIFO would block until it has a writer, and a device may never end.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::diagnostic::Diagnostic;

/// Maximum bytes. No configuration is larger, and a log file that is named by mistake is not read to its end.
const MAX_FILE_SIZE: u64 = 16 << 20;

/// Opens a regular file for reading; follows symbolic links. Never blocks on a FIFO.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket, or a device without a driver.
        Err(rustix::io::Errno::NXIO) => return Err(not_regular()),
        Err(error) => return Err(error.into()),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    if kind.is_file() { Ok(file) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file")
}

/// The bytes of a configuration file, zeroed on drop.
pub fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Diagnostic> {
    let mut bytes = Zeroizing::new(Vec::new());
    open_regular_file(path)
        .and_then(|file| {
            // Allocated once: a growing buffer would leave copies of the secret in memory.
            let length = file.metadata()?.len().min(MAX_FILE_SIZE);
            bytes.reserve_exact(usize::try_from(length).unwrap_or_default() + 1);
            file.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)
        })
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_FILE_SIZE {
        let what = format!("{} is larger than {MAX_FILE_SIZE} bytes", path.display());
        return Err(Diagnostic::new(what, "check whether it is the right file"));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => {
            return Diagnostic::new(format!("{} does not exist", path.display()), "create it or correct the path");
        }
        io::ErrorKind::PermissionDenied => "let the user that the exporter runs as read it",
        io::ErrorKind::IsADirectory => "write the path of a file in it",
        io::ErrorKind::Other => "name a regular file; a pipe or a device is not read",
        _ => "check the file",
    };
    Diagnostic::new(format!("{} cannot be read ({error})", path.display()), remedy)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_a_fifo_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [fifo, file, link] = ["fifo", "file", "link"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        std::fs::write(&file, "secret").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&fifo, Path::new("/dev/zero")] {
            let diagnostic = read_file(path).unwrap_err().to_string();
            assert!(diagnostic.contains("it is not a regular file"), "{diagnostic}");
        }
        assert!(read_file(folder.path()).unwrap_err().to_string().contains("write the path of a file in it"));
        assert_eq!(**read_file(&link).unwrap(), *b"secret");
    }
}
