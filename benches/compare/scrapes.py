"""All contestants with the same series, scraped by the same client, in turns."""
import math
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from contestants import SERIES_PER_CUSTOMER, Exporter, Nginx, Peer
from processes import get

# Answers a second that the exporter reads while everything changes: ten times the budget that is the default.
CHANGES = 50
# Of one slice; in each round every contestant has one.
SLICE = 0.6
# A peer that has had so much time with one kind of scrape is not asked in further rounds.
ENOUGH = 2.0
# Beyond so many series a peer is not asked by 32 at once while it changes, which takes a minute and says nothing new;
PEERS_AT_ONCE = 30_000
# and beyond so many only by one who keeps the connection: 32 would take more memory than machines have.
PEERS_ALONE = 300_000


@dataclass(frozen=True)
class Kind:
    """A way to scrape."""

    encoding: str
    scrapers: int = 1
    connection: str = "keep"
    changing: bool = False

    def __str__(self):
        words = ["gzip" if self.encoding == "gzip" else "plain"]
        words += ["1 scraper" if self.scrapers == 1 else f"{self.scrapers} scrapers at once"]
        words += ["new connections"] * (self.connection == "new") + ["constant change"] * self.changing
        return ", ".join(words)


ENCODINGS = ("gzip", "identity")
QUIET = [Kind(encoding, scrapers, connection) for scrapers, connection in ((1, "keep"), (1, "new"), (32, "keep"))
         for encoding in ENCODINGS]
CHANGING = [Kind(encoding, scrapers, changing=True) for scrapers in (1, 32) for encoding in ENCODINGS]


@dataclass
class Times:
    """What a contestant needed for one kind of scrape: seconds of every scrape, by round."""

    rounds: list = field(default_factory=list)
    bytes: int = 0
    cpu: float = 0.0

    @property
    def all(self):
        return sorted(time for one in self.rounds for time in one)

    @property
    def median(self):
        return statistics.median(self.all)

    @property
    def p99(self):
        times = self.all
        return times[math.ceil(0.99 * len(times)) - 1]

    @property
    def cpu_each(self):
        return self.cpu / len(self.all)

    def ratio(self, other):
        """How many times longer than the other: of each round's medians, then the median, so that noise hits both."""
        pairs = zip(self.rounds, other.rounds)
        return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


@dataclass
class Result:
    """One number of series."""

    label: str
    series: int = 0
    times: dict = field(default_factory=dict)       # (kind, contestant) -> Times
    resident: dict = field(default_factory=dict)    # contestant -> bytes after scrapes by one at a time
    most: dict = field(default_factory=dict)        # contestant -> bytes, the most there ever were
    filled: float = 0.0                             # seconds until everything was known
    cpu_per_answer: dict = field(default_factory=dict)  # answers a second -> CPU seconds each


def measure(label, wanted, binaries, exporter_binary, rounds, without, state):
    """Everything about one number of series."""
    folder = binaries / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    result = Result(label)
    customers = max(1, round(wanted / SERIES_PER_CUSTOMER))
    print(f"\n== {label} series: {customers} customers", flush=True)
    exporter = Exporter(exporter_binary, customers, folder, state)
    result.filled, result.series = exporter.filled, exporter.series()
    print(f"  {result.series} series after {exporter.filled:.0f} s", flush=True)
    text, gzip = get(exporter.address, "/metrics"), get(exporter.address, "/metrics", "gzip")
    (folder / "series.txt").write_bytes(text)
    peers = {
        "client_golang": [binaries / "client_golang"],
        "prometheus": [binaries / "rust/release/compare", "prometheus"],
        "prometheus-client": [binaries / "rust/release/compare", "prometheus-client"],
    }
    others = [Nginx(folder, text, gzip)] if "nginx" not in without else []
    del text, gzip
    # One after the other: reading a million lines in parallel would need the memory of all at once.
    for name, command in peers.items():
        if name not in without:
            others.append(Peer(name, command, folder, folder / "series.txt"))
            others[-1].wait()
    contestants = [exporter, *others]
    for other in others:
        other.wait()
    client = binaries / "rust/release/load"

    single = [kind for kind in QUIET if kind.scrapers == 1]
    for kind in single:
        turns(result, kind, contestants, client, rounds)
    for contestant in contestants:
        result.resident[contestant.name] = contestant.program.memory()
    for kind in QUIET:
        if kind not in single:
            turns(result, kind, contestants, client, rounds)
    for rate in (1, CHANGES):
        exporter.change(rate)
        result.cpu_per_answer[rate] = cpu_per_answer(exporter, seconds=12 if rate == 1 else 5)
    for contestant in others:
        contestant.change(CHANGES)
    for kind in CHANGING:
        turns(result, kind, contestants, client, rounds)
    for contestant in contestants:
        result.most[contestant.name] = contestant.program.memory("VmHWM")
        contestant.stop()
    shutil.rmtree(folder)
    return result


def cpu_per_answer(exporter, seconds):
    """CPU seconds of everything the daemon does, by the answers it reads meanwhile; nobody scrapes."""
    polls, cpu = exporter.polls(), exporter.program.cpu()
    time.sleep(seconds)
    cpu = exporter.program.cpu() - cpu
    return cpu / max(1, exporter.polls() - polls)


def turns(result, kind, contestants, client, rounds):
    """Every contestant in every round, each round beginning with another."""
    print(f"  {kind}:", end="", flush=True)
    spent = dict.fromkeys((contestant.name for contestant in contestants), 0.0)
    for turn in range(rounds):
        first = turn % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            if isinstance(contestant, Peer) and too_much(result, kind, spent[contestant.name]):
                continue
            began = time.monotonic()
            scraped(result, kind, contestant, client)
            spent[contestant.name] += time.monotonic() - began
    for contestant in contestants:
        if (kind, contestant.name) in result.times:
            print(f" {contestant.name} {result.times[kind, contestant.name].median * 1000:.4g} ms", end="", flush=True)
    print(flush=True)


def too_much(result, kind, spent):
    both = kind.scrapers > 1 and kind.changing
    either = kind.scrapers > 1 or kind.connection == "new"
    return spent > ENOUGH or (both and result.series > PEERS_AT_ONCE) or (either and result.series > PEERS_ALONE)


def scraped(result, kind, contestant, client):
    """One slice."""
    times = result.times.setdefault((kind, contestant.name), Times())
    cpu = contestant.program.cpu()
    command = [client, contestant.address, "/metrics", kind.encoding, kind.connection, kind.scrapers, SLICE, 2000]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contestant.name}, {kind}: {done.stderr}")
    times.cpu += contestant.program.cpu() - cpu
    size, nanoseconds = done.stdout.split("\n")[:2]
    times.bytes = int(size)
    times.rounds.append([int(each) / 1e9 for each in nanoseconds.split()])
