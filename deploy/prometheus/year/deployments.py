"""How the exporters of a partner fare over a year: restarts, outages, pairs of replicas, pods, exporters of one partner each."""

import dataclasses
import random

import customers
from timeline import Track, union
from world import DAY, HOUR, Collector, Exporter, World

JOB = "avepoint_exporter"
STEP = 1800
CONFIGURED = {"services": (3600, 900), "tenant_seats": (4 * 3600, 3600), "products_purchased": (DAY, 6 * 3600)}


class Year:
    """What all deployments share: the clock, the draw, and the outages of the API."""

    def __init__(self, name, seed, days):
        self.rng = random.Random(f"{seed}/{name}")
        self.name, self.seed, self.days = name, seed, days
        self.per_day = DAY // STEP
        self.steps = days * self.per_day

    def at(self, day, hour=0.0):
        return round((day + hour / 24) * self.per_day)

    def spans(self, *hours):
        """One span of each of these lengths, far from each other, at any time of the day."""
        part = self.days / len(hours)
        found = []
        for number, length in enumerate(hours):
            start = self.at(part * (number + self.rng.uniform(0.1, 0.8)))
            found.append((start, min(start + round(length * HOUR / STEP), self.steps)))
        return found

    def lives(self, restarts, restored=True):
        """A process that is restarted on these steps, each time gone for one step."""
        edges = [0, *sorted(restarts), self.steps]
        return [(start + (start > 0), end, restored and start > 0) for start, end in zip(edges, edges[1:])]

    def restarts(self, count):
        return sorted(self.rng.sample(range(self.at(1), self.steps, 5), count))

    def exporter(self, instance, partners, **more):
        whole = [(0, self.steps)]
        options = {"lives": [(0, self.steps, False)], "targets": whole, **more}
        return Exporter({"job": JOB, "instance": instance}, partners={partner: whole for partner in partners}, **options)

    def world(self, exporters, numbers, partner_of=lambda number: "main", collectors=("services", "tenant_seats")):
        people = [customers.customer(self.seed, number, partner_of(number), STEP, self.days) for number in numbers]
        every = {name: Collector(1, *CONFIGURED[name]) for name in collectors}
        world = World(self.name, STEP, self.steps, exporters, people, every)
        for partner in world.partners:
            world.api_down[partner] = self.spans(1, 2.5, 26, 1, 70)
        end = min(200, self.days - 10)
        world.secret_expires["main"] = Track(end * DAY).set(self.at(end - self.rng.choice([3, 12]), 10), (end + 365) * DAY)
        world.lag["main"] = lag = Track(0)
        for start, stop in self.spans(1, 8, 30):
            lag.set(start, 2 * HOUR)
            lag.set(stop, 0)
        world.unreadable["main"] = [start for start, _ in self.spans(1, 1, 1, 1)]
        return world


def single(year, numbers):
    """One exporter, restarted with and without its state, now and then out of reach."""
    kept, lost = year.restarts(9), year.restarts(3)
    lives = [(start, end, restored and end not in lost) for start, end, restored in year.lives(union_of(kept, lost))]
    lives = [(start, end, start - 1 not in lost and start > 0) for start, end, _ in lives]
    exporter = year.exporter("exporter:10120", ["main"], lives=lives, unreachable=year.spans(0.5, 5, 14, 1))
    exporter.saves_fail = year.spans(0.5, 40)
    exporter.reload_failed = year.spans(1, 50)
    world = year.world([exporter], numbers, collectors=tuple(CONFIGURED))
    world.name_label = year.rng.random() < 0.5
    return world


def union_of(*lists):
    return sorted({value for values in lists for value in values})


def pair(year, numbers):
    """Two exporters of one partner. One is refused for days, one is away for a day, both are away; one is replaced."""
    swap = year.at(year.days * 0.45, 13)
    first = year.exporter("a:10120", ["main"], lives=year.lives(year.restarts(4)))
    second = year.exporter("b:10120", ["main"], lives=[(0, swap, False)], targets=[(0, swap)], labels_late=2)
    third = year.exporter("c:10120", ["main"], lives=[(swap, year.steps, False)], targets=[(swap, year.steps)])
    both = year.spans(3, 8)
    second.unreachable = union(both, year.spans(24, 2))
    third.unreachable = both
    first.unreachable = union(both, year.spans(30))
    second.refused = [(swap // 2, swap // 2 + year.at(6))]
    first.refused = [(year.at(year.days * 0.7), year.at(year.days * 0.7 + 5))]
    return year.world([first, second, third], numbers)


def pods(year, numbers):
    """One pod after another, each with another address; in between there is no target, for minutes or for hours."""
    exporters, start = [], 0
    gaps = [0.5, 1, 3, 0.5, 5, 9, 2]
    for number in range(len(gaps) + 1):
        end = year.steps if number == len(gaps) else year.at(year.days / (len(gaps) + 1) * (number + 1), year.rng.randrange(20))
        life = [(start, end)]
        exporter = year.exporter(f"10.0.0.{number + 5}:10120", ["main"], lives=[(start, end, False)], targets=life)
        exporter.labels |= {"pod": f"avepoint-exporter-{number}", "namespace": "monitoring", "container": "exporter", "endpoint": "http"}
        exporters.append(exporter)
        start = end + round((gaps + [0])[number] * HOUR / STEP)
    return year.world(exporters, numbers)


def split(year, numbers):
    """Two exporters in one job, of a partner each; a third partner is taken out of the configuration."""
    first = year.exporter("one:10120", ["main", "third"], lives=year.lives(year.restarts(3)))
    second = year.exporter("two:10120", ["second"], lives=year.lives(year.restarts(3)), unreachable=year.spans(12, 1, 30))
    first.unreachable = year.spans(6, 0.5)
    first.partners["third"] = [(0, year.at(year.days * 0.66, 9.5))]
    names = ["main", "second", "third"]
    return year.world([first, second], numbers, partner_of=lambda number: names[number // 2 % 3])


DEPLOYMENTS = [single, pair, pods, split]


@dataclasses.dataclass
class Maker:
    """Makes a world when it is called: a world is large, and each belongs to one process."""

    name: str
    deployment: object
    numbers: list  # of its customers
    seed: str
    days: int

    def __call__(self):
        return self.deployment(Year(self.name, self.seed, self.days), self.numbers)


def worlds(seed, count, days, per_world):
    """The year of `count` customers, some of them in each world; all kinds of customers meet all kinds of deployments."""
    found, size = [], -(-count // per_world)
    for world in range(size):
        deployment = DEPLOYMENTS[world % len(DEPLOYMENTS)]
        numbers = [number for number in range(count) if (number + 7 * (number // len(customers.KINDS))) % size == world]
        found.append(Maker(f"{deployment.__name__}{world}", deployment, numbers, seed, days))
    return found
