#!/usr/bin/env python3
"""Backups: what the dashboards show of them, and whom the five alerts are about, with a real Prometheus.

    python3 tests/live/backups.py [path of avepoint_exporter]

The simulated customers have backups that fail, stall, are not configured or cover half. Between the exporter and the
simulator stands a proxy, for two things that the simulator does not do:

- It shows the nightly runs one night after the other, because two alerts are about several runs of a plan.
- It refuses the second partner every scope but that of the licences. Its customers have the same backups, and nobody may
  be alerted about them.

What must come out is computed here from what the API answers, not from what the exporter says. Prometheus loads a copy of
the rules with shorter times (shorten.py), and of the settings with thresholds of seconds where they are hours and days.

Needs Python 3 with PyYAML and prometheus.
"""

import collections
import datetime
import http.client
import http.server
import json
import math
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True

import yaml  # noqa: E402
from servers import Prometheus, Servers, play, wait  # noqa: E402
from shorten import shorten  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))
GENERAL = "/partner/external/v3/general/customers"
SCOPES = [f"elements.{name}.read.all" for name in ("license", "customers", "jobs", "cbprotected")]
GRANTED, DENIED = "quillmoor", "quillmoor-nordic"
NIGHTS = 3
# So many evaluations in a row must find the same alerts.
STEADY = 6
# Instead of hours and days, seconds. Half an hour is taken off the hours of BackupFailed for its `for`.
THRESHOLDS = {
    "backup_failed_warning_hours": 0.5 + 3 / 3600,
    "backup_failed_critical_hours": 0.5 + 6 / 3600,
    "backup_not_configured_days": 3 / 86400,
    "backup_coverage_days": 3 / 86400,
}
# Every other alert than these is about backups or about the collection, and is expected or wrong.
OF_LICENCES = re.compile("AvePoint(Seats|TenantSeats|Subscription|Contract|Capacity).*")
JOB_STATUS = {2: "finished", 3: "failed", 4: "finished_with_exception", 14: "waiting_for_configuration"}
PLAN = ("customer_id", "job_type", "job_module", "plan")
MODULE = ("customer_id", "service_type", "service_module")


