#!/usr/bin/env python3
"""What an engineer is notified of when a leader is gone: of customers, nothing.

    python3 tests/live/takeover.py [path of avepoint_exporter]

A simulator with customers that have alerts, three replicas of the exporter with a lease in etcd and the state in one file,
a real Prometheus with the shipped rules and a real Alertmanager with a webhook. The leader is killed; the next one ends in
order. From the first alert on, no alert about a customer resolves, none begins anew, and each new leader serves the same
customers. Prometheus loads a copy of the rules with shorter times (shorten.py).

Needs Python 3 with PyYAML, prometheus, prometheus-alertmanager and etcd (Debian: etcd-server).
"""

import http.server
import json
import pathlib
import re
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

import yaml  # noqa: E402
from servers import Alertmanager, Prometheus, Servers, TooLate, get, play, wait  # noqa: E402
from shorten import shorten  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
REPLICAS = 3
LOOPBACK = "--web.listen-address=127.0.0.1:0"
# So many evaluations without a change: the alerts of the customers are complete.
STEADY = 12
TIMES = {"lease_duration": "5s", "renew_deadline": "4s", "retry_period": "500ms"}


class Webhook(http.server.ThreadingHTTPServer):
    """Takes down what is resolved about customers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Notification)
        self.fired, self.resolved = set(), []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Notification(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]:
            if "customer_id" not in alert["labels"]:
                continue
            if alert["status"] == "resolved":
                self.server.resolved.append(alert["labels"])
            else:
                self.server.fired.add(alert["fingerprint"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_etcd(servers: Servers) -> str:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    options = {
        "data-dir": servers.folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "error",
    }
    servers.start("etcd", ["etcd", *(f"--{name}={value}" for name, value in options.items())])
    wait("etcd", lambda: "true" in get(f"{client}/health"))
    return client


def start_replicas(servers: Servers, binary: pathlib.Path) -> list:
    """Each with its address."""
    simulator = servers.start("simulator", [binary, "simulate", LOOPBACK, "--time-scale=0", "--customers=24"])
    partners = yaml.safe_load(wait("the simulator", lambda: simulator.said(r"(partners:\n.*\n)$")))["partners"]
    partners[0]["budget"] |= {"requests_per_second": 200, "burst": 200}
    often = {"interval": "2s", "max_age": "20m"}
    collectors = ("services", "tenant_seats", "customer_seats", "products_purchased", "products_available")
    config = {
        "partners": partners,
        "collectors": dict.fromkeys(collectors, often),
        "state": {"file": str(servers.folder / "state"), "interval": "100ms"},
        "ha": {"lease": {"etcd": {"endpoints": [start_etcd(servers)], "key": "/leader"}}, **TIMES},
    }
    replicas = []
    for number in range(REPLICAS):
        file = servers.folder / f"config-{number}.yaml"
        config["ha"]["identity"] = f"replica-{number}"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        replica = servers.start(f"replica-{number}", [binary, f"--config.file={file}", LOOPBACK])
        replicas.append((replica, wait("a replica", lambda: replica.said(r'listening address="?([\d.:]+)'))))
    return replicas


def start_monitoring(servers: Servers, targets: list, webhook: Webhook) -> tuple[Prometheus, Alertmanager]:
    receiver = {"url": f"http://127.0.0.1:{webhook.server_port}", "send_resolved": True}
    route = {"receiver": "webhook", "group_by": ["..."], "group_wait": "1s", "group_interval": "1s"}
    file = servers.folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump({"route": route, "receivers": [{"name": "webhook", "webhook_configs": [receiver]}]}))
    flags = [f"--config.file={file}", f"--storage.path={servers.folder / 'alertmanager'}", "--cluster.listen-address="]
    alertmanager = servers.on_free_port("alertmanager", ["prometheus-alertmanager", *flags])
    for rules in RULES:
        (servers.folder / rules.name).write_text(shorten(rules.read_text(encoding="utf-8")), encoding="utf-8")
    second = "1s"
    prometheus_yml = {
        "global": {"scrape_interval": second, "scrape_timeout": second, "evaluation_interval": second},
        "rule_files": [rules.name for rules in RULES],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
        "scrape_configs": [{"job_name": "avepoint_exporter", "static_configs": [{"targets": targets}]}],
    }
    file = servers.folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(prometheus_yml), encoding="utf-8")
    flags = [f"--config.file={file}", f"--storage.tsdb.path={servers.folder / 'data'}"]
    return Prometheus(servers.on_free_port("prometheus", ["prometheus", *flags])), Alertmanager(alertmanager)


def of_customers(alertmanager: Alertmanager) -> dict:
    """When each alert about a customer began, by its fingerprint and name."""
    alerts = (alert for alert in alertmanager.alerts() if "customer_id" in alert["labels"])
    return {(alert["fingerprint"], alert["labels"]["alertname"]): alert["startsAt"] for alert in alerts}


def settle(prometheus: Prometheus, alertmanager: Alertmanager) -> dict:
    """The alerts about customers when none is on its way and nothing changes for a while."""
    before, steady, end = {}, 0, time.monotonic() + 180
    while steady < STEADY:
        if time.monotonic() > end:
            raise TooLate("the alerts about customers do not settle")
        prometheus.wait_for_evaluations(1)
        now, pending = of_customers(alertmanager), [alert for alert in prometheus.pending() if "customer_id" in alert["labels"]]
        steady, before = (steady + 1 if now and now == before and not pending else 0), now
    return before


def leader(replicas: list) -> int | None:
    for number, (replica, address) in enumerate(replicas):
        if replica.child.poll() is None and re.search(r"^avepoint_exporter_leading\S* 1$", get(f"http://{address}/metrics"), re.M):
            return number
    return None


def run(binary: pathlib.Path, servers: Servers) -> list[str]:
    webhook = Webhook()
    replicas = start_replicas(servers, binary)
    wait("a leader", lambda: leader(replicas) is not None)
    prometheus, alertmanager = start_monitoring(servers, [address for _, address in replicas], webhook)
    expected = settle(prometheus, alertmanager)
    wrong = []
    for how, end in (("is killed", signal.SIGKILL), ("ends", signal.SIGTERM)):
        ended = leader(replicas)
        begin = time.monotonic()
        replicas[ended][0].child.send_signal(end)
        wait("another leader", lambda ended=ended: leader(replicas) not in (None, ended))
        took = time.monotonic() - begin
        for _ in range(STEADY):
            prometheus.wait_for_evaluations(1)
            found = of_customers(alertmanager)
            if found != expected:
                wrong += [f"the leader {how}: gone, new or begun anew: {sorted(expected.items() ^ found.items())}"]
                break
        print(f"the leader {how}: another one leads after {took:.1f} s; {len(expected)} alerts about customers go on")
    if webhook.resolved:
        wrong += [f"resolved: {labels}" for labels in webhook.resolved]
    if missing := {fingerprint for fingerprint, _ in expected} - webhook.fired:
        wrong += [f"never notified of {len(missing)} alerts"]
    if len(expected) < 10:
        wrong += [f"only {len(expected)} alerts about customers"]
    return wrong


if __name__ == "__main__":
    sys.exit(play("take-over", run))
