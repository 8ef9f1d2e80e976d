//! Reloads: all or nothing, and only what changed is touched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use elements::types::Collector;
use simulator::{Operation, Settings};

use crate::support::{Exporter, Samples, Simulated, of, today, value};

const RELOADED: &str = "avepoint_exporter_config_last_reload_successful";

/// A file of two partners, each with its own registration.
struct File {
    path: PathBuf,
    urls: String,
}

impl File {
    fn new(folder: &Path, simulator: &Simulated) -> Self {
        let urls = format!("api_url: {}, token_url: {}", simulator.api_url(), simulator.token_url());
        Self { path: folder.join("config.yaml"), urls }
    }

    fn partner(&self, name: &str, (client_id, secret): (&str, &str), more: &str) -> String {
        let Self { urls, .. } = self;
        format!("  - {{ name: {name}, {urls}, auth: {{ client_id: {client_id}, {secret} }}, {more} }}\n")
    }

    fn write(&self, partners: &[String]) {
        std::fs::write(&self.path, format!("partners:\n{}", partners.concat())).unwrap();
    }
}

/// Status and text of `POST /-/reload`.
fn reload(exporter: &Exporter) -> (u16, String) {
    let url = format!("{}/-/reload", exporter.url);
    let arguments =
        ["--silent", "--noproxy", "*", "--max-time", "60", "--request", "POST", "--write-out", "\n%{http_code}"];
    let output = Command::new("curl").args(arguments).arg(url).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn signal(exporter: &Exporter, name: &str) {
    assert!(Command::new("kill").args([name, &exporter.child.id().to_string()]).status().unwrap().success());
}

/// The values of a partner's customers.
fn known(samples: &Samples, partner: &str) -> Samples {
    let label = format!("partner=\"{partner}\"");
    let theirs = samples.iter().filter(|(series, _)| series.contains(&label) && series.contains("customer_id="));
    theirs.map(|(series, value)| (series.clone(), *value)).collect()
}

fn is_read(samples: &Samples) -> bool {
    let count = |state: &str| {
        of(samples, "avepoint_collector_targets").filter(|(s, _)| s.contains(state)).map(|(_, n)| n).sum::<f64>()
    };
    count("\"fresh\"") > 10.0 && count("\"pending\"") + count("\"failing\"") == 0.0
}

#[test]
fn only_what_changed_is_touched() {
    let simulator = Simulated::start(Settings { time_scale: 0, ..Settings::demo(today()) });
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(folder.path(), &simulator);
    let (one, two) = (Settings::CLIENT, Settings::SECOND_CLIENT);
    let (one_secret, two_secret) = (format!("client_secret: {}", one.1), format!("client_secret: {}", two.1));
    let fast = "budget: { requests_per_second: 500, burst: 100 }";
    let one = |more: &str| file.partner("one", (one.0, &one_secret), &format!("{fast}, {more}"));
    let two = |more: &str| file.partner("two", (two.0, &two_secret), &format!("{fast}, {more}"));
    file.write(&[one(""), two("")]);
    let arguments = ["--config.file", file.path.to_str().unwrap(), "--web.enable-lifecycle"];
    let mut exporter = Exporter::start(&arguments);
    let all = |samples: &Samples| is_read(samples) && samples.contains_key("avepoint_customers{partner=\"two\"}");
    let before = exporter.wait_for("everything was read", all);
    assert_eq!(value(&before, RELOADED), Some(1.0));
    let asked = simulator.requests();

    // An invalid configuration changes nothing, and the response says why.
    std::fs::write(&file.path, "partners:\n  - { name: one, auht: {} }\n").unwrap();
    let (status, said) = reload(&exporter);
    assert_eq!(status, 400);
    assert!(said.contains("auht") && said.contains(":2:18"), "{said}");
    let samples = exporter.samples();
    assert_eq!(value(&samples, RELOADED), Some(0.0));
    assert_eq!(known(&samples, "one"), known(&before, "one"));
    assert_eq!(known(&samples, "two"), known(&before, "two"));
    let reloaded = value(&before, "avepoint_exporter_config_last_reload_success_timestamp_seconds");
    assert_eq!(value(&samples, "avepoint_exporter_config_last_reload_success_timestamp_seconds"), reloaded);
    assert!(exporter.get("/config").1.contains("name: two"), "the running configuration is shown");
    // A valid one that cannot be used changes nothing either.
    file.write(&[one("ca_file: /nowhere/ca.pem"), two("")]);
    let (status, said) = reload(&exporter);
    assert!(status == 400 && said.contains("/nowhere/ca.pem"), "{status} {said}");
    assert_eq!(known(&exporter.samples(), "two"), known(&before, "two"));

    // A customer gets a label: its partner keeps token, values and due times; the other partner is not touched.
    let id = before.keys().find(|s| s.starts_with("avepoint_customer_info{partner=\"two\"")).unwrap();
    let id = id.split("customer_id=\"").nth(1).unwrap().split('"').next().unwrap();
    file.write(&[one(""), two(&format!("customers: {{ list: [{{ id: {id}, labels: {{ tier: gold }} }}] }}"))]);
    assert_eq!(reload(&exporter), (200, "reloaded\n".to_owned()));
    let samples = exporter.samples();
    assert_eq!(value(&samples, RELOADED), Some(1.0));
    assert_eq!(known(&samples, "one"), known(&before, "one"));
    let unlabelled: Samples =
        known(&samples, "two").into_iter().map(|(s, value)| (s.replace(",tier=\"gold\"", ""), value)).collect();
    assert_eq!(unlabelled, known(&before, "two"), "with its values and their times");
    assert!(samples.keys().any(|series| series.contains("tier=\"gold\"")));
    assert_eq!(simulator.requests().total(), asked.total(), "nothing was due");
    assert_eq!(simulator.requests().of(Operation::Token), 2);

    // A customer and a partner are removed: both disappear at once. This time by signal.
    file.write(&[two(&format!("customers: {{ exclude: [\"{id}\"] }}"))]);
    // Read the log of the earlier reloads.
    exporter.log();
    signal(&exporter, "-HUP");
    exporter.wait_for_line("the configuration was reloaded");
    let samples = exporter.samples();
    assert!(samples.keys().all(|series| !series.contains("partner=\"one\"")), "{samples:?}");
    assert!(samples.keys().all(|series| !series.contains(id)));
    assert!(!known(&samples, "two").is_empty());
    assert_eq!(simulator.requests().total(), asked.total());

    // A partner comes back: it is polled from the start.
    file.write(&[one(""), two("")]);
    assert_eq!(reload(&exporter).0, 200);
    exporter.wait_for("everything was read again", |samples| all(samples) && known(samples, "one").len() > 10);
}

#[test]
fn who_is_wanted_now_is_looked_for_at_once_and_what_is_known_follows_the_registration() {
    let simulator = Simulated::start(Settings { time_scale: 0, ..Settings::of_size(6, 1, today()) });
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(folder.path(), &simulator);
    let ids =
        simulator.with_dataset(Settings::CLIENT.0, |dataset| dataset.customers.iter().map(|c| c.id.clone()).collect());
    let ids: Vec<String> = ids.unwrap();
    let secret = format!("client_secret: {}", Settings::CLIENT.1);
    let partner = |name: &str, customers: &str| {
        file.write(&[file.partner(name, (Settings::CLIENT.0, &secret), &format!("customers: {{ {customers} }}"))]);
    };
    let listings = || simulator.requests().of(Operation::Api(Collector::Services));
    let pending = |samples: &Samples| -> f64 {
        of(samples, "avepoint_collector_targets").filter(|(s, _)| s.contains("\"pending\"")).map(|(_, n)| n).sum()
    };
    let are_read = |samples: &Samples, names: &[&String]| {
        let rows = |id: &String| of(samples, "avepoint_subscription_info").any(|(series, _)| series.contains(id));
        pending(samples) == 0.0 && ids.iter().all(|id| rows(id) == names.contains(&id))
    };
    partner("main", &format!("include: ['{}', '{}'], exclude: ['{0}']", ids[0], ids[1]));
    let arguments = ["--config.file", file.path.to_str().unwrap(), "--web.enable-lifecycle"];
    let exporter = Exporter::start(&arguments);
    exporter.wait_for("the second", |samples| are_read(samples, &[&ids[1]]));
    assert_eq!(listings(), 1);

    let mut listed = 1;
    for (customers, read, looks) in [
        (format!("include: ['{}', '{}']", ids[0], ids[1]), vec![&ids[0], &ids[1]], true),
        (String::new(), ids.iter().collect(), true),
        (format!("exclude: ['{}']", ids[0]), ids[1..].iter().collect(), false),
        (format!("discover: false, list: [{{ id: {} }}, {{ id: {} }}]", ids[1], ids[2]), vec![&ids[1], &ids[2]], false),
        (format!("discover: false, list: [{{ id: {} }}, {{ id: {} }}]", ids[1], ids[3]), vec![&ids[1], &ids[3]], true),
        ("discover: true".to_owned(), ids.iter().collect(), true),
    ] {
        partner("main", &customers);
        assert_eq!(reload(&exporter).0, 200, "{customers}");
        exporter.wait_for(&customers, |samples| are_read(samples, &read));
        listed += u64::from(looks);
        assert_eq!(listings(), listed, "{customers}");
    }

    let before = exporter.samples();
    let asked = simulator.requests().total();
    partner("renamed", "");
    assert_eq!(reload(&exporter).0, 200);
    let after = exporter.samples();
    let renamed = |(series, value): (&String, &f64)| (series.replace("\"main\"", "\"renamed\""), *value);
    assert_eq!(known(&after, "renamed"), known(&before, "main").iter().map(renamed).collect());
    assert!(after.keys().all(|series| !series.contains("\"main\"")));
    assert_eq!(simulator.requests().total(), asked, "nothing was due");
}

/// Two partners that each poll half of the customers of one registration.
#[test]
fn partners_of_one_registration_share_its_budget_and_its_token_whatever_their_names() {
    let simulator = Simulated::start(Settings { time_scale: 0, ..Settings::of_size(12, 1, today()) });
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(folder.path(), &simulator);
    let secret = format!("client_secret: {}", Settings::CLIENT.1);
    let partner = |name: &str, (rate, burst): (u32, u32)| {
        let budget = format!("budget: {{ requests_per_second: {rate}, burst: {burst}, concurrency: 50 }}");
        file.partner(name, (Settings::CLIENT.0, &secret), &budget)
    };
    file.write(&[partner("one", (20, 5)), partner("two", (20, 5))]);
    let exporter = Exporter::start(&["--config.file", file.path.to_str().unwrap(), "--web.enable-lifecycle"]);
    let both_are_read =
        |samples: &Samples| is_read(samples) && ["one", "two"].iter().all(|name| known(samples, name).len() > 10);
    let samples = exporter.wait_for("everything was read", both_are_read);
    let busiest = simulator.requests().busiest(Settings::CLIENT.0, Duration::from_secs(1));
    assert!((15..=30).contains(&busiest), "{busiest} in a second; two budgets allow 50");
    assert_eq!(simulator.requests().of(Operation::Token), 1);
    let each = |samples: &Samples, name: &str| of(samples, name).map(|(_, value)| value).collect::<Vec<f64>>();
    let mut asked = each(&samples, "avepoint_auth_token_requests_total{");
    asked.sort_by(f64::total_cmp);
    assert_eq!(asked, [0.0, 1.0], "counted at the partner that caused it");
    assert_eq!(each(&samples, "avepoint_auth_token_expiration_timestamp_seconds{").len(), 2, "and to be seen at both");
    assert_eq!(each(&samples, "avepoint_api_rate_limit_requests_per_second{"), [20.0, 20.0]);

    file.write(&[partner("three", (20, 5)), partner("two", (20, 5))]);
    assert_eq!(reload(&exporter).0, 200);
    assert_eq!(each(&exporter.samples(), "avepoint_auth_token_expiration_timestamp_seconds{").len(), 2);
    assert_eq!(simulator.requests().of(Operation::Token), 1);

    file.write(&[partner("three", (20, 5)), partner("two", (20, 6))]);
    let (status, said) = reload(&exporter);
    assert!(status == 400 && said.contains("partners[1].budget: partners[0] uses the same app registration"), "{said}");
}

#[test]
fn a_reload_over_http_must_be_allowed() {
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::with_config(folder.path(), &crate::support::config(&simulator, "", ""));
    let (status, said) = reload(&exporter);
    assert!(status == 403 && said.contains("--web.enable-lifecycle"), "{status} {said}");
    assert_eq!(exporter.get("/-/reload").0, 405);
}

#[test]
fn a_secret_that_is_replaced_is_picked_up_without_a_reload() {
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(folder.path(), &simulator);
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "expired").unwrap();
    file.write(&[file.partner("main", (Settings::CLIENT.0, "client_secret_file: secret"), "")]);
    let mut exporter = Exporter::start(&["--config.file", file.path.to_str().unwrap()]);
    exporter.wait_for_logged("invalid_client");
    // An atomic replacement of the file.
    let new = folder.path().join("secret.new");
    std::fs::write(&new, Settings::CLIENT.1).unwrap();
    std::fs::rename(&new, &secret).unwrap();
    exporter.wait_for_line("the credential was replaced");
    exporter.wait_for("customers", |samples| value(samples, "avepoint_customers{partner=\"main\"}") == Some(3.0));
}