class Proxy(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, simulator: str, denied: str) -> None:
        super().__init__(("127.0.0.1", 0), Forward)
        self.simulator, self.denied, self.nights = simulator, denied, 1
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *where) -> None:
        """The exporter ends in the middle of a request; anything else is printed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*where)

    def ask(self, method: str, path: str, body: bytes, headers: dict) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.simulator, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Forward(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/connect/token" and self._is_denied(body):
            status, answer = 400, b'{"error": "invalid_scope"}'
        else:
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            status, answer = self.server.ask(self.command, self.path, body, kept)
        if status == 200 and "/jobs/batch" in self.path:
            answer = _nights(json.loads(answer), self.server.nights)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815

    def _is_denied(self, body: bytes) -> bool:
        form = dict(urllib.parse.parse_qsl(body.decode()))
        return form["client_id"] == self.server.denied and form["scope"] != SCOPES[0]

    def log_message(self, *_) -> None:
        pass


def _nights(page: dict, nights: int) -> bytes:
    """A page of jobs with the first runs of each plan only."""
    rows, before = page["data"], len(page["data"])
    seen = collections.Counter()
    for row in sorted(rows, key=lambda row: row["startTime"]):
        plan = row["jobType"], row["jobModule"], row["name"]
        seen[plan] += row["startTime"] != "N/A"
        row["shown"] = seen[plan] <= nights
    page["data"] = [row for row in rows if row.pop("shown")]
    page["metadata"]["totalCount"] -= before - len(page["data"])
    return json.dumps(page).encode()


class Truth:
    """What the API says of a partner's backups, and what must follow from it."""

    def __init__(self, proxy: Proxy, auth: dict) -> None:
        form = {"grant_type": "client_credentials", "scope": " ".join(SCOPES)}
        form |= {key: auth[key] for key in ("client_id", "client_secret")}
        body = urllib.parse.urlencode(form).encode()
        _, token = proxy.ask("POST", "/connect/token", body, {"Content-Type": "application/x-www-form-urlencoded"})
        headers = {"Authorization": f"Bearer {json.loads(token)['access_token']}", "Content-Type": "application/json"}

        def rows(path: str, method: str = "POST") -> list:
            page = f"{GENERAL}{path}?pageIndex=1&pageSize=100"
            status, answer = proxy.ask(method, page, b"{}" if method == "POST" else b"", headers)
            return json.loads(answer)["data"] if status == 200 else []

        self.status = {row["id"]: row["jobStatus"] for row in rows("/batch")}
        self.subscribed = {row["customerId"] for row in rows("/services/batch") if _has_m365_backup(row["products"])}
        self.runs, self.modules = collections.defaultdict(list), {}
        for customer in self.status:
            for job in rows(f"/{customer}/avpt-products/jobs/batch"):
                if job["jobType"]:
                    self.runs[customer, str(job["jobType"]), str(job["jobModule"]), job["name"]].append(job)
            for module in rows(f"/{customer}/cloud-backup-m365/overview", "GET"):
                self.modules[customer, str(module["serviceType"]), str(module["serviceModule"])] = module
        for runs in self.runs.values():
            runs.sort(key=lambda job: job["endTime"], reverse=True)

    def of_status(self, *numbers: int) -> set:
        return {(customer,) for customer, status in self.status.items() if status in numbers}

    def ends(self, nights: int) -> dict:
        """When the newest run of each plan has ended, after so many nights."""
        return {plan: _time(runs[-nights:][0]["endTime"]) for plan, runs in self.runs.items() if runs[0]["endTime"] != "N/A"}

    def failed_share(self) -> dict:
        return {plan: share for plan, runs in self.runs.items() if (share := _failed_share(runs[0])) is not None}

    def bad_runs(self) -> dict:
        bad = {plan: [_is_bad(job) for job in runs] + [False] for plan, runs in self.runs.items()}
        return {plan: runs.index(False) for plan, runs in bad.items() if runs[0]}

    def stale(self) -> set:
        limit = time.time() - 36 * 3600
        return {plan for plan, end in self.ends(NIGHTS).items() if end <= limit and len(self.runs[plan]) == NIGHTS}

    def objects(self, field: str) -> dict:
        return {module: row[field] for module, row in self.modules.items()}

    def coverage(self) -> dict:
        scanned, protected = self.objects("totalScannedObjects"), self.objects("totalProtectedObjects")
        return {module: protected[module] / scanned[module] for module in scanned}

    def stored(self, customer: str | None) -> dict:
        fields = {"avepoint": "dataSizeStoredInAvePoint", "own": "dataSizeStoredInBYOS"}
        sums = collections.Counter()
        for storage, field in fields.items():
            for module, row in self.modules.items():
                if row[field] != "N/A" and customer in (None, module[0]):
                    number, unit = row[field].split()
                    assert unit == "GB", row
                    sums[storage,] += float(number) * 2**30
        return dict(sums)

    def uncovered(self) -> set:
        scanned, protected = self.objects("totalScannedObjects"), self.objects("totalProtectedObjects")
        low = {module for module, share in self.coverage().items() if share < 0.95 and scanned[module] - protected[module] >= 3}
        # Of these nothing is protected at all, although they have bought it.
        return low | {(customer,) for customer in self.subscribed - {module[0] for module in self.modules}}

    def alerts(self) -> dict:
        """The alert and its severity, and whom or what it is about."""
        failed, errors = self.of_status(2, 4), {plan for plan, runs in self.bad_runs().items() if runs >= 2}
        return {
            ("AvePointBackupFailed", "warning"): failed,
            ("AvePointBackupFailed", "critical"): failed,
            ("AvePointBackupNotConfigured", "info"): self.of_status(3),
            ("AvePointBackupJobErrors", "warning"): errors,
            ("AvePointBackupStale", "warning"): self.stale(),
            ("AvePointBackupCoverageLow", "warning"): self.uncovered(),
        }


