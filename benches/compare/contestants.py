"""Who is compared: the exporter against its simulator, Go's and Rust's client libraries, and nginx as the limit."""
import os
import re
import socket
import time

from processes import Program, get

# Series of one simulated customer, on average; only used to choose how many customers to simulate.
SERIES_PER_CUSTOMER = 24.9
# Seats that move an hour every second: nearly every answer differs from the one before.
TIME_SCALE = 3600
COLLECTORS = ("services", "tenant_seats", "customer_seats", "products_purchased", "products_available")
CHANGING = ("tenant_seats", "customer_seats")
# What a peer sets for one answer that the exporter reads: assigned and available of a tenant, and freshness.
SERIES_PER_ANSWER = 4


class Exporter:
    """The daemon, and the simulated API that it polls: first everything once, then nothing, then as `change` says."""

    name = "avepoint_exporter"

    def __init__(self, binary, customers, folder, state=None, rate=100_000):
        self.folder, self.state = folder, state and state.resolve() / f"{customers}-customers"
        self.simulator = Program("simulator", [
            binary, "simulate", f"--customers={customers}", f"--time-scale={TIME_SCALE}",
            "--web.listen-address=127.0.0.1:0"], folder)
        self.simulator.wait_for(r"concurrency: ()8", 60)
        text = self.simulator.output.read_text()
        self.partner = text[text.index("partners:"):text.index("    budget:")]
        self.config = folder / "exporter.yaml"
        self.configure(rate=rate, concurrency=64)
        began = time.monotonic()
        self.program = Program("exporter", [
            binary, f"--config.file={self.config}", "--web.listen-address=127.0.0.1:0"], folder)
        self.address = self.program.wait_for(r"msg=listening address=(\S+)", 30)
        self.wait_until_polled(customers)
        self.filled = time.monotonic() - began
        self.reloads = 0
        # What is known now is published within a second, or a render later.
        time.sleep(2)
        self.program.idle()

    def configure(self, rate, concurrency, interval="1d"):
        lines = [self.partner.rstrip()]
        lines += [f"    budget: {{ requests_per_second: {rate}, burst: {rate}, concurrency: {concurrency} }}"]
        lines += ["collectors:"]
        for collector in COLLECTORS:
            often = interval if collector in CHANGING else "1d"
            lines += [f"  {collector}: {{ interval: {often}, max_age: 4d }}"]
        if self.state:
            lines += [f"state: {{ file: {self.state} }}"]
        self.config.write_text("\n".join(lines) + "\n")

    def wait_until_polled(self, customers, minutes=15):
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            text = get(self.address, "/-/ready").decode()
            if f": ready, {customers:,} customers, 0 targets pending" in text:
                return self.wait_until_published()
            time.sleep(0.2)
        raise SystemExit(f"the exporter has not polled everything within {minutes} minutes:\n{text}")

    def wait_until_published(self):
        """Publications of a whole world rest for seconds between each other."""
        before, now = -1, self.series()
        while now != before:
            time.sleep(6)
            before, now = now, self.series()

    def change(self, answers_per_second):
        """From now on so many customers a second are asked for numbers that have changed."""
        self.configure(answers_per_second, 8, "1s")
        self.reloads += 1
        self.program.hang_up()
        self.program.wait_for(r"msg=\"(the configuration was reloaded)", 60, self.reloads)
        time.sleep(2)

    def polls(self):
        """Answers read so far. The exporter's own counters are at the end."""
        tail = get(self.address, "/metrics")[-200_000:].decode()
        return sum(float(n) for n in re.findall(r"^avepoint_collector_polls_total\{.*\} (\S+)$", tail, re.M))

    def series(self):
        return int(re.search(rb"\navepoint_exporter_series (\d+)", get(self.address, "/metrics"))[1])

    def stop(self):
        self.program.stop()
        self.simulator.stop()


class Peer:
    """A client library that was filled with the exporter's series."""

    def __init__(self, name, command, folder, text):
        self.name = name
        self.program = Program(name, [*command, text], folder)

    def wait(self):
        self.address = self.program.wait_for(r"listening on (\S+)", 180)

    def change(self, answers_per_second):
        get(self.address, f"/changes/{answers_per_second * SERIES_PER_ANSWER}")

    def stop(self):
        self.program.stop()


class Nginx:
    """The same bytes as files: sendfile for the text, gzip_static for what the exporter compressed."""

    name = "nginx"

    def __init__(self, folder, text, gzip):
        root = folder / "nginx"
        (root / "www").mkdir(parents=True)
        (root / "www/metrics").write_bytes(text)
        (root / "www/metrics.gz").write_bytes(gzip)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        paths = "\n".join(f"    {kind}_temp_path {root}/{kind};"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # Workers of root would be nobody, who may not read our folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (root / "nginx.conf").write_text(f"""daemon off;
{user}
worker_processes auto;
pid {root}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
{paths}
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    keepalive_timeout 1h;
    default_type "text/plain; version=0.0.4; charset=utf-8";
    server {{
        listen {self.address};
        root {root}/www;
        location = /metrics {{ gzip_static on; }}
    }}
}}
""")
        self.program = Program("nginx", ["nginx", "-e", "stderr", "-p", root, "-c", root / "nginx.conf"], folder)

    def wait(self):
        for _ in range(200):
            try:
                return get(self.address, "/metrics", "gzip")
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"nginx does not listen:\n{self.program.output.read_text()}")

    def change(self, _):
        """Its files stay: it is the limit also while the others change."""

    def stop(self):
        self.program.stop()
