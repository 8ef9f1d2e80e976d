#!/usr/bin/env python3
"""What an engineer gets: the notifications of the shipped rules and the shipped Alertmanager configuration, one by one.

    python3 tests/live/notifications.py

A played exporter, a real Prometheus, a real Alertmanager, and a webhook that takes down what comes. One customer's seats go
from 85 % over 100 % to 115 % and back; one subscription runs from 40 days to expired and is renewed. Each step lasts until
its notifications are there and nothing more comes. What gets worse sends no "resolved"; what ends sends one.

The rules are a copy with shorter times (shorten.py; windows of days stay, and so there is no forecast), Alertmanager's waits are seconds, and its receiver is the webhook;
nothing else differs. Needs Python 3 with PyYAML, prometheus and prometheus-alertmanager.
"""

import http.server
import json
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import yaml  # noqa: E402
from servers import Prometheus, Servers, TooLate, wait  # noqa: E402
from shorten import shorten  # noqa: E402

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
DAY = 86400
# So many evaluations without a further notification end a step: more than any wait of Alertmanager.
QUIET = 4
IDS = 'partner="main",customer_id="{}"'
ROW = IDS + ',subscription_id="r1",service_name="Backup"'

# Seats assigned of 100, days until the expiry, and the notifications of this step, in any order: the group, what fires in
# it, what has been resolved.
STEPS = [
    (85, 40, []),
    (92, 29, [("AvePointSeatsLow", ["warning"], []), ("AvePointSubscriptionExpiring", ["info"], [])]),
    (100, 13, [("AvePointSeatsExhausted", ["warning"], []), ("AvePointSubscriptionExpiring", ["warning"], [])]),
    (105, 2, [("AvePointSeatsOverAssigned", ["warning"], []), ("AvePointSubscriptionExpiring", ["critical"], [])]),
    (115, -1, [("AvePointSeatsOverAssigned", ["critical"], []), ("AvePointSubscriptionExpired", ["critical"], [])]),
    (105, -2, [("AvePointSeatsOverAssigned", ["warning"], ["critical"])]),
    (
        100,
        365,
        [
            ("AvePointSeatsOverAssigned", [], ["warning"]),
            ("AvePointSubscriptionExpired", [], ["critical", "warning"]),
            ("AvePointSubscriptionExpiring", [], ["critical", "info", "warning"]),
        ],
    ),
    (92, 365, [("AvePointSeatsExhausted", [], ["warning"])]),
    (85, 365, [("AvePointSeatsLow", [], ["warning"])]),
]