def _time(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _failed_share(job: dict) -> float | None:
    counts = [job[f"{result}Count"] for result in ("failed", "successful", "skipped", "warning")]
    numbers = [int(count) for count in counts if count != "N/A"]
    return numbers[0] / sum(numbers) if sum(numbers) else None


def _is_bad(job: dict) -> bool:
    return job["status"] in (3, 7, 9) or (_failed_share(job) or 0) > 0.05


def _has_m365_backup(products: list) -> bool:
    def runs(row: dict) -> bool:
        # Year or month first; what comes after the day is always midnight.
        parts = [int(part) for part in re.findall(r"\d+", row.get("expirationDate", ""))[:3]]
        date = parts if not parts or parts[0] > 12 else [parts[2], *parts[:2]]
        return not date or datetime.datetime(*date, tzinfo=datetime.UTC).timestamp() > time.time()

    names = [row["service"].lower() for row in products if runs(row)]
    return any(name.startswith("cloud backup for microsoft 365") and "power platform" not in name for name in names)


def shortened(rules: pathlib.Path) -> str:
    text = rules.read_text(encoding="utf-8")
    if rules.name == "settings.rules.yml":
        for name, value in THRESHOLDS.items():
            text, found = re.subn(rf"(avepoint:threshold:{name}\n +expr: (?:\|\n +)?)vector\(\d+\)", rf"\g<1>vector({value:f})", text)
            assert found == 1, name
    return shorten(text, waits=3600)


def start(servers: Servers, binary: pathlib.Path) -> tuple[Proxy, Truth, Prometheus]:
    loopback = "--web.listen-address=127.0.0.1:0"
    simulator = servers.start("simulator", [binary, "simulate", loopback, "--time-scale=0"])
    printed = wait("the simulator", lambda: simulator.said(r"(partners:\n.*\n)$"))
    partners = yaml.safe_load(printed)["partners"]
    assert [partner["name"] for partner in partners] == [GRANTED, DENIED]
    proxy = Proxy(partners[0]["api_url"].removeprefix("http://"), partners[1]["auth"]["client_id"])
    for partner in partners:
        partner |= {"api_url": proxy.url, "token_url": f"{proxy.url}/connect/token"}
        del partner["auth"]["client_secret_expires"]
    often = {"enabled": True, "interval": "2s", "max_age": "20m"}
    collectors = dict.fromkeys(("services", "customers", "backup_jobs", "backup_overview"), often)
    collectors |= dict.fromkeys(("tenant_seats", "customer_seats", "products_purchased", "products_available"), {"enabled": False})
    config = servers.folder / "config.yaml"
    config.write_text(yaml.safe_dump({"partners": partners, "collectors": collectors}), encoding="utf-8")
    exporter = servers.start("exporter", [binary, f"--config.file={config}", loopback])
    address = wait("the exporter", lambda: exporter.said(r'listening address="?([\d.:]+)'))
    for rules in RULES:
        (servers.folder / rules.name).write_text(shortened(rules), encoding="utf-8")
    prometheus_yml = servers.folder / "prometheus.yml"
    # A machine that is busy answers late: that must not look like an exporter that is down.
    configuration = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": ["*.rules.yml"],
        "scrape_configs": [{"job_name": "avepoint_exporter", "static_configs": [{"targets": [address]}]}],
    }
    prometheus_yml.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    command = ["prometheus", f"--config.file={prometheus_yml}", f"--storage.tsdb.path={servers.folder / 'data'}"]
    return proxy, Truth(proxy, partners[0]["auth"]), Prometheus(servers.on_free_port("prometheus", command))


def values(prometheus: Prometheus, expr: str, keys: tuple, instant: bool = True) -> dict:
    """The newest value of each series, by these labels."""
    found = {}
    for series in prometheus.query(expr, instant):
        labels = tuple(series["metric"].get(key, "") for key in keys)
        assert labels not in found, f"{labels} twice: {expr}"
        found[labels] = float((series["value"] if instant else series["values"][-1])[1])
    return found


def panels(truth: Truth, customer: str | None) -> dict:
    """The queries about backups of the dashboard of all customers, or of one: which labels tell their series apart, and the
    series with their values."""
    statuses = {(*plan, JOB_STATUS[runs[0]["status"]]): 1 for plan, runs in truth.runs.items()}
    wanted = {
        "Plans / A": ((*PLAN, "status"), statuses),
        "Plans / B": (PLAN, truth.failed_share()),
        "Plans / C": (PLAN, truth.bad_runs()),
        "Plans / D": (PLAN, {plan: end * 1000 for plan, end in truth.ends(NIGHTS).items()}),
        "Coverage / A": (MODULE, truth.objects("totalProtectedObjects")),
        "Coverage / B": (MODULE, truth.objects("totalScannedObjects")),
        "Coverage / C": (MODULE, truth.coverage()),
    }
    if customer:
        wanted["Protected objects / A"] = wanted["Coverage / C"]
        for name, (keys, series) in wanted.items():
            wanted[name] = keys, {key: value for key, value in series.items() if key[0] == customer}
    else:
        wanted |= {
            "Backups failed / A": ((), {(): len(truth.of_status(2, 4))}),
            "Not configured / A": ((), {(): len(truth.of_status(3))}),
            "Plans with errors / A": ((), {(): sum(runs >= 2 for runs in truth.bad_runs().values())}),
            "Plans without a run / A": ((), {(): len(truth.stale())}),
            "Customers whose backups fail / A": (("customer_id",), dict.fromkeys(truth.of_status(2, 4), "a while")),
        }
    return wanted | {"Data stored by backups / A": (("storage",), truth.stored(customer))}


