//! The files that tested configurations name: secrets, certificates and keys, created by `openssl` in a temporary
//! folder. The repository contains none of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A text that must not appear in any output.
pub(crate) const SECRET: &str = "canary-of-a-client-secret";
/// The password of the PKCS #12 files, except `no_password.pfx`.
pub(crate) const PASSWORD: &str = "canary-of-a-pfx-password";

/// Creates the folder.
pub(crate) fn make() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("secret"), format!("  {SECRET}\r\n")).unwrap();
    fs::write(at.join("password"), format!("{PASSWORD}\n")).unwrap();
    let url = "https://account.blob.core.windows.net/exporter/state?sv=2021-08-06&sig=canary-of-a-signature\n";
    fs::write(at.join("blob_url"), url).unwrap();
    fs::write(at.join("wrong_password"), "another\n").unwrap();
    fs::write(at.join("empty"), " \n\n").unwrap();
    fs::write(at.join("binary"), [0xff, 0xfe, 0x00]).unwrap();
    fs::write(at.join("broken.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    fs::create_dir(at.join("folder")).unwrap();

    let certificate = "req -x509 -days 365 -nodes -subj /CN=test";
    openssl(at, &format!("{certificate} -newkey rsa:2048 -keyout app.key -out app.crt"));
    openssl(at, &format!("{certificate} -newkey rsa:1024 -keyout small.key -out small.crt"));
    openssl(at, &format!("{certificate} -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout ec.key -out ec.crt"));
    openssl(at, "genrsa -out other.key 2048");
    openssl(at, "rsa -in app.key -traditional -out app_pkcs1.key");
    openssl(at, &format!("pkcs8 -topk8 -in app.key -passout pass:{PASSWORD} -out encrypted.key"));

    let pfx = "pkcs12 -export -in app.crt -inkey app.key";
    openssl(at, &format!("{pfx} -passout pass:{PASSWORD} -out app.pfx"));
    openssl(at, &format!("{pfx} -passout pass:{PASSWORD} -legacy -out legacy.pfx"));
    let triple_des = "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1";
    openssl(at, &format!("{pfx} -passout pass:{PASSWORD} {triple_des} -out triple_des.pfx"));
    openssl(at, &format!("{pfx} -passout pass: -out no_password.pfx"));
    openssl(at, &format!("pkcs12 -export -nokeys -in app.crt -passout pass:{PASSWORD} -out no_key.pfx"));
    openssl(at, &format!("pkcs12 -export -in small.crt -inkey small.key -passout pass:{PASSWORD} -out small.pfx"));
    // Two certificates; the key belongs to the second one.
    let certificates = [fs::read(at.join("small.crt")).unwrap(), fs::read(at.join("app.crt")).unwrap()].concat();
    fs::write(at.join("chain.crt"), certificates).unwrap();
    openssl(at, &format!("pkcs12 -export -in chain.crt -inkey app.key -passout pass:{PASSWORD} -out chain.pfx"));

    for entry in fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            readable_by_others(&entry.path(), false);
        }
    }
    folder
}

/// Makes the file readable for every user, or only for its owner.
pub(crate) fn readable_by_others(file: &Path, readable: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if readable { 0o644 } else { 0o600 };
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need the command `openssl`");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