class Played(http.server.ThreadingHTTPServer):
    """Serves the exposition of an exporter at GET, and takes down what Alertmanager posts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.assigned, self.expires, self.notifications, self.ended = 0, 0.0, [], set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def exposition(self) -> str:
        now = time.time()
        seats, runs = ROW.format("seats"), ROW.format("runs")
        lines = [
            "avepoint_exporter_leading 1",
            'avepoint_up{partner="main"} 1',
            f'avepoint_discovery_last_success_timestamp_seconds{{partner="main"}} {now}',
            'avepoint_collector_interval_seconds{partner="main",collector="services"} 900',
            'avepoint_collector_max_age_seconds{partner="main",collector="services"} 3600',
            'avepoint_collector_targets{partner="main",collector="services",state="fresh"} 2',
            f"avepoint_subscription_seats_purchased{{{seats}}} 100",
            f"avepoint_subscription_microsoft_licenses_assigned{{{seats}}} {self.assigned}",
            f"avepoint_subscription_expiration_timestamp_seconds{{{runs}}} {self.expires}",
        ]
        for customer in ("seats", "runs"):
            ids = IDS.format(customer)
            lines += [
                f'avepoint_customer_info{{{ids},customer_name="Contoso"}} 1',
                f'avepoint_subscription_info{{{ROW.format(customer)},subscription_model="Standard"}} 1',
                f'avepoint_collector_last_success_timestamp_seconds{{{ids},collector="services"}} {now}',
            ]
        return "\n".join(lines) + "\n"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        body = self.server.exposition().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:  # noqa: N802
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        severities = {"firing": [], "resolved": []}
        for alert in message["alerts"]:
            # Prometheus says for 15 minutes that an alert has been resolved, so that a later message may say it again.
            ended = alert["fingerprint"], alert["startsAt"]
            if alert["status"] == "firing" or ended not in self.server.ended:
                severities[alert["status"]].append(alert["labels"]["severity"])
            if alert["status"] == "resolved":
                self.server.ended.add(ended)
        name = message["groupLabels"]["alertname"]
        self.server.notifications.append((name, *map(sorted, severities.values())))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def alertmanager_configuration(text: str, webhook: str) -> str:
    """The shipped one with waits of seconds and the webhook as its receiver; raises if it is not as it was."""
    for key, seconds in (("group_wait", 2), ("group_interval", 1)):
        text, found = re.subn(rf"(?m)^  {key}: \d+m$", f"  {key}: {seconds}s", text)
        if found != 1:
            raise ValueError(f"alertmanager.yml: {key} is not where it was")
    configuration = yaml.safe_load(text)
    configuration["receivers"][0]["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    return yaml.safe_dump(configuration)


def start(servers: Servers, played: Played) -> Prometheus:
    shipped = (DEPLOY / "compose" / "alertmanager.yml").read_text(encoding="utf-8")
    alertmanager_yml = servers.folder / "alertmanager.yml"
    alertmanager_yml.write_text(alertmanager_configuration(shipped, f"http://{played.address}/"), encoding="utf-8")
    storage = servers.folder / "alertmanager"
    command = ["prometheus-alertmanager", f"--config.file={alertmanager_yml}", f"--storage.path={storage}", "--cluster.listen-address="]
    alertmanager = servers.on_free_port("alertmanager", command).removeprefix("http://")
    for rules in sorted((DEPLOY / "prometheus").glob("*.rules.yml")):
        (servers.folder / rules.name).write_text(shorten(rules.read_text(encoding="utf-8"), waits=900, days=1), encoding="utf-8")
    prometheus_yml = servers.folder / "prometheus.yml"
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["*.rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "avepoint_exporter", "static_configs": [{"targets": [played.address]}]}],
    }
    prometheus_yml.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    # Alertmanager takes an alert for resolved if nothing is heard of it for four times the delay: longer than a busy machine
    # stands still. What changes is sent at once.
    command = ["prometheus", f"--config.file={prometheus_yml}", f"--storage.tsdb.path={servers.folder / 'data'}", "--rules.alert.resend-delay=15s"]
    return Prometheus(servers.on_free_port("prometheus", command))


def step(prometheus: Prometheus, played: Played, expected: list) -> str:
    """Waits until these notifications are there and no other comes for a while; says what is wrong."""
    played.notifications.clear()
    try:
        wait("the notifications", lambda: len(played.notifications) >= len(expected) and quiet(prometheus, played), patience=40)
    except TooLate:
        pass
    got = sorted(map(str, played.notifications))
    return "" if got == sorted(map(str, expected)) else f"expected {sorted(map(str, expected))}\n     got {got}"


def settled(prometheus: Prometheus, played: Played) -> bool:
    return prometheus.value("count(avepoint:seats_headroom)") and not prometheus.query("ALERTS") and quiet(prometheus, played)


def quiet(prometheus: Prometheus, played: Played) -> bool:
    """Nothing is pending, and no notification comes for some evaluations."""
    before = len(played.notifications)
    prometheus.wait_for_evaluations(QUIET)
    return len(played.notifications) == before and not prometheus.pending()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wrong, count = 0, 0
    with tempfile.TemporaryDirectory(prefix="avepoint-notifications-") as folder, Servers(pathlib.Path(folder)) as servers:
        played, prometheus = Played(), None
        for number, (assigned, days, expected) in enumerate(STEPS, 1):
            played.assigned, played.expires = assigned, time.time() + days * DAY
            if prometheus is None:
                prometheus = start(servers, played)
                wait("the first scrape, and what its absence raised to end", lambda: settled(prometheus, played))
            finding = step(prometheus, played, expected)
            wrong, count = wrong + bool(finding), count + len(played.notifications)
            print(f"{number}. {assigned} of 100 seats, {days} days: {finding or 'as expected'}", flush=True)
        played.shutdown()
    print(f"notifications: {count} in {len(STEPS)} steps, {wrong} steps with findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
