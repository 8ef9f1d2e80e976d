"""The processes of the test, all on loopback, ended when the test is, whatever happens."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE = 90.0
ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TooLate(Exception):
    """What was waited for did not come."""


def get(url: str, **parameters: str) -> str:
    """The body of an answer, also of one that says no."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    try:
        with OPENER.open(url + query, timeout=30) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def wait(what: str, condition, patience: float = PATIENCE):
    """Asks again and again, until the answer is true; gives it. A server that does not answer yet is no answer."""
    end, last = time.monotonic() + patience, None
    while time.monotonic() < end:
        try:
            if answer := condition():
                return answer
        except OSError as error:
            last = error
        time.sleep(0.1)
    raise TooLate(f"waited {patience:.0f} s for {what}" + (f"; last: {last}" if last else ""))


class Process:
    def __init__(self, name: str, command: list, folder: pathlib.Path) -> None:
        self.name = name
        self.out, self.log = folder / f"{name}.out", folder / f"{name}.log"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            self.child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def said(self, pattern: str):
        """The first group of a pattern in what it wrote, once it is there; raises if the process has ended."""
        ended = self.child.poll()
        found = re.search(pattern, self.out.read_text(encoding="utf-8") + self.logged(), re.DOTALL)
        if not found and ended is not None:
            raise TooLate(f"{self.name} has ended with {ended}:\n{self.logged()[-2000:]}")
        return found and found[1]

    def end(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Servers:
    """Starts processes; ends those that it started, the last one first."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.processes = folder, []

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            process.end()

    def start(self, name: str, command: list) -> Process:
        self.processes.append(Process(name, [str(word) for word in command], self.folder))
        return self.processes[-1]

    def on_free_port(self, name: str, command: list) -> str:
        """For a server that does not say which port it got, if it is asked for port 0. Its URL, once it is ready."""
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                address = f"127.0.0.1:{probe.getsockname()[1]}"
            process = self.start(name, [*command, f"--web.listen-address={address}"])

            def ready(child=process.child, url=f"http://{address}/-/ready") -> bool:
                return child.poll() is not None or OPENER.open(url, timeout=5).status == 200

            wait(f"{name} to be ready or to end", ready)
            if process.child.poll() is None:
                return f"http://{address}"
            if "address already in use" not in process.logged():
                break
        raise TooLate(f"{name} does not start:\n{process.logged()[-2000:]}")


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def _api(self, path: str, **parameters: str) -> dict:
        answer = json.loads(get(f"{self.url}/api/v1/{path}", **parameters))
        if answer["status"] != "success":
            raise ValueError(f"{answer.get('errorType')}: {answer.get('error')}")
        if answer.get("warnings"):
            raise ValueError(f"warnings: {answer['warnings']}")
        return answer["data"]

    def query(self, expr: str, instant: bool = True) -> list:
        """The series of an answer, over the last minute if not instant; ValueError says what Prometheus says."""
        if instant:
            return self._api("query", query=expr)["result"]
        now = time.time()
        return self._api("query_range", query=expr, start=f"{now - 60}", end=f"{now}", step="1")["result"]

    def value(self, expr: str) -> float | None:
        result = self.query(expr)
        return float(result[0]["value"][1]) if result else None

    def groups(self) -> list:
        return self._api("rules")["groups"]

    def alerts(self) -> list:
        """Those that are pending or firing."""
        return self._api("alerts")["alerts"]

    def pending(self) -> list:
        return [alert for alert in self.alerts() if alert["state"] == "pending"]

    def template_failures(self) -> float:
        """How often an annotation could not be made so far."""
        name = "prometheus_template_text_expansion_failures_total"
        return float(re.search(rf"^{name} (\S+)$", get(f"{self.url}/metrics"), re.MULTILINE)[1])

    def wait_for_evaluations(self, times: int) -> None:
        """Until every group was evaluated so many times from now on."""
        for _ in range(times):
            before = {group["name"]: group["lastEvaluation"] for group in self.groups()}

            def evaluated(before=before) -> bool:
                return all(group["lastEvaluation"] > before[group["name"]] for group in self.groups())

            wait("every group of rules to be evaluated", evaluated)


class Alertmanager:
    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self) -> list:
        return json.loads(get(f"{self.url}/api/v2/alerts", active="true"))


def play(name: str, run) -> int:
    """`run(binary, servers)` returns what was wrong; prints it, with the end of every server's log, and returns the exit code."""
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target" / "debug" / "avepoint_exporter").resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="avepoint-live-") as folder, Servers(pathlib.Path(folder)) as servers:
        try:
            wrong = run(binary, servers)
        except TooLate as error:
            wrong = [str(error)]
        for line in wrong:
            print(f"FAILED: {line}")
        for process in servers.processes if wrong else []:
            print(f"---- the end of the log of {process.name}\n{process.logged()[-1500:]}")
    print(f"{name}: {f'{len(wrong)} findings' if wrong else 'as expected'}, in {time.monotonic() - begin:.0f} s")
    return 1 if wrong else 0
