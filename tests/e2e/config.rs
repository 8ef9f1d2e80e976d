//! Configuration files in `tests/config/`: `bad/` has one small file per error, which starts with all its expected
//! messages in order (`# expect: ...`); `good/` has valid files, each with the expected running configuration
//! (`.redacted.yaml`).

pub(crate) mod files;

use std::fs;
use std::path::{Path, PathBuf};

use avepoint_exporter::config::{Config, Credential, format_duration};
use testkit::golden;

use files::{PASSWORD, SECRET};

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".redacted.yaml"))
        .collect();
    files.sort();
    files
}

/// Messages, one per line, with `{dir}` for the folder of the secrets.
fn portable(text: &str, folder: &Path) -> String {
    text.replace(&folder.display().to_string(), "{dir}")
}

#[test]
fn every_bad_file_is_refused_with_exactly_its_messages() {
    let folder = files::make();
    let mut wrong = Vec::new();
    let bad = yaml_files("bad");
    for file in &bad {
        let text = fs::read_to_string(file).unwrap();
        let expected: Vec<_> = text.lines().map_while(|line| line.strip_prefix("# expect: ")).collect();
        let actual = match Config::parse(&text, folder.path()) {
            Ok(_) => String::new(),
            Err(errors) => portable(&errors.to_string(), folder.path()),
        };
        assert!(!actual.contains(SECRET) && !actual.contains(PASSWORD), "{}: {actual}", file.display());
        if expected.is_empty() || actual != expected.join("\n") {
            wrong.push(format!("\n== {}\n{actual}\n", file.display()));
        }
    }
    assert!(wrong.is_empty(), "these said something else:{}", wrong.concat());
    assert!(bad.len() > 40, "the folder is not the one");
}

#[test]
fn every_good_file_becomes_exactly_its_running_configuration() {
    let folder = files::make();
    let good = yaml_files("good");
    let mut wrong = Vec::new();
    for file in &good {
        let text = fs::read_to_string(file).unwrap();
        let config =
            Config::parse(&text, folder.path()).unwrap_or_else(|errors| panic!("{}: {errors}", file.display()));
        let redacted = config.to_redacted_yaml();
        for text in [&redacted, &format!("{config:?}"), &format!("{config:#?}")] {
            assert!(!text.contains("canary"), "{}: {text}", file.display());
        }
        let (committed, redacted) = (file.with_extension("redacted.yaml"), portable(&redacted, folder.path()));
        if golden::is_updating() {
            fs::write(&committed, &redacted).unwrap();
        }
        if redacted != fs::read_to_string(&committed).unwrap_or_default() {
            wrong.push(format!("\n== {}\n{redacted}", golden::explained(&committed)));
        }
    }
    assert!(wrong.is_empty(), "these became something else:{}", wrong.concat());
    assert!(good.len() > 4, "the folder is not the one");
}

#[test]
fn the_running_configuration_is_a_configuration() {
    let folder = files::make();
    for file in yaml_files("good") {
        let config = Config::parse(&fs::read_to_string(&file).unwrap(), folder.path()).unwrap();
        let redacted = config.to_redacted_yaml();
        // A password that is `<secret>` does not open a file.
        if !redacted.contains("pfx_password: <secret>") {
            let again = Config::parse(&redacted, Path::new("/nowhere")).unwrap();
            // A URL keeps `<secret>` percent-encoded, and it is redacted again.
            assert_eq!(again.to_redacted_yaml(), redacted, "{}", file.display());
        }
    }
}

/// Turns `#key: value` into `key: value`, and does not change `# Prose.`.
fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.split_once('#') {
        Some((indent, rest)) if indent.trim().is_empty() && !rest.starts_with([' ', '#']) => {
            format!("{indent}{rest}\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn the_example_is_valid_and_its_comments_are_the_defaults() {
    let folder = files::make();
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.yaml")).unwrap();
    let errors = Config::parse(&example, folder.path()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "partners[0].auth.client_secret_file: /etc/avepoint_exporter/client_secret does not exist; \
         create it or correct the path"
    );
    let example = example.replace("/etc/avepoint_exporter/client_secret", "secret");
    let written = Config::parse(&example, folder.path()).unwrap();
    let spelled_out = uncommented(&example);
    assert!(spelled_out.contains("\ncollectors:\n"), "{spelled_out}");
    let all = Config::parse(&spelled_out, folder.path()).unwrap();
    assert_eq!(all.to_redacted_yaml(), written.to_redacted_yaml());
}

#[test]
fn the_examples_of_replicas_are_valid() {
    let folder = files::make();
    let here = [
        ("/run/credentials/avepoint_exporter.service/client_secret", "secret"),
        ("/run/secrets/avepoint_exporter/client_secret", "secret"),
        ("/run/credentials/avepoint_exporter.service/blob_url", "blob_url"),
        ("/etc/avepoint_exporter/etcd_ca.pem", "app.crt"),
    ];
    for example in ["replicas/etcd", "replicas/azure", "kubernetes/overlays/two-replicas"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(example).join("config.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let text = here.iter().fold(text, |text, (there, here)| text.replace(there, here));
        let config = Config::parse(&text, folder.path()).unwrap_or_else(|errors| panic!("{example}: {errors}"));
        assert!(config.ha.is_some() && config.state.is_some(), "{example}");
    }
}

#[test]
fn a_file_is_loaded_from_its_folder_and_named_in_its_errors() {
    let folder = files::make();
    let file = folder.path().join("config.yaml");
    let said = |text: Option<&[u8]>| {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let errors = Config::load(&file).unwrap_err().to_string();
        portable(&errors, folder.path())
    };
    assert_eq!(
        said(None),
        "{dir}/config.yaml: there is no such file; write one, for which config.yaml in the repository is a commented \
         example, or name another with --config.file; the command `demo` needs none"
    );
    assert_eq!(
        said(Some(b"\xff\xfe")),
        "{dir}/config.yaml: {dir}/config.yaml is not a text in UTF-8; save it as plain text"
    );
    assert_eq!(
        said(Some(b"partners: []\nmetrics: { customer_name_label: 1 }\n")),
        "{dir}/config.yaml: partners: there is no partner; list at least one, with its auth\n\
         {dir}/config.yaml: metrics.customer_name_label: `1` is neither true nor false; write `true` or `false`"
    );
    assert_eq!(
        said(Some(b"partner: []\n")),
        "{dir}/config.yaml:1:1: unknown key `partner`; \
         did you mean `partners`? Known here: partners, collectors, metrics, state, ha"
    );

    fs::write(&file, "partners: [{ auth: { client_id: a, client_secret_file: secret } }]\n").unwrap();
    let config = Config::load(&file).unwrap();
    assert!(matches!(config.partners[0].credential, Credential::ClientSecret { .. }));
    assert_eq!(config.partners[0].name.as_str(), "main");
    assert_eq!(format_duration(config.collectors.services.max_age), "1h");
}
