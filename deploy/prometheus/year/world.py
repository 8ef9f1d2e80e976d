"""A world: customers as they are, exporters that ask about them, and when Prometheus can scrape those.

Everything happens at whole steps. What an exporter knows of a customer is the truth as of a step: that of its last successful poll.
"""

import dataclasses

from timeline import Track, inside, intersect, minus, union

LIVE = "live"  # as of each step itself
HOUR = 3600
DAY = 86400
NO_TARGET_KEPT = 6 * HOUR  # so long is kept what was known while there is no target at all


@dataclasses.dataclass
class Row:
    """A row of the service list; the tracks hold None for N/A."""

    id: str
    service: str
    model: str = "Enterprise"
    listed: list = None  # spans
    seats: Track = None
    assigned: Track = None
    expires: Track = dataclasses.field(default_factory=Track)  # in seconds
    contract: Track = dataclasses.field(default_factory=Track)
    capacity: Track = dataclasses.field(default_factory=Track)  # bytes, purchased
    per_seat: int = None  # bytes
    used: Track = dataclasses.field(default_factory=Track)
    protected: Track = dataclasses.field(default_factory=Track)


@dataclasses.dataclass
class Tenant:
    id: str
    assigned: Track
    available: Track
    type: str = "microsoft365"


@dataclasses.dataclass
class Customer:
    id: str
    partner: str
    listed: list
    kind: str = ""
    name: Track = None
    labels: Track = dataclasses.field(default_factory=lambda: Track(()))  # configured: a tuple of (name, value)
    rows: list = dataclasses.field(default_factory=list)
    tenants: list = dataclasses.field(default_factory=list)
    failing: dict = dataclasses.field(default_factory=dict)  # collector: spans in which its polls are refused


@dataclasses.dataclass
class Exporter:
    labels: dict  # job, instance, and what else the discovery of Prometheus adds
    lives: list  # of (start, end, restored): a process, and whether it began with the state of the one before
    targets: list  # spans in which Prometheus has it as a target
    partners: dict  # name: spans in which it is configured
    unreachable: list = dataclasses.field(default_factory=list)  # runs, and scrapes fail
    refused: list = dataclasses.field(default_factory=list)  # its own token requests are refused
    labels_late: int = 0  # steps by which its configured labels are later
    saves_fail: list = dataclasses.field(default_factory=list)
    reload_failed: list = dataclasses.field(default_factory=list)
    first_pass: int = 1  # steps until the last customer is asked, without state

    @property
    def runs(self):
        return union([(start, end) for start, end, _ in self.lives])

    @property
    def visible(self):
        return minus(intersect(self.runs, self.targets), self.unreachable)

    @property
    def down(self):
        return minus(self.targets, self.visible)


@dataclasses.dataclass
class Collector:
    interval: int  # steps between polls in this world
    max_age: int  # seconds
    interval_seconds: int  # as configured


@dataclasses.dataclass
class World:
    name: str
    step: int  # seconds
    steps: int
    exporters: list
    customers: list
    collectors: dict
    api_down: dict = dataclasses.field(default_factory=dict)  # partner: spans
    secret_expires: dict = dataclasses.field(default_factory=dict)  # partner: Track of seconds
    lag: dict = dataclasses.field(default_factory=dict)  # partner: Track of seconds
    unreadable: dict = dataclasses.field(default_factory=dict)  # partner: steps at which a value could not be read
    throttled: dict = dataclasses.field(default_factory=dict)  # partner: spans
    name_label: bool = False

    @property
    def partners(self):
        return sorted({partner for exporter in self.exporters for partner in exporter.partners})

    @property
    def drops_hours(self):
        """At one sample in how many hours the use of two weeks is looked at; promtool allows for 10,000 samples a query."""
        services = len({(customer.id, row.service) for customer in self.customers for row in customer.rows if row.seats})
        return next(hours for hours in (1, 2, 4, 8) if 2 * services * (14 * 24 // hours + 1) < 9000)

    def working(self, exporter, partner):
        """Where an exporter's requests succeed."""
        bad = union(self.api_down.get(partner, []), exporter.refused)
        return minus(intersect(exporter.runs, exporter.partners.get(partner, [])), bad)

    def untargeted(self):
        """Where no exporter has been a target for so long that what was known is dropped."""
        absent = minus([(0, self.steps)], union(*(exporter.targets for exporter in self.exporters)))
        kept = NO_TARGET_KEPT // self.step - 1  # counted from the last scrape
        return [(start + kept, end) for start, end in absent if end - start > kept]


def knowledge(exporter, works, interval, delay=0):
    """As of when an exporter knows something (LIVE, a step, or None), and the spans in which its last poll failed."""
    known, failing, last = Track(), [], None
    for start, end, restored in exporter.lives:
        last = last if restored else None
        known.set(start, last)
        first = start if restored else start + delay
        if interval == 1:
            good = intersect(works, [(first, end)])
            for a, b in good:
                known.set(a, LIVE)
                last = b - 1
                known.set(b, last)
            failing += minus([(first, end)], good)
        else:
            for poll in range(first, end, interval):
                if inside(works, poll):
                    last = poll
                    known.set(poll, last)
                else:
                    failing.append((poll, min(poll + interval, end)))
    return known, union(failing)


def delay_of(customer, exporter):
    """When a first pass comes to this customer."""
    return sum(customer.id.encode()) % (exporter.first_pass + 1)


def knows(world, exporter, customer, collector):
    """`knowledge` of a customer's collector; the service list is asked for all customers at once."""
    works = intersect(world.working(exporter, customer.partner), customer.listed)
    works = minus(works, customer.failing.get(collector, []))
    delay = 0 if collector == "services" else delay_of(customer, exporter)
    return knowledge(exporter, works, world.collectors[collector].interval, delay)


def discovers(world, exporter, partner):
    return knowledge(exporter, world.working(exporter, partner), world.collectors["services"].interval)


def as_of(known, start, end, spans):
    """Where, of [start, end), that which is known as of then lies in the spans."""
    found = []
    for a, b, value in known.pieces(start, end):
        if value == LIVE:
            found += intersect([(a, b)], spans)
        elif value is not None and inside(spans, value):
            found.append((a, b))
    return union(found)


def translate(known, track, start, end):
    """(start, end, value) of a track seen with the eyes of who knows it as of then."""
    for a, b, value in known.pieces(start, end):
        if value == LIVE:
            yield from track.pieces(a, b)
        elif value is not None:
            yield a, b, track.at(value)