def check_panels(prometheus: Prometheus, truth: Truth, customer: str | None) -> tuple[int, list]:
    """Every query about backups of one dashboard; how many there are, and what is wrong."""
    known, board, wrong = panels(truth, customer), "customer" if customer else "seats", []
    count = len(known)
    command = [ROOT / "dashboards" / "queries", "--rate-interval=8s", f"--customer={customer}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    for query in map(json.loads, lines):
        name = f"{query['panel']} / {query['refId']}"
        if query["dashboard"] != board or name not in known:
            continue
        keys, expected = known.pop(name)
        found = values(prometheus, query["expr"], keys, query["instant"])
        found = {key: "a while" if expected.get(key) == "a while" else value for key, value in found.items()}
        differing = [key for key in found.keys() | expected.keys() if not same(found.get(key), expected.get(key))]
        if differing:
            differing = sorted(((key, found.get(key), expected.get(key)) for key in differing), key=str)
            wrong.append(f"{board} / {name} of {customer or 'all'}: {differing[:4]}, of {len(expected)}")
    return count, wrong + [f"{board} has no query {name}" for name in known]


def same(found: float | str | None, expected: float | str | None) -> bool:
    """Sums of sizes have fractions of bytes, and Prometheus adds in an order of its own."""
    if isinstance(found, float) and isinstance(expected, float | int):
        return math.isclose(found, expected, rel_tol=1e-12)
    return found == expected


def alerts(prometheus: Prometheus) -> dict:
    """What is pending or firing, by name and severity, but for what is about licences of the first partner."""
    found = collections.defaultdict(set)
    for alert in prometheus.alerts():
        labels = alert["labels"]
        of_granted = labels.get("partner") == GRANTED
        if of_granted and OF_LICENCES.fullmatch(labels["alertname"]):
            continue
        thing = tuple(labels[key] for key in (*PLAN, *MODULE[1:]) if key in labels)
        found[labels["alertname"], labels["severity"]].add(thing if of_granted else (labels.get("partner", ""), *thing))
    return dict(found)


def check_alerts(prometheus: Prometheus, expected: dict) -> list[str]:
    """Waits for exactly these alerts; what is wrong, if it is too late."""
    steady, wrong, end = 0, [], time.monotonic() + 60
    while steady < STEADY and time.monotonic() < end:
        prometheus.wait_for_evaluations(1)
        found = alerts(prometheus)
        wrong = []
        for alert in sorted(expected.keys() | found.keys()):
            wanted, got = expected.get(alert, set()), found.get(alert, set())
            wrong += [f"{' '.join(alert)} is missing: {thing}" for thing in sorted(wanted - got)]
            wrong += [f"{' '.join(alert)} is not expected: {thing}" for thing in sorted(got - wanted)]
        steady = 0 if wrong else steady + 1
    return wrong


def run(binary: pathlib.Path, servers: Servers) -> list[str]:
    proxy, truth, prometheus = start(servers, binary)
    for nights in range(1, NIGHTS + 1):
        proxy.nights = nights
        ends = truth.ends(nights)
        plans = "avepoint:backup_job_end_timestamp_seconds:last"
        wait(f"night {nights}", lambda ends=ends: values(prometheus, plans, PLAN) == ends)
        # Each run is judged when the rules see it.
        prometheus.wait_for_evaluations(2)
    not_granted = f'avepoint_collector_targets{{partner="{DENIED}",state="not_granted"}} > 0'
    optional = {("customers",), ("backup_jobs",), ("backup_overview",)}
    wait("the scopes to be refused", lambda: values(prometheus, not_granted, ("collector",)).keys() == optional)
    expected = truth.alerts()
    wrong = [f"nobody has {alert[0]}" for alert, things in expected.items() if not things]
    wrong += check_alerts(prometheus, expected)
    queries = 0
    for customer in (None, *sorted({plan[0] for plan in truth.runs})):
        count, differing = check_panels(prometheus, truth, customer)
        queries, wrong = queries + count, wrong + differing
    about = sum(map(len, expected.values()))
    print(f"{queries} dashboard queries, {about} alerts of {len(expected)} kinds, none of the partner without the scopes")
    return wrong


if __name__ == "__main__":
    sys.exit(play("backups", run))
