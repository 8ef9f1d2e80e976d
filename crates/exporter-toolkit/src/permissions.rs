//! Detects secret files that every user of the system can access. This is a warning, not an error.

use std::path::Path;

/// Returns a warning if users other than the owner and the group can read, write or execute the file; `None` if not, or
/// if the permissions cannot be read. A link is followed. A file of `root` with the service's group is usual, so group
/// permissions are not checked.
#[must_use]
pub fn world_accessible_warning(file: &Path) -> Option<String> {
    let may = rights_of_others(file)?;
    Some(format!("{0} can be {may} by every user; run `chmod o-rwx {0}`", file.display()))
}

#[cfg(unix)]
fn rights_of_others(file: &Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().ok().filter(std::fs::Metadata::is_file)?.permissions().mode();
    match (mode & 0o004 != 0, mode & 0o002 != 0, mode & 0o001 != 0) {
        (true, true, _) => Some("read and changed"),
        (true, false, _) => Some("read"),
        (false, true, _) => Some("changed"),
        (false, false, true) => Some("run"),
        (false, false, false) => None,
    }
}

#[cfg(not(unix))]
const fn rights_of_others(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn the_rights_of_others_are_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("secret"), folder.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        for (mode, may) in [
            (0o600, None),
            (0o640, None),
            (0o770, None),
            (0o644, Some("read")),
            (0o602, Some("changed")),
            (0o666, Some("read and changed")),
            (0o601, Some("run")),
        ] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            for path in [&file, &link] {
                let sentence =
                    may.map(|may| format!("{0} can be {may} by every user; run `chmod o-rwx {0}`", path.display()));
                assert_eq!(world_accessible_warning(path), sentence, "{mode:o}");
            }
        }
        assert_eq!(world_accessible_warning(folder.path()), None, "a folder is not a file with a secret");
        assert_eq!(world_accessible_warning(&folder.path().join("missing")), None);
    }
}
