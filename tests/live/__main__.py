#!/usr/bin/env python3
"""Every query is real: the simulator, the exporter, Prometheus with the shipped rules and Alertmanager, side by side.

    python3 tests/live [path of avepoint_exporter]

1. Every expression of a panel and of a rule runs through Prometheus' HTTP API: no error, and no empty answer where the
   simulated partners have such data.
2. The alerts that the simulated partners must raise are in Alertmanager with their annotations filled, and no other.
3. All this again when the API of a partner is gone, and when the exporter is: no alert about a customer ends by it.

Prometheus loads a copy of the rules with shorter times (shorten.py): `for` covers hours. What the rules do over hours
and days is tested by promtool (deploy/prometheus/tests).

Needs Python 3 with PyYAML, prometheus and prometheus-alertmanager (Debian: python3-yaml and packages of these names).
"""

import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import yaml  # noqa: E402
from servers import Alertmanager, Process, Prometheus, Servers, TooLate, wait  # noqa: E402
from shorten import shorten  # noqa: E402
import world  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "deploy" / "runbooks"
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard_url"}
RULES_FILES = ("facts.rules.yml", "settings.rules.yml", "alerts.rules.yml")
# What a template leaves behind if something was missing.
UNFILLED = re.compile(r"<no value>|<error|%!|NaN|\{\{|\}\}|  | [,.)]|\( |=&|=$")
# So many evaluations of all groups must change nothing: more than any shortened `for` and window of minutes asks for.
STEADY = 12


class Report:
    def __init__(self) -> None:
        self.passed, self.failures = 0, []

    def check(self, holds, what: str) -> None:
        if holds:
            self.passed += 1
        else:
            self.failures.append(what)
            print(f"FAILED: {what}", flush=True)


def start(servers: Servers, binary: pathlib.Path) -> tuple[Process, Process, Prometheus, Alertmanager]:
    """Everything: the second simulator, the exporter, Prometheus and Alertmanager are what the test talks about."""
    loopback = "--web.listen-address=127.0.0.1:0"
    simulators, partners = {}, []
    for name, flags in world.SIMULATORS.items():
        simulators[name] = simulator = servers.start(name, [binary, "simulate", loopback, *flags])
        printed = wait(f"the simulator {name}", lambda simulator=simulator: simulator.said(r"(partners:\n.*\n)$"))
        partners += yaml.safe_load(printed)["partners"]
    config = servers.folder / "config.yaml"
    config.write_text(yaml.safe_dump(world.configuration(partners)), encoding="utf-8")
    exporter = servers.start("exporter", [binary, f"--config.file={config}", loopback])
    address = wait("the exporter", lambda: exporter.said(r'listening address="?([\d.:]+)'))

    alertmanager_yml = servers.folder / "alertmanager.yml"
    alertmanager_yml.write_text("route: { receiver: nobody }\nreceivers: [ { name: nobody } ]\n", encoding="utf-8")
    alertmanager = servers.on_free_port(
        "alertmanager",
        [
            "prometheus-alertmanager",
            f"--config.file={alertmanager_yml}",
            f"--storage.path={servers.folder / 'alertmanager'}",
            "--cluster.listen-address=",
        ],
    )
    for file in RULES_FILES:
        (servers.folder / file).write_text(shorten((RULES / file).read_text(encoding="utf-8")), encoding="utf-8")
    prometheus_yml = servers.folder / "prometheus.yml"
    prometheus_yml.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": list(RULES_FILES),
                "alerting": {
                    "alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]
                },
                "scrape_configs": [
                    {"job_name": "avepoint_exporter", "static_configs": [{"targets": [address]}]},
                ],
            }
        ),
        encoding="utf-8",
    )
    prometheus = servers.on_free_port(
        "prometheus",
        ["prometheus", f"--config.file={prometheus_yml}", f"--storage.tsdb.path={servers.folder / 'data'}"],
    )
    return simulators["second"], exporter, Prometheus(prometheus), Alertmanager(alertmanager)


def wait_for_data(prometheus: Prometheus) -> None:
    """Until everything was polled once and all rules were evaluated over it several times."""
    wait(
        "the exporter to have read everything",
        lambda: prometheus.value("sum(avepoint_customers)") == world.CUSTOMERS
        and prometheus.value('sum(avepoint_collector_targets{state="pending"})') == 0,
    )
    prometheus.wait_for_evaluations(3)


def identity(alert: dict) -> tuple:
    """An alert as the tables of world.py have it."""
    labels = alert["labels"]
    what = next((labels[key] for key in ("tenant_type", "service_name", "collector", "credential") if key in labels), "")
    return labels["alertname"], labels["severity"], alert["annotations"].get("customer", labels.get("partner", "")), what


def settle(prometheus: Prometheus, alertmanager: Alertmanager, expected: list) -> list[str]:
    """Waits for exactly these alerts, with none on the way and no change for a while. What is wrong, if it is too late."""
    wanted, steady, wrong = collections.Counter(expected), 0, []
    end = time.monotonic() + 90
    while steady < STEADY and time.monotonic() < end:
        prometheus.wait_for_evaluations(1)
        found = collections.Counter(identity(alert) for alert in alertmanager.alerts())
        wrong = [f"missing: {alert}" for alert in (wanted - found).elements()]
        wrong += [f"not expected: {alert}" for alert in (found - wanted).elements()]
        wrong += [f"on its way: {identity(alert)}" for alert in prometheus.pending()]
        steady = 0 if wrong else steady + 1
    return wrong


