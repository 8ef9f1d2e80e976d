"""Start-up, memory, size and build time of the exporter."""
import os
import shutil
import statistics
import subprocess
import time

from contestants import Exporter
from processes import get
from tables import duration, size, table
from tools import BUILD, PROJECT, run

# The last of them have a million series.
CUSTOMERS = (10, 100, 1_000, 20_000, 40_161)
# Answers a second while everything is asked for the first time: twenty times what is common, for patience' sake.
FIRST_PASS = 1_000
STARTS = 21

# Nothing listens on port 9 of a machine of today: the daemon starts, and its API is not there.
CONFIG = """partners:
  - api_url: http://127.0.0.1:9
    token_url: http://127.0.0.1:9/connect/token
    auth: { client_id: 00000000-0000-0000-0000-000000000000, client_secret: none }
"""


def measure(binary, build_time):
    """A table."""
    folder = BUILD / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    median, least = map(duration, starts(binary, folder))
    rows = [[f"from exec to listening, median of {STARTS}", f"{median} (fastest {least})"]]
    for customers in CUSTOMERS:
        rows.append([f"resident, {customers:,} customers", resident(binary, folder, customers)])
    rows.append(["the binary, stripped (profile `dist`)", size(stripped(binary, folder))])
    if build_time:
        rows.append(["first command: `cargo build --release` from nothing, crates downloaded", cold_build()])
    shutil.rmtree(folder)
    return table(["", ""], rows)


def starts(binary, folder):
    """Median and least of the time from exec until the log says that it listens, the last thing before it answers."""
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    command = [str(binary), f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    seconds = []
    for _ in range(STARTS):
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            while b"msg=listening" not in (line := process.stderr.readline()):
                if not line:
                    raise SystemExit("the exporter does not start")
            seconds.append(time.monotonic() - began)
        finally:
            process.kill()
        process.wait()
        process.stderr.close()
    return statistics.median(seconds), min(seconds)


def resident(binary, folder, customers):
    print(f"  {customers} customers", flush=True)
    exporter = Exporter(binary, customers, folder, rate=FIRST_PASS)
    for encoding in ("identity", "gzip") * 5:
        get(exporter.address, "/metrics", encoding)
    exporter.program.idle()
    memory, series = exporter.program.memory(), exporter.series()
    exporter.stop()
    return f"{size(memory)} ({series:,} series)"


def stripped(binary, folder):
    copy = folder / "stripped"
    run("strip", "-o", copy, binary)
    return copy.stat().st_size


def cold_build():
    """Seconds of the README's first command until there is a binary."""
    print("  building from nothing", flush=True)
    run("cargo", "fetch", "--quiet", "--locked", cwd=PROJECT)
    target = BUILD / "cold"
    shutil.rmtree(target, ignore_errors=True)
    began = time.monotonic()
    run("cargo", "build", "--quiet", "--locked", "--release", cwd=PROJECT,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    seconds = time.monotonic() - began
    shutil.rmtree(target)
    return duration(seconds)