/// Opening a FIFO blocks until its other end is open: this must delay neither the start, nor a reload, nor the
/// shutdown.
#[test]
fn a_fifo_in_place_of_a_file_is_refused_and_holds_up_nothing() {
    let simulator = Simulated::start(Settings::of_size(3, 1, today()));
    let folder = tempfile::tempdir().unwrap();
    let fifo = |name: &str| {
        let path = folder.path().join(name);
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    };
    fifo("state.lock");
    std::fs::write(folder.path().join("secret"), Settings::CLIENT.1).unwrap();
    let state = "state: { file: state, interval: 1h }\n";
    let yaml = crate::support::config(&simulator, "", state)
        .replace(&format!("client_secret: {}", Settings::CLIENT.1), "client_secret_file: secret");
    let mut exporter = Exporter::with_config(folder.path(), &yaml);
    exporter.wait_for_logged("state.lock: it is not a regular file");
    exporter.wait_for("customers", |samples| value(samples, "avepoint_customers{partner=\"main\"}") == Some(3.0));
    std::fs::remove_file(folder.path().join("state.lock")).unwrap();
    let with_ca = yaml.replace("    auth:", "    ca_file: ca.pem\n    auth:");
    for (name, yaml) in [("secret", &yaml), ("ca.pem", &with_ca), ("config.yaml", &yaml)] {
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        fifo(name);
        signal(&exporter, "-HUP");
        exporter.wait_for_line("reload failed; keeping the previous configuration");
        exporter.wait_for_logged("it is not a regular file");
        assert_eq!(exporter.get("/-/healthy").0, 200);
        std::fs::remove_file(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join("secret"), Settings::CLIENT.1).unwrap();
    }
    let (code, took) = exporter.terminate();
    assert_eq!(code, Some(0), "{}", exporter.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(folder.path().join("state").is_file(), "what is known was saved");
}

#[test]
fn who_was_ready_stays_so_even_if_nobody_asked() {
    let simulator = Simulated::start(Settings::demo(today()));
    let mut gone = Simulated::start(Settings::demo(today()));
    let folder = tempfile::tempdir().unwrap();
    let (file, nobody) = (File::new(folder.path(), &simulator), File::new(folder.path(), &gone));
    gone.stop();
    let secret = format!("client_secret: {}", Settings::CLIENT.1);
    let known = file.partner("known", (Settings::CLIENT.0, &secret), "");
    file.write(std::slice::from_ref(&known));
    let arguments = ["--config.file", file.path.to_str().unwrap(), "--web.enable-lifecycle"];
    let mut exporter = Exporter::start(&arguments);
    exporter.wait_for_logged("ready: the customers of every partner are known");
    file.write(&[known, nobody.partner("new", ("new", &secret), "")]);
    assert_eq!(reload(&exporter).0, 200);
    let (status, text) = exporter.get("/-/ready");
    assert!(text.contains("new: waiting"), "{text}");
    assert_eq!(status, 200, "{text}");
}