def check_alerts(prometheus: Prometheus, alertmanager: Alertmanager, expected: list, report: Report, when: str) -> None:
    wrong = settle(prometheus, alertmanager, expected)
    for line in wrong:
        report.check(False, f"alerts {when}: {line}")
    report.check(not wrong, f"alerts {when}: the expected ones and no other")
    for alert in alertmanager.alerts():
        labels, annotations = alert["labels"], alert["annotations"]
        who = f"{' / '.join(identity(alert))} ({when})"
        report.check(annotations.keys() - {"customer"} == ANNOTATIONS, f"{who}: annotations are {sorted(annotations)}")
        for name, text in annotations.items():
            report.check(text and not UNFILLED.search(text), f"{who}: {name} is not filled: {text!r}")
        page = RUNBOOKS / annotations.get("runbook_url", "").rsplit("/", 1)[-1]
        report.check(page.is_file(), f"{who}: there is no {page.name}")
        if "customer_id" in labels:
            name = annotations.get("customer", "")
            report.check(name and name in annotations.get("summary", ""), f"{who}: the summary does not name the customer")


def dashboard_queries() -> dict[str, dict]:
    lines = subprocess.run(
        [ROOT / "dashboards" / "queries", "--rate-interval=4s"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {f"{query['dashboard']} / {query['panel']} / {query['refId']}": query for query in map(json.loads, lines)}


def check_panels(prometheus: Prometheus, may_be_empty: dict, report: Report) -> int:
    """Every query of the dashboards gives something, or nothing for a reason; as many as there are."""
    queries = dashboard_queries()
    known, counts = dict(may_be_empty), dict(world.COUNTS)
    for name, query in queries.items():
        reason = known.pop(name, None)
        try:
            result = prometheus.query(query["expr"], query["instant"])
        except ValueError as error:
            report.check(False, f"{name}: {error}\n{query['expr']}")
            continue
        report.check(bool(result) != bool(reason), f"{name}: gives {result[:1]}, {reason}\n{query['expr']}")
        report.check(not reason or query["may_be_empty"], f"{name}: may_be_empty.json does not say that it may be empty")
        if (count := counts.pop(name, None)) is not None:
            values = [float(series["value"][1]) for series in result]
            report.check(values == [count], f"{name}: gives {values} instead of {count}\n{query['expr']}")
    report.check(not known and not counts, f"no such queries: {', '.join([*known, *counts])}")
    return len(queries)


def check_last_known(prometheus: Prometheus, report: Report) -> None:
    queries = dashboard_queries()
    for name in world.LAST_KNOWN:
        query = queries[name]
        report.check(prometheus.query(query["expr"], query["instant"]), f"{name}: gives nothing without the exporter\n{query['expr']}")


def check_rules(prometheus: Prometheus, expected: list, empty_records: dict, report: Report) -> int:
    """Every expression of a rule, as many as there are. An alert's gives something if the alert is expected."""
    rules = [rule for group in prometheus.groups() for rule in group["rules"]]
    # A rule without a severity of its own has that of its bands.
    raised = {alert[:2] for alert in expected} | {(alert[0], "") for alert in expected}
    known = dict(empty_records)
    for rule in rules:
        severity = rule.get("labels", {}).get("severity", "")
        name = f"{rule['name']} {severity}".strip()
        report.check(rule["health"] == "ok", f"{name}: {rule.get('lastError')}")
        empty_for = known.pop(name, "") if rule["type"] == "recording" else (rule["name"], severity) not in raised
        try:
            empty = not prometheus.query(rule["query"])
        except ValueError as error:
            report.check(False, f"{name}: {error}\n{rule['query']}")
            continue
        report.check(empty == bool(empty_for), f"{name}: {'empty' if empty else 'not empty'}\n{rule['query']}")
    report.check(not known, f"no such rules: {', '.join(known)}")
    failures = prometheus.template_failures()
    report.check(failures == 0, f"{failures:.0f} templates of annotations failed")
    return len(rules)


def run(binary: pathlib.Path, servers: Servers, report: Report) -> None:
    second, exporter, prometheus, alertmanager = start(servers, binary)
    wait_for_data(prometheus)
    check_alerts(prometheus, alertmanager, world.AT_FIRST, report, "at first")
    panels = check_panels(prometheus, world.EMPTY_PANELS, report)
    rules = check_rules(prometheus, world.AT_FIRST, world.EMPTY_AT_FIRST, report)

    second.end()
    check_alerts(prometheus, alertmanager, world.API_GONE, report, "without an API")
    check_panels(prometheus, world.EMPTY_PANELS_API_GONE, report)
    check_rules(prometheus, world.API_GONE, world.EMPTY_API_GONE, report)

    exporter.end()
    check_alerts(prometheus, alertmanager, world.EXPORTER_GONE, report, "without the exporter")
    check_last_known(prometheus, report)
    check_rules(prometheus, world.EXPORTER_GONE, world.EMPTY_EXPORTER_GONE, report)

    alerts = len({*world.AT_FIRST, *world.API_GONE, *world.EXPORTER_GONE})
    verdict = "with findings" if report.failures else "as expected"
    print(f"{panels} dashboard queries, {rules} rule expressions, {alerts} alerts {verdict}")


def main() -> int:
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target" / "debug" / "avepoint_exporter").resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="avepoint-live-") as folder, Servers(pathlib.Path(folder)) as servers:
        try:
            run(binary, servers, report)
        except TooLate as error:
            report.check(False, str(error))
        if report.failures:
            for process in servers.processes:
                print(f"---- the end of the log of {process.name}\n{process.logged()[-1500:]}")
    print(f"live: {report.passed} passed, {len(report.failures)} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
