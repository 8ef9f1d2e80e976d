"""Programs that are measured: started, waited for, read from /proc, and ended with the script."""
import http.client
import os
import re
import signal
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
started = []


class Program:
    """A running program whose output goes to a file. Its workers, direct children, count as it."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.output = Path(folder) / f"{name}.log"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment)
        started.append(self)

    def wait_for(self, pattern, seconds, times=1):
        """The text of the pattern's first group, as soon as the output holds the pattern so many times."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.output.read_text(errors="replace")
            found = re.findall(pattern, text)
            if len(found) >= times:
                return found[0]
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended:\n{text[-2000:]}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} has not said {pattern!r} within {seconds} s:\n{text[-2000:]}")
            time.sleep(0.005)

    def pids(self):
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu(self):
        """CPU seconds so far."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self, field="VmRSS"):
        """Resident bytes; with `VmHWM`, the most so far."""
        text = "".join(Path(f"/proc/{pid}/status").read_text() for pid in self.pids())
        return sum(int(kib) for kib in re.findall(rf"{field}:\s+(\d+) kB", text)) * 1024

    def idle(self, seconds=120):
        """Returns once the program has used no CPU to speak of for half a second."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(0.5)
            if self.cpu() - before < 0.025:
                return
        print(f"  {self.name} is not idle after {seconds} s; going on", flush=True)

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self in started:
            started.remove(self)


def stop_all():
    for program in reversed(list(started)):
        program.stop()


def get(address, path, encoding="identity"):
    """Body of an answer as it was sent; any status."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=120)
    try:
        connection.request("GET", path, headers={"Accept-Encoding": encoding, "Accept": "text/plain;version=0.0.4"})
        return connection.getresponse().read()
    finally:
        connection.close()
