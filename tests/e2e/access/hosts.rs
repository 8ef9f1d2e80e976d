//! Which names an exporter answers to, and which web pages may reload it.

use super::*;

/// DNS rebinding: a page in a browser on this machine sends requests to its own name, which resolves to loopback.
#[test]
fn an_exporter_on_loopback_answers_to_no_foreign_name() {
    let pki = Pki::new();
    let exporter = Exporter::start(&["demo", "--web.external-url=https://exporter.example.com/x"]);
    let ask = |more: &[&str]| curl(&pki, &format!("{}/x/metrics", exporter.url), more);
    for host in ["127.0.0.1", "localhost:1", "[::1]:10120", "exporter.example.com", "EXPORTER.example.com:443"] {
        assert_eq!(ask(&["--header", &format!("Host: {host}")]).status, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:10120", "avepoint-exporter.monitoring.svc:10120"] {
        let got = ask(&["--header", &format!("Host: {host}")]);
        assert_eq!(got.status, 421, "{host}");
        assert!(got.text.contains("--web.external-url"), "{got:?}");
        has_default_headers(&got);
    }
    assert_eq!(ask(&["--header", "Host:"]).status, 400);
    assert_eq!(ask(&["--http1.0", "--header", "Host:"]).status, 200);
    let address = exporter.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let twice = "GET /x/metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stream, twice.as_bytes()).unwrap();
    let response = std::io::read_to_string(stream).unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

/// Probes use an address, scrapers use names that only they know.
#[test]
fn an_exporter_on_other_addresses_answers_to_every_name() {
    let pki = Pki::new();
    let arguments = ["demo", "--web.external-url=https://exporter.example.com/", "--web.listen-address=:0"];
    let exporter = Exporter::start(&arguments);
    let url = format!("http://127.0.0.1:{}", port(&exporter));
    for host in ["10.1.2.3:10120", "avepoint-exporter.monitoring.svc:10120", "exporter.example.com", "evil.example", ""]
    {
        let header = if host.is_empty() { "Host;".to_owned() } else { format!("Host: {host}") };
        for path in ["/-/healthy", "/metrics"] {
            assert_eq!(curl(&pki, &format!("{url}{path}"), &["--header", &header]).status, 200, "{host}");
        }
    }
    assert_eq!(curl(&pki, &format!("{url}/metrics"), &["--header", "Host:"]).status, 400);
    // Prometheus uses a target's name as the Host.
    pki.write(
        "prometheus.yml",
        &format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - job_name: name\n    \
             static_configs: [{{ targets: ['localhost:{}'] }}]\n",
            port(&exporter)
        ),
    );
    let mut prometheus = Prometheus::start(pki.folder());
    wait("up", || prometheus.value("up{job=\"name\"}").as_deref() == Some("1"));
}

#[test]
fn a_page_of_another_site_may_not_reload() {
    let pki = Pki::new();
    // Nothing answers there, and a reload does not need it.
    let partner = "{ api_url: 'http://127.0.0.1:1', token_url: 'http://127.0.0.1:1', auth: { client_id: \
                   00000000-0000-0000-0000-000000000000, client_secret: x } }";
    pki.write("config.yaml", &format!("partners: [{partner}]\n"));
    let file = format!("--config.file={}", pki.path("config.yaml"));
    let exporter =
        Exporter::start(&[&file, "--web.enable-lifecycle", "--web.external-url=https://exporter.example.com/"]);
    let url = format!("{}/-/reload", exporter.url);
    let reload = |headers: &[&str]| {
        let headers: Vec<_> = headers.iter().flat_map(|&header| ["--header", header]).collect();
        curl(&pki, &url, &[&["--request", "POST"], &headers[..]].concat()).status
    };
    let ours = format!("Origin: {}", exporter.url);
    for headers in [
        &[][..],
        &["Sec-Fetch-Site: same-origin", &ours],
        &["Sec-Fetch-Site: none"],
        // A proxy on this machine passes its own Host.
        &["Origin: https://exporter.example.com", "Sec-Fetch-Site: same-origin"],
    ] {
        assert_eq!(reload(headers), 200, "{headers:?}");
    }
    for header in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
    ] {
        assert_eq!(reload(&[header]), 403, "{header}");
    }
}
